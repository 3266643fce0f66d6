"""The marts of the warehouse in plain Python, straight from their definitions.

Belongs here: recomputing marts from events, sessions, intervals and the catalogue, slowly and obviously. Does not
belong here: anything shared with the models, not even constants.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from media_analytics_tests.builders.reference import exact_sum, ratio
from media_analytics_tests.builders.reference_intervals import contains

Row = dict[str, Any]
Key = tuple[Any, ...]
Table = dict[Key, Row]


def twice(rows: Sequence[Row], measure: Callable[[Sequence[Row]], Row]) -> Row:
    """Each measure over all rows, and over those of people."""
    people = measure([row for row in rows if not row["is_bot"]])
    return measure(rows) | {f"{name}_human": value for name, value in people.items()}


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def month_of(day: date) -> date:
    return day.replace(day=1)


def week_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def brand_days(sessions: Sequence[Row]) -> Table:
    """What sessions say of a date and brand."""

    def measure(rows: Sequence[Row]) -> Row:
        viewing = [row for row in rows if row["page_views"]]
        bounces = [row for row in rows if row["page_views"] == 1 and row["engaged_seconds"] < 10]
        views = sum(row["page_views"] for row in rows)
        engaged = exact_sum(row["engaged_seconds"] for row in rows)
        return {
            "sessions": len(rows),
            "viewing_sessions": len(viewing),
            "visitors": len({row["visitor_id"] for row in rows}),
            "page_views": views,
            "bounces": len(bounces),
            "newsletter_signups": sum(row["newsletter_signups"] for row in rows),
            "engaged_seconds": engaged,
            "bounce_rate": ratio(len(bounces), len(viewing)),
            "pages_per_session": ratio(views, len(viewing)),
            "engaged_seconds_per_page_view": engaged / views if views else None,
        }

    groups = grouped(sessions, lambda row: (row["date"], row["brand"]))
    return {key: twice(rows, measure) for key, rows in groups.items()}


def brand_months(sessions: Sequence[Row]) -> Table:
    """Visitors once a month, the rest summed."""

    def measure(rows: Sequence[Row]) -> Row:
        return {
            "sessions": len(rows),
            "visitors": len({row["visitor_id"] for row in rows}),
            "page_views": sum(row["page_views"] for row in rows),
            "engaged_seconds": exact_sum(row["engaged_seconds"] for row in rows),
        }

    groups = grouped(sessions, lambda row: (month_of(row["date"]), row["brand"]))
    return {key: twice(rows, measure) for key, rows in groups.items()}


def acquisition(sessions: Sequence[Row]) -> Table:
    """Sessions by the referrer of their first page view."""

    def measure(rows: Sequence[Row]) -> Row:
        return {
            "sessions": len(rows),
            "visitors": len({row["visitor_id"] for row in rows}),
            "page_views": sum(row["page_views"] for row in rows),
            "newsletter_signups": sum(row["newsletter_signups"] for row in rows),
            "bounces": sum(row["page_views"] == 1 and row["engaged_seconds"] < 10 for row in rows),
        }

    names = ("date", "brand", "referrer_medium", "referrer_source")
    groups = grouped(sessions, lambda row: tuple(row[name] for name in names))
    return {key: twice(rows, measure) for key, rows in groups.items()}


def cohorts(sessions: Sequence[Row], last_week: int) -> Table:
    """By week, brand and first week: who came again, up to the newest week."""
    counted = {
        "": _cohorts(sessions),
        "_human": _cohorts([row for row in sessions if not row["is_bot"]]),
    }
    found: Table = {}
    newest = max((week_of(row["date"]) for row in sessions), default=date.min)
    for begin, brand in {first for sizes, _ in counted.values() for first in sizes}:
        for number in range(min(last_week, (newest - begin).days // 7) + 1):
            cell = (begin, brand, number)
            row: Row = {"week_number": number}
            for twin, (sizes, came) in counted.items():
                size, returned = sizes.get((begin, brand), 0), came.get(cell, 0)
                row |= {
                    f"cohort_visitors{twin}": size,
                    f"returned_visitors{twin}": returned,
                    f"retention_rate{twin}": returned / size if size else None,
                }
            found[begin + timedelta(weeks=number), brand, begin] = row
    return found


def _cohorts(sessions: Sequence[Row]) -> tuple[dict[Key, int], dict[Key, int]]:
    """Visitors by first week and brand, and by weeks since."""
    weeks: dict[tuple[str, str], set[date]] = defaultdict(set)
    for row in sessions:
        weeks[row["brand"], row["visitor_id"]].add(week_of(row["date"]))
    sizes: dict[Key, int] = defaultdict(int)
    came: dict[Key, int] = defaultdict(int)
    for (brand, _), own in weeks.items():
        begin = min(own)
        sizes[begin, brand] += 1
        for week in own:
            came[begin, brand, (week - begin).days // 7] += 1
    return sizes, came


def subscriptions(intervals: Sequence[Row], days: Iterable[date]) -> Table:
    """Each date's starts, cancels and running subscriptions, by looking at every interval."""
    found: Table = {}
    for day in days:
        begin = datetime.combine(day, time(), UTC)
        end = begin + timedelta(days=1)

        def measure(
            rows: Sequence[Row], begin: datetime = begin, end: datetime = end, day: date = day
        ) -> Row:
            before = sum(contains(row, begin) for row in rows)
            ended = [row for row in rows if row["ended_by"] == "cancel" and row["valid_to"].date() == day]
            return {
                "starts": sum(row["valid_from"].date() == day for row in rows),
                "cancels": len(ended),
                "active": sum(contains(row, end) for row in rows),
                "active_at_start": before,
                "churn_rate": ratio(len(ended), before),
            }

        brands: dict[str, dict[str, int]] = defaultdict(lambda: {"": 0, "_human": 0})
        for row in intervals:
            brands[row["brand"]][""] += contains(row, end)
            brands[row["brand"]]["_human"] += contains(row, end) and not row["is_bot"]
        for (brand, tier), rows in grouped(intervals, lambda row: (row["brand"], row["tier"])).items():
            row = twice(rows, measure)
            if any(row[name] for name in ("starts", "cancels", "active", "active_at_start")):
                for twin in ("", "_human"):
                    row[f"share_of_active{twin}"] = ratio(row[f"active{twin}"], brands[brand][twin])
                found[day, brand, tier] = row
    return found


