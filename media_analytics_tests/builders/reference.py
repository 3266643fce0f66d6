"""The reader tables in plain Python, straight from the definitions.

Belongs here: recomputing sessions and gold from all events, slowly and obviously, to compare the transforms with. Does
not belong here: anything shared with the transforms, not even constants.
"""

import hashlib
import json
import math
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

Event = dict[str, Any]
Row = dict[str, Any]
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:event")


def order(event: Event) -> tuple[datetime, str]:
    return (event["occurred_at"], event["event_id"].lower())


def split_sessions(events: Iterable[Event]) -> list[list[Event]]:
    """Events with a visitor, as lists in event order, one for each session."""
    by_visitor: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.get("visitor_id") is not None:
            by_visitor[event["brand"], event["visitor_id"]].append(event)
    found = []
    for own in by_visitor.values():
        chain: list[Event] = []
        session: list[Event] = []
        for event in sorted(own, key=order):
            if chain and event["occurred_at"] - chain[-1]["occurred_at"] > timedelta(minutes=30):
                found.append(session)
                chain, session = [], []
            if chain and event["occurred_at"].date() > chain[-1]["occurred_at"].date():
                midnight = event["occurred_at"].replace(hour=0, minute=0, second=0, microsecond=0)
                if any(e["occurred_at"] <= midnight - timedelta(days=1) for e in chain):
                    found.append(session)
                    session = []
            chain.append(event)
            session.append(event)
        found.append(session)
    return found


def exact_sum(values: Iterable[float]) -> float:
    return math.fsum(values)


def session_row(session: Sequence[Event]) -> Row:
    first, last = session[0], session[-1]
    views = [e for e in session if e["event_type"] == "page_view"]
    engaged = exact_sum(e.get("engaged_seconds") or 0.0 for e in session if e["event_type"] == "page_ping")

    def count(event_type: str) -> int:
        return sum(e["event_type"] == event_type for e in session)

    def of(event: Event | None, name: str) -> str:
        return (event or {}).get(name) or "unknown"

    entry = views[0] if views else None
    name = f"{first['brand']}|{first['visitor_id']}|{first['event_id']}"
    return {
        "session_id": str(uuid.uuid5(NAMESPACE, name)),
        "brand": first["brand"],
        "visitor_id": first["visitor_id"],
        "date": first["occurred_at"].date(),
        "started_at": first["occurred_at"],
        "ended_at": last["occurred_at"],
        "duration_seconds": (last["occurred_at"] - first["occurred_at"]) / timedelta(seconds=1),
        "first_event_id": first["event_id"],
        "last_event_id": last["event_id"],
        "events": len(session),
        "page_views": len(views),
        "clicks": count("click"),
        "shares": count("share"),
        "video_starts": count("video_start"),
        "video_completes": count("video_complete"),
        "newsletter_signups": count("newsletter_signup"),
        "engaged_seconds": engaged,
        "is_bot": any(e["is_bot"] for e in session),
        "is_viewing": bool(views),
        "is_bounce": len(views) == 1 and engaged < 10,
        "entry_page_key": views[0].get("page_key") if views else None,
        "exit_page_key": views[-1].get("page_key") if views else None,
        "country": of(first, "country"),
        "region": of(first, "region"),
        "device_type": of(first, "device_type"),
        "os": of(first, "os"),
        "browser": of(first, "browser"),
        "referrer_medium": of(entry, "referrer_medium"),
        "referrer_source": of(entry, "referrer_source"),
    }


def sessions(events: Iterable[Event]) -> list[Row]:
    return [session_row(s) for s in split_sessions(events)]


def percentile(values: Iterable[float], share: float) -> float | None:
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    low = math.floor(place)
    high = math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def ratio(above: int, below: int) -> float | None:
    return above / below if below else None


def _groups(rows: Iterable[Row], keys: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[k] for k in keys)].append(row)
    return groups


def _twice(rows: Sequence[Row], measure: Callable[[Sequence[Row]], Row]) -> Row:
    human = measure([r for r in rows if not r["is_bot"]])
    return measure(rows) | {f"{name}_human": value for name, value in human.items()}


def reader_sessions(events: Iterable[Event]) -> list[Row]:
    def measure(rows: Sequence[Row]) -> Row:
        viewing = sum(r["is_viewing"] for r in rows)
        bounces = sum(r["is_bounce"] for r in rows)
        sums = ("events", "page_views", "clicks", "shares", "video_starts", "newsletter_signups")
        totals = {name: sum(r[name] for r in rows) for name in sums}
        return {
            "sessions": len(rows),
            "viewing_sessions": viewing,
            "visitors": len({r["visitor_id"] for r in rows}),
            **totals,
            "bounces": bounces,
            "bounce_rate": ratio(bounces, viewing),
            "pages_per_session": ratio(totals["page_views"], viewing),
            "events_per_session": ratio(totals["events"], len(rows)),
            "duration_seconds_p50": percentile((r["duration_seconds"] for r in rows), 0.5),
            "duration_seconds_p95": percentile((r["duration_seconds"] for r in rows), 0.95),
            "engaged_seconds": exact_sum(r["engaged_seconds"] for r in rows),
        }

    keys = ("date", "brand")
    return [
        dict(zip(keys, key, strict=True)) | _twice(rows, measure)
        for key, rows in _groups(sessions(events), keys).items()
    ]


