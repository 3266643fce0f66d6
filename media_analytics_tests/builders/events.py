"""Rows of silver.events and bronze.user_events as plain dictionaries.

Belongs here: one obvious event, and how to vary it. Does not belong here: frames, traffic that looks real
(`streaming.simulator`).
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

MIDNIGHT = datetime(2026, 3, 10, tzinfo=UTC)


def at(text: str) -> datetime:
    """`at("10 23:30")`: day of March 2026 and time, UTC, seconds and microseconds optional."""
    day, _, clock = text.partition(" ")
    hours, minutes, *rest = clock.split(":")
    seconds = float(rest[0]) if rest else 0.0
    return MIDNIGHT.replace(day=int(day)) + timedelta(hours=int(hours), minutes=int(minutes), seconds=seconds)


def event_id(number: int) -> str:
    """A uuid that sorts like its number."""
    return str(uuid.UUID(int=number))


def silver_event(number: int, occurred_at: datetime, **fields: Any) -> dict[str, Any]:
    """A page view by visitor `a:v` on `bild`."""
    event = {
        "event_id": event_id(number),
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": occurred_at,
        "received_at": occurred_at + timedelta(seconds=1),
        "origin": "live",
        "visitor_id": "a:v",
        "anonymous_id": "v",
        "page_key": "/a",
        "page_url": "https://www.bild.de/a",
        "is_clock_corrected": False,
        "is_truncated": False,
        "device_type": "phone",
        "is_bot": False,
        "referrer_medium": "direct",
        "enrichment_version": "1",
        "properties": {},
        "source_topic": "user.raw",
        "source_partition": 0,
        "source_offset": number,
        "appended_at": occurred_at + timedelta(seconds=2),
        "date": occurred_at.date(),
        "loaded_at": occurred_at + timedelta(seconds=9),
    }
    return event | fields


def bronze_event(number: int, occurred_at: datetime, **fields: Any) -> dict[str, Any]:
    """The same event as the stream stores it."""
    event = silver_event(number, occurred_at, **fields)
    del event["date"]
    appended_at = event["appended_at"]
    return event | {
        "schema_id": 1,
        "latest_partition": event["source_partition"],
        "latest_offset": event["source_offset"],
        "batch_id": "test-1",
        "appended_hour": appended_at.strftime("%Y-%m-%dT%H"),
    }
