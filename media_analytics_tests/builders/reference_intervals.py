"""Intervals and subscription numbers in plain Python, straight from the definitions.

Belongs here: walking each key's events one by one, counting each date by looking at every interval. Does not belong
here: anything shared with the transforms, not even constants.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

Row = dict[str, Any]


def order(event: Row) -> tuple[datetime, str]:
    return (event["occurred_at"], event["event_id"])


def first_copies(events: Iterable[Row]) -> list[Row]:
    """Of several copies the one received first; the tests give equal copies equal content."""
    best: dict[tuple[str, str], Row] = {}
    for event in events:
        key = (event["brand"], event["event_id"])
        rank = (event["received_at"], event["source_partition"], event["source_offset"])
        kept = best.get(key)
        if kept is None or rank < (kept["received_at"], kept["source_partition"], kept["source_offset"]):
            best[key] = event
    return list(best.values())


def by(events: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for event in sorted(events, key=order):
        found[tuple(event[name] for name in names)].append(event)
    return found


def content(events: Iterable[Row]) -> list[Row]:
    rows = []
    for own in by(first_copies(events), "brand", "content_id").values():
        for place, event in enumerate(own):
            end = own[place + 1]["occurred_at"] if place + 1 < len(own) else None
            if end == event["occurred_at"]:
                continue
            says = (
                "brand",
                "content_id",
                "event_id",
                "event_type",
                "revision",
                "title",
                "section",
                "authors",
            )
            more = ("word_count", "is_premium", "published_at")
            rows.append(
                {name: event[name] for name in (*says, *more)}
                | {
                    "valid_from": event["occurred_at"],
                    "valid_to": end,
                    "is_published": event["event_type"] != "unpublished",
                }
            )
    return rows


def consent(events: Iterable[Row]) -> list[Row]:
    rows = []
    decisions = [
        e
        for e in first_copies(events)
        if e["customer_id"] is not None and e["event_type"] in ("consent_given", "consent_withdrawn")
    ]
    for (customer,), own in by(decisions, "customer_id").items():
        for purpose in sorted({p for e in own for p in e["purposes"]}):
            given: Row | None = None
            for event in own:
                if purpose not in event["purposes"]:
                    continue
                if event["event_type"] == "consent_given":
                    given = given or event
                    continue
                if given is not None and given["occurred_at"] < event["occurred_at"]:
                    rows.append(_consented(customer, purpose, given, event))
                given = None
            if given is not None:
                rows.append(_consented(customer, purpose, given, None))
    return rows


def _consented(customer: str, purpose: str, given: Row, withdrawn: Row | None) -> Row:
    return {
        "customer_id": customer,
        "purpose": purpose,
        "valid_from": given["occurred_at"],
        "valid_to": withdrawn["occurred_at"] if withdrawn else None,
        "brand": given["brand"],
        "jurisdiction": given["jurisdiction"],
        "given_event_id": given["event_id"],
        "withdrawn_event_id": withdrawn["event_id"] if withdrawn else None,
    }


def subscriptions(events: Iterable[Row]) -> tuple[list[Row], int]:
    """The intervals, and how many cancels ended nothing."""
    rows: list[Row] = []
    without = 0
    wanted = [
        e
        for e in events
        if e["customer_id"] is not None and e["event_type"] in ("subscription_start", "subscription_cancel")
    ]
    for own in by(wanted, "brand", "customer_id").values():
        active: Row | None = None
        for event in own:
            starts = event["event_type"] == "subscription_start"
            if active is not None:
                active |= {
                    "valid_to": event["occurred_at"],
                    "end_event_id": event["event_id"],
                    "ended_by": "start" if starts else "cancel",
                }
                active = None
            elif not starts:
                without += 1
            if starts:
                active = {
                    "brand": event["brand"],
                    "customer_id": event["customer_id"],
                    "valid_from": event["occurred_at"],
                    "valid_to": None,
                    "tier": event["tier"] or "unknown",
                    "segment": event["segment"] or "unknown",
                    "start_event_id": event["event_id"],
                    "end_event_id": None,
                    "ended_by": None,
                    "is_bot": event["is_bot"],
                }
                rows.append(active)
    return rows, without


def reader_subscriptions(events: Sequence[Row], dates: Iterable[date]) -> list[Row]:
    intervals, _ = subscriptions(events)
    groups = sorted({(i["brand"], i["tier"], i["segment"]) for i in intervals})
    rows = []
    for day in dates:
        for brand, tier, segment in groups:
            own = [i for i in intervals if (i["brand"], i["tier"], i["segment"]) == (brand, tier, segment)]
            everyone = [i for i in intervals if i["brand"] == brand]
            seen = [
                e
                for e in events
                if e["brand"] == brand and e["occurred_at"].date() == day and e["customer_id"] is not None
            ]
            all_traffic = _measures(own, everyone, seen, day)
            if not any(all_traffic[name] for name in ("starts", "cancels", "active", "before")):
                continue
            human = _measures(
                [i for i in own if not i["is_bot"]], everyone, [e for e in seen if not e["is_bot"]], day
            )
            row = {"date": day, "brand": brand, "tier": tier, "segment": segment}
            row |= {name: value for name, value in all_traffic.items() if name != "before"}
            rows.append(row | {f"{name}_human": value for name, value in human.items() if name != "before"})
    return rows


def _measures(own: Sequence[Row], everyone: Sequence[Row], seen: Sequence[Row], day: date) -> Row:
    midnight = datetime.combine(day, time(), UTC)
    following = midnight + timedelta(days=1)
    started = [i for i in own if i["valid_from"].date() == day]
    cancelled = [i for i in own if i["ended_by"] == "cancel" and i["valid_to"].date() == day]
    before = [i for i in own if contains(i, midnight)]
    subscribed = {i["customer_id"] for i in everyone if contains(i, midnight)}
    free = {e["customer_id"] for e in seen} - subscribed
    return {
        "starts": len(started),
        "cancels": len(cancelled),
        "active": sum(contains(i, following) for i in own),
        "churn_rate": len(cancelled) / len(before) if before else None,
        "conversion_rate": len({i["customer_id"] for i in started}) / len(free) if free else None,
        "before": len(before),
    }


def contains(interval: Row, instant: datetime) -> bool:
    return interval["valid_from"] <= instant and (
        interval["valid_to"] is None or instant < interval["valid_to"]
    )
