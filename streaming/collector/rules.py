"""Rules of single values, shared by all routes.

Belongs here: limits, times, addresses, ids. Does not belong here: which field a route maps to which. The
limits are those of the `user.raw` contract, in bytes of UTF-8.
"""

import ipaddress
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from streaming.codecs.instants import microseconds
from streaming.collector.answers import Rejection

USER_AGENT_BYTES = 2 * 1024
URL_BYTES = 8 * 1024
NAME_BYTES = 1024
WORD_BYTES = 256
PROPERTY_ENTRIES = 64
PROPERTY_BYTES = 1024

TEXT_LIMITS: Mapping[str, int] = {
    "user_agent": USER_AGENT_BYTES,
    "customer_id": NAME_BYTES,
    "anonymous_id": NAME_BYTES,
    "content_id": NAME_BYTES,
    "product": NAME_BYTES,
    "section": WORD_BYTES,
    "tier": WORD_BYTES,
    "segment": WORD_BYTES,
}
EVENT_TYPES = frozenset(
    {
        "page_view", "page_ping", "click", "search", "share", "video_start", "video_progress", "video_complete",
        "newsletter_signup", "subscription_start", "subscription_cancel", "purchase", "resource_request",
    }
)  # fmt: skip
PURPOSES = frozenset({"analytics", "personalisation", "advertising", "ml_training"})
# field -> smallest and largest value
NUMBER_BOUNDS: Mapping[str, tuple[float, float]] = {
    "position": (0, 2**31 - 1),
    "engaged_seconds": (0, 60),
    "scroll_pct": (0, 100),
    "video_position_seconds": (0, 1e9),
    "http_status": (100, 599),
    "bytes_sent": (0, 2**63 - 1),
}
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
IMPORT_TOLERANCE = timedelta(minutes=5)
_LONGEST_ADDRESS = 64
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def text(field: str, value: str) -> str:
    """The value, if it has no NUL character and is within the field's limit.

    Raises:
        Rejection: `nul_character` or `too_long`.
    """
    if "\x00" in value:
        raise Rejection("nul_character", field, f"{field} holds a NUL character; remove it")
    limit = TEXT_LIMITS.get(field, URL_BYTES)
    # A character has at most four bytes: short texts need no encoding.
    if len(value) * 4 > limit and (size := len(value.encode())) > limit:
        raise Rejection("too_long", field, f"{field} has {size} bytes; at most {limit} are allowed")
    return value


def shortened(value: str, limit: int) -> str:
    """The longest beginning of a text that fits into `limit` bytes of UTF-8."""
    return value.encode()[:limit].decode("utf-8", "ignore")


def number(field: str, value: float) -> float:
    """The value, if it is within the field's bounds.

    Raises:
        Rejection: `out_of_range`.
    """
    low, high = NUMBER_BOUNDS[field]
    if not low <= value <= high:
        raise Rejection("out_of_range", field, f"{field} is {value}; expected {low} to {high:g}")
    return value


def properties(entries: Mapping[str, str]) -> dict[str, str]:
    """The entries, if there are at most 64 and none is longer than 1 KiB.

    Raises:
        Rejection: `too_many`, `too_long` or `nul_character`.
    """
    if len(entries) > PROPERTY_ENTRIES:
        raise Rejection(
            "too_many",
            "properties",
            f"properties has {len(entries)} entries; at most {PROPERTY_ENTRIES} are allowed",
        )
    for key, value in entries.items():
        field = f"properties.{key[:64]}"
        if "\x00" in key or "\x00" in value:
            raise Rejection("nul_character", field, f"{field} holds a NUL character; remove it")
        size = max(len(key.encode()), len(value.encode()))
        if size > PROPERTY_BYTES:
            raise Rejection(
                "too_long", field, f"{field} has {size} bytes; at most {PROPERTY_BYTES} are allowed"
            )
    return dict(entries)


def uuid_text(field: str, value: str) -> str:
    """A UUID as lower-case text.

    Raises:
        Rejection: `invalid_uuid`.
    """
    lower = value.lower()
    if not _UUID.fullmatch(lower):
        raise Rejection(
            "invalid_uuid", field, f"{field} is {value[:64]!r}; expected a UUID in hexadecimal with hyphens"
        )
    return lower


def address(field: str, value: str) -> str:
    """The canonical text of an IP address.

    Raises:
        Rejection: `invalid_ip`.
    """
    found = canonical_address(value)
    if found is None:
        raise Rejection("invalid_ip", field, f"{field} is {value[:64]!r}; expected an IPv4 or IPv6 address")
    return found


def canonical_address(value: str) -> str | None:
    """The canonical text of an IP address, or None if it is none. IPv4 written as IPv6 becomes IPv4."""
    return _canonical(value) if len(value) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=8192)
def _canonical(value: str) -> str | None:
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return None
        return str(parsed.ipv4_mapped or parsed)
    return str(parsed)


def iso_instant(field: str, value: str) -> datetime:
    """The instant of an ISO 8601 text with a zone.

    Raises:
        Rejection: `invalid_instant`.
    """
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise Rejection(
            "invalid_instant",
            field,
            f"{field} is {value[:64]!r}; expected ISO 8601 with a zone: 2026-01-31T12:00:00Z",
        )
    return parsed


def epoch_instant(field: str, seconds: float) -> datetime:
    """The instant of a number of seconds since 1970.

    Raises:
        Rejection: `occurred_at_out_of_range` when no calendar date has it.
    """
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        raise Rejection(
            "occurred_at_out_of_range", field, f"{field} is {seconds:g} seconds since 1970"
        ) from None


class Times:
    """The times this installation accepts."""

    def __init__(self, history_start: date) -> None:
        self._earliest = datetime(history_start.year, history_start.month, history_start.day, tzinfo=UTC)

    def occurred(self, field: str, occurred_at: datetime, received_at: datetime, *, is_import: bool) -> int:
        """Microseconds of a time of occurrence.

        Raises:
            Rejection: `occurred_at_out_of_range`: before `history_start`, after 2100-01-01, or an import
            more than
                five minutes after its receipt.
        """
        latest = received_at + IMPORT_TOLERANCE if is_import else LATEST
        if not self._earliest <= occurred_at <= latest:
            raise Rejection(
                "occurred_at_out_of_range",
                field,
                f"{field} is {occurred_at.isoformat()}; expected {self._earliest:%Y-%m-%d} to {latest:%Y-%m-%d %H:%M}Z",
            )
        return microseconds(occurred_at)