def brand_subscriptions(intervals: Sequence[Row], days: Iterable[date]) -> Table:
    """Starts, cancels and running subscriptions of a date and brand, over all tiers."""
    found: Table = {}
    groups = grouped(
        (
            row | {"date": day, "brand": brand}
            for (day, brand, _), row in subscriptions(intervals, days).items()
        ),
        lambda row: (row["date"], row["brand"]),
    )
    for key, rows in groups.items():
        found[key] = {
            f"{said}{twin}": sum(row[f"{name}{twin}"] for row in rows)
            for said, name in (
                ("subscription_starts", "starts"),
                ("subscription_cancels", "cancels"),
                ("active_subscriptions", "active"),
            )
            for twin in ("", "_human")
        }
    return found


def articles(events: Sequence[Row], sessions: Sequence[Sequence[Row]], catalogue: Sequence[Row]) -> Table:
    """Views, engaged time, entries, exits and recirculation of a page, by walking through each session.

    `sessions` are the events of each, in order; `events` are all, those without a visitor among them.
    """
    found: Table = {}
    names = ("page_views", "engaged_seconds", "entries", "exits", "sessions", "followed")

    def row_of(day: date, brand: str, page: str) -> Row:
        return found.setdefault((day, brand, page), {n + t: 0 for n in names for t in ("", "_human")})

    def add(event: Row, name: str, value: float = 1) -> None:
        row = row_of(event["occurred_at"].date(), event["brand"], event["page_key"])
        for twin in ("",) if event["is_bot"] else ("", "_human"):
            row[name + twin] += value

    for event in events:
        if event["page_key"] is not None and event["event_type"] == "page_view":
            add(event, "page_views")
    for session in sessions:
        views = [e for e in session if e["event_type"] == "page_view"]
        if views and views[0]["page_key"] is not None:
            add(views[0], "entries")
        if views and views[-1]["page_key"] is not None:
            add(views[-1], "exits")
        for event in session:
            if event["page_key"] is not None and event["event_type"] == "page_ping":
                add(event, "engaged_seconds", event["engaged_seconds"] or 0)
        for twin in ("", "_human"):
            own = [v for v in views if not (twin and v["is_bot"])]
            for day, page in {(v["occurred_at"].date(), v["page_key"]) for v in own} - {(None, None)}:
                if page is None:
                    continue
                here = [v for v in own if (v["occurred_at"].date(), v["page_key"]) == (day, page)]
                later = [v for v in views if (v["occurred_at"], v["event_id"]) > _place(here[0])]
                row = row_of(day, here[0]["brand"], page)
                row[f"sessions{twin}"] += 1
                row[f"followed{twin}"] += any(v["page_key"] not in (None, page) for v in later)
    viewed = {key: row for key, row in found.items() if row["page_views"]}
    for (day, brand, page), row in viewed.items():
        entry = catalogued(catalogue, brand, page, day)
        row["section"] = entry["section"] if entry else "unknown"
        for twin in ("", "_human"):
            row[f"recirculation_ratio{twin}"] = ratio(row.pop(f"followed{twin}"), row[f"sessions{twin}"])
            views = row[f"page_views{twin}"]
            row[f"engaged_seconds_per_page_view{twin}"] = (
                row[f"engaged_seconds{twin}"] / views if views else None
            )
    return viewed