def by_dimensions(events: Iterable[Event], dimensions: Sequence[str]) -> list[Row]:
    def measure(rows: Sequence[Row]) -> Row:
        return {
            "sessions": len(rows),
            "visitors": len({r["visitor_id"] for r in rows}),
            "page_views": sum(r["page_views"] for r in rows),
            "engaged_seconds": exact_sum(r["engaged_seconds"] for r in rows),
        }

    keys = ("date", "brand", *dimensions)
    return [
        dict(zip(keys, key, strict=True)) | _twice(rows, measure)
        for key, rows in _groups(sessions(events), keys).items()
    ]


def reader_engagement(events: Sequence[Event]) -> list[Row]:
    """Pages of a date, from every event with what its session says of it."""
    facts: list[Row] = [
        dict(e, session=None, date=e["occurred_at"].date()) for e in events if not e.get("visitor_id")
    ]
    for number, session in enumerate(split_sessions(events)):
        views = [e for e in session if e["event_type"] == "page_view"]
        for event in session:
            key = event.get("page_key")
            is_view = event["event_type"] == "page_view"
            facts.append(
                event
                | {
                    "session": number,
                    "date": event["occurred_at"].date(),
                    "is_entry": is_view and event is views[0],
                    "is_exit": is_view and event is views[-1],
                    "is_followed": is_view
                    and any(
                        order(v) > order(event) and v.get("page_key") not in (None, key)
                        for v in reversed(views)
                    ),
                }
            )
    keys = ("date", "brand", "page_key")
    rows = []
    for key, group in _groups([f for f in facts if f.get("page_key") is not None], keys).items():
        if any(f["event_type"] == "page_view" for f in group):
            titled = [f for f in group if f.get("title") is not None]
            title = max(titled, key=order)["title"] if titled else None
            rows.append(dict(zip(keys, key, strict=True)) | {"title": title} | _twice(group, _page_measures))
    return rows


def _page_measures(group: Sequence[Row]) -> Row:
    known = [f for f in group if f["session"] is not None]
    views = [f for f in known if f["event_type"] == "page_view"]
    viewing = {f["session"] for f in views}
    followed = {f["session"] for f in views if f["is_followed"]}
    deepest: dict[int, float] = {}
    for f in known:
        if f.get("scroll_pct") is not None:
            deepest[f["session"]] = max(deepest.get(f["session"], 0.0), f["scroll_pct"])

    def count(event_type: str) -> int:
        return sum(f["event_type"] == event_type for f in known)

    return {
        "page_views": sum(f["event_type"] == "page_view" for f in group),
        "visitors": len({f["visitor_id"] for f in views}),
        "sessions": len(viewing),
        "engaged_seconds": exact_sum(
            f.get("engaged_seconds") or 0.0 for f in known if f["event_type"] == "page_ping"
        ),
        "scroll_pct_p50": percentile(deepest.values(), 0.5),
        "clicks": count("click"),
        "shares": count("share"),
        "video_starts": count("video_start"),
        "video_completes": count("video_complete"),
        "entries": sum(f["is_entry"] for f in views),
        "exits": sum(f["is_exit"] for f in views),
        "recirculation_ratio": ratio(len(followed), len(viewing)),
    }


def chosen_copies(rows: Iterable[Event], business: Sequence[str]) -> list[Event]:
    """The rows that have no better copy of their event within 7 days of their own date."""

    def rank(row: Event) -> tuple[Any, ...]:
        def plain(value: Any) -> Any:
            if isinstance(value, datetime):
                return (value - datetime(1970, 1, 1, tzinfo=value.tzinfo)) // timedelta(microseconds=1)
            if isinstance(value, float):
                return str(value)
            if isinstance(value, dict):
                return [{"key": k, "value": v} for k, v in sorted(value.items())]
            return value.lower() if row.get("event_id") is value else value

        text = json.dumps({n: plain(row.get(n)) for n in business}, separators=(",", ":"), ensure_ascii=False)
        sha = hashlib.sha256(text.encode()).hexdigest()
        return (row["received_at"], sha, row["source_topic"], row["source_partition"], row["source_offset"])

    def day(row: Event) -> date:
        return row["occurred_at"].date()

    kept = []
    for copies in _groups([dict(r, _id=r["event_id"].lower()) for r in rows], ("brand", "_id")).values():
        for row in copies:
            near = [c for c in copies if abs((day(c) - day(row)).days) <= 7]
            if rank(row) == min(rank(c) for c in near):
                kept.append(row)
    return kept
