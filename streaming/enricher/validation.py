"""The value rules of `user.raw`, checked before anything is made of a record.

Belongs here: the rules of the contract that the Avro schema cannot say, and the dates of `data.md`. A record that
breaks one is a dead letter, never an event. Does not belong here: the collector's own limits and answers. A test
compares these rules with the contract, so they cannot drift.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from media_analytics.errors import MediaAnalyticsError

EVENT_TYPES = frozenset(
    (
        "page_view",
        "page_ping",
        "click",
        "search",
        "share",
        "video_start",
        "video_progress",
        "video_complete",
        "newsletter_signup",
        "subscription_start",
        "subscription_cancel",
        "purchase",
        "resource_request",
    )
)
ORIGINS = frozenset(("live", "import"))
PURPOSES = frozenset(("analytics", "personalisation", "advertising", "ml_training"))
# Most characters of a text.
LONGEST: Mapping[str, int] = {
    "customer_id": 1024,
    "anonymous_id": 1024,
    "visitor_id": 1026,
    "page_url": 8192,
    "title": 8192,
    "content_id": 1024,
    "section": 256,
    "referrer": 8192,
    "user_agent": 2048,
    "ip": 64,
    "query": 8192,
    "product": 1024,
    "tier": 256,
    "segment": 256,
}
# Least and most of a number.
RANGES: Mapping[str, tuple[float, float]] = {
    "position": (0, math.inf),
    "engaged_seconds": (0, 60),
    "scroll_pct": (0, 100),
    "video_position_seconds": (0, 1e9),
    "http_status": (100, 599),
    "bytes_sent": (0, math.inf),
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VISITOR = re.compile(r"[cah]:")
MOST_PROPERTIES = 64
LONGEST_PROPERTY = 1024
# 2100-01-01 in microseconds: the last instant any event may have.
LATEST = 4_102_444_800_000_000
IMPORT_TOLERANCE = 5 * 60 * 1_000_000


class RuleError(MediaAnalyticsError):
    """A record breaks a rule. `reason` is the letter's code, `field` the first field that breaks it."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.reason = reason
        self.field = field


def check(record: Mapping[str, Any], brands: Collection[str], earliest: int) -> None:
    """Check a decoded `user.raw` record. `earliest` is `history_start` in microseconds.

    Raises:
        RuleError: the first rule that is broken.
    """
    _check_envelope(record, brands)
    _check_times(record, earliest)
    for field, longest in LONGEST.items():
        text = record[field]
        if text is not None and len(text) > longest:
            raise RuleError("too_long", field, f"{len(text)} characters; at most {longest}")
    for field, (least, most) in RANGES.items():
        number = record[field]
        # Written so that NaN fails too.
        if number is not None and not least <= number <= most:
            raise RuleError("out_of_range", field, f"{number}; expected {least:g} to {most:g}")
    properties = record["properties"]
    if properties:
        if len(properties) > MOST_PROPERTIES:
            raise RuleError("too_many", "properties", f"{len(properties)} entries; at most {MOST_PROPERTIES}")
        for name, value in properties.items():
            if len(value) > LONGEST_PROPERTY or len(name) > LONGEST_PROPERTY:
                raise RuleError(
                    "too_long",
                    "properties",
                    f"entry {name[:64]!r}: name or value has more than {LONGEST_PROPERTY} characters",
                )


def _check_envelope(record: Mapping[str, Any], brands: Collection[str]) -> None:
    if not UUID.fullmatch(record["event_id"]):
        raise RuleError("invalid_value", "event_id", "not a UUID in lower case")
    if record["event_type"] not in EVENT_TYPES:
        raise RuleError("unknown_value", "event_type", f"{record['event_type'][:64]!r} is not an event type")
    if record["brand"] not in brands:
        raise RuleError("unknown_value", "brand", f"{record['brand'][:64]!r} is not a configured brand")
    if record["origin"] not in ORIGINS:
        raise RuleError("unknown_value", "origin", f"{record['origin'][:64]!r}; expected live or import")
    if not VISITOR.match(record["visitor_id"]):
        raise RuleError("invalid_value", "visitor_id", "does not begin with c:, a: or h:")
    for purpose in record["consent"] or ():
        if purpose not in PURPOSES:
            raise RuleError("unknown_value", "consent", f"{purpose[:64]!r} is not a purpose")


def _check_times(record: Mapping[str, Any], earliest: int) -> None:
    occurred_at, received_at = record["occurred_at"], record["received_at"]
    if not earliest <= received_at <= LATEST:
        raise RuleError(
            "out_of_range", "received_at", f"{received_at} µs is before history_start or after 2100"
        )
    late_import = record["origin"] == "import" and occurred_at > received_at + IMPORT_TOLERANCE
    if not earliest <= occurred_at <= LATEST or late_import:
        raise RuleError(
            "occurred_at_out_of_range", "occurred_at", f"{occurred_at} µs, received {received_at} µs"
        )