def _place(event: Row) -> tuple[datetime, str]:
    return (event["occurred_at"], event["event_id"])


def sections(pages: Sequence[Row], catalogue: Sequence[Row], author: bool = False) -> Table:
    """Pages of a date by the section, or the authors, that the catalogue named at its end."""

    def measure(rows: Sequence[Row]) -> Row:
        found: Row = {}
        for twin in ("", "_human"):
            found[f"articles{twin}"] = len({row["page_key"] for row in rows if row[f"page_views{twin}"]})
            for name in ("page_views", "entries", "exits", "shares"):
                found[name + twin] = sum(row[name + twin] for row in rows)
            engaged = exact_sum(row[f"engaged_seconds{twin}"] for row in rows)
            views = found[f"page_views{twin}"]
            found[f"engaged_seconds{twin}"] = engaged
            found[f"engaged_seconds_per_page_view{twin}"] = engaged / views if views else None
        return found

    groups: dict[Key, list[Row]] = defaultdict(list)
    for page in pages:
        entry = catalogued(catalogue, page["brand"], page["page_key"], page["date"])
        names = (entry["authors"] if entry else []) if author else [entry["section"] if entry else "unknown"]
        for name in names:
            groups[page["date"], page["brand"], name].append(page)
    return {key: measure(rows) for key, rows in groups.items()}


def article_sources(events: Sequence[Row]) -> Table:
    """Page views of a date and page by the referrer of each."""

    def measure(rows: Sequence[Row]) -> Row:
        return {"page_views": len(rows), "visitors": len({r["visitor_id"] for r in rows} - {None})}

    views = [e for e in events if e["event_type"] == "page_view" and e["page_key"] is not None]

    def key(event: Row) -> Key:
        source = event["referrer_source"] or "unknown"
        return (event["date"], event["brand"], event["page_key"], event["referrer_medium"], source)

    return {place: twice(rows, measure) for place, rows in grouped(views, key).items()}


def reading(events: Sequence[Row], catalogue: Sequence[Row]) -> Table:
    """Who read a page at least half, and who subscribed after it, looking at each visitor's day by itself."""
    found: Table = {}
    days = grouped(
        [e for e in events if e["visitor_id"] is not None], lambda e: (e["date"], e["brand"], e["visitor_id"])
    )
    for (day, brand, _), own in days.items():
        for page in {e["page_key"] for e in own if e["page_key"] and e["event_type"] == "page_view"}:
            row = found.setdefault((day, brand, page), defaultdict(int))
            for twin, seen in (("", own), ("_human", [e for e in own if not e["is_bot"]])):
                here = [e for e in seen if e["page_key"] == page]
                has_viewed = any(e["event_type"] == "page_view" for e in here)
                deepest = max((e["scroll_pct"] for e in here if e["scroll_pct"] is not None), default=0)
                row[f"readers{twin}"] += has_viewed
                row[f"read_through_readers{twin}"] += has_viewed and deepest >= 50
        for start in (e for e in own if e["event_type"] == "subscription_start"):
            before = [
                e
                for e in own
                if e["event_type"] == "page_view"
                and e["page_key"]
                and e["occurred_at"] < start["occurred_at"]
            ]
            if before:
                last = max(before, key=lambda e: (e["occurred_at"], e["event_id"]))["page_key"]
                entry = catalogued(catalogue, brand, last, day)
                row = found[day, brand, last]
                for twin in ("",) if start["is_bot"] else ("", "_human"):
                    row[f"conversions{twin}"] += 1
                    row[f"premium_conversions{twin}"] += bool(entry and entry["is_premium"])
    for row in found.values():
        for twin in ("", "_human"):
            row[f"conversions{twin}"] += 0
            row[f"premium_conversions{twin}"] += 0
            row[f"read_through_ratio{twin}"] = ratio(
                row[f"read_through_readers{twin}"], row[f"readers{twin}"]
            )
    return found


def first_hours(events: Sequence[Row], catalogue: Sequence[Row]) -> Table:
    """Page views of each of the 24 hours after an article's first publication."""
    found: Table = {}
    for (brand, page), entries in grouped(catalogue, lambda e: (e["brand"], e["content_id"])).items():
        published = min(entry["published_at"] for entry in entries)
        section = max(entries, key=lambda e: e["valid_from"])["section"]
        views = [
            e
            for e in events
            if (e["event_type"], e["brand"], e["page_key"]) == ("page_view", brand, page)
            and e["occurred_at"] >= published
        ]
        for hour in range(24):
            begin, end = published + timedelta(hours=hour), published + timedelta(hours=hour + 1)
            row: Row = {"section": section}
            for twin, seen in (("", views), ("_human", [e for e in views if not e["is_bot"]])):
                row[f"page_views{twin}"] = sum(begin <= e["occurred_at"] < end for e in seen)
                row[f"page_views_so_far{twin}"] = sum(e["occurred_at"] < end for e in seen)
            found[published.date(), brand, page, hour] = row
    return found


def conversions(subscribers: Sequence[Row], intervals: Sequence[Row], days: Iterable[date]) -> Table:
    """Customers of a brand who subscribed, for each who was there without a subscription."""
    found: Table = {}
    for day in days:
        midnight = datetime.combine(day, time(), UTC)
        for brand in {i["brand"] for i in intervals}:
            row: Row = {}
            for twin in ("", "_human"):
                rows = [i for i in intervals if i["brand"] == brand and not (twin and i["is_bot"])]
                everyone = [i for i in intervals if i["brand"] == brand]
                seen = {
                    e["customer_id"]
                    for e in subscribers
                    if e["brand"] == brand and e["occurred_at"].date() == day and not (twin and e["is_bot"])
                }
                free = seen - {i["customer_id"] for i in everyone if contains(i, midnight)}
                new = {i["customer_id"] for i in rows if i["valid_from"].date() == day}
                row[f"new_subscribers{twin}"] = len(new)
                row[f"conversion_rate{twin}"] = ratio(len(new), len(free))
            found[day, brand] = row
    return found


def catalogued(catalogue: Sequence[Row], brand: str, page: str, day: date) -> Row | None:
    """What the catalogue said of a page at the end of a date."""
    end = datetime.combine(day, time(), UTC) + timedelta(days=1)
    known = [e for e in catalogue if (e["brand"], e["content_id"]) == (brand, page) and e["valid_from"] < end]
    return max(known, key=lambda e: e["valid_from"], default=None)
