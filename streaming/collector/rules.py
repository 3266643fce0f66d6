"""Rules of single values, shared by all routes.

Belongs here: limits, times, addresses, ids, and how a refusal is worded. Does not belong here: which field has which
limit (the contracts, through `families.json`). Limits count bytes of UTF-8.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from sys import float_info

from streaming.codecs.families import Rules, families
from streaming.codecs.instants import microseconds
from streaming.collector.answers import Rejection
from streaming.enricher import addresses

# A text without a limit of its own in the contract.
URL_BYTES = 8 * 1024
PROPERTY_ENTRIES = 64
PROPERTY_BYTES = 1024
_SURELY_SHORT = PROPERTY_BYTES // 4
LIST_ENTRIES = 64
LIST_BYTES = 1024
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
IMPORT_TOLERANCE = timedelta(minutes=5)
_LONGEST_ADDRESS = 64
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@cache
def longest(field: str) -> int:
    """Most bytes of a text of the user family."""
    return families()["user"].rules.get(field, Rules()).longest or URL_BYTES


def text(field: str, value: str) -> str:
    """The value of a field of the user family, if it has no NUL character and is within the field's limit.

    Raises:
        Rejection: `nul_character` or `too_long`.
    """
    text_bytes(field, value.encode("utf-8", "surrogatepass"), longest(field))
    return value


def text_bytes(field: str, data: bytes, limit: int) -> None:
    """Check a text in UTF-8.

    Raises:
        Rejection: `nul_character` or `too_long`.
    """
    if 0 in data:
        raise Rejection("nul_character", field, f"{field} holds a NUL character; remove it")
    if len(data) > limit:
        raise Rejection("too_long", field, f"{field} has {len(data)} bytes; at most {limit} are allowed")


def texts(field: str, values: Sequence[str], allowed: Collection[str] | None) -> None:
    """Check a list of texts: at most 64 of 1 KiB, each one of `allowed` where that is limited.

    Raises:
        Rejection: `too_many`, `unknown_purpose`, `nul_character` or `too_long`.
    """
    if len(values) > LIST_ENTRIES:
        raise Rejection(
            "too_many", field, f"{field} has {len(values)} items; at most {LIST_ENTRIES} are allowed"
        )
    for value in values:
        if allowed is not None and value not in allowed:
            raise Rejection(
                "unknown_purpose", field, f"{field} holds {value[:64]!r}; expected some of {_listed(allowed)}"
            )
        text_bytes(field, value.encode("utf-8", "surrogatepass"), LIST_BYTES)


def unknown_word(field: str, value: str, allowed: Iterable[str]) -> Rejection:
    """The refusal of a text that is not one of the words of its field (a lower-case word where `allowed` is empty)."""
    code = "unknown_event_type" if field == "event_type" else "unknown_value"
    expected = f"one of {_listed(allowed)}" if allowed else "a lower-case word"
    return Rejection(code, field, f"{field} is {value[:64]!r}; expected {expected}")


def missing(field: str) -> Rejection:
    """The refusal of an item without a field that its family needs."""
    return Rejection("missing_field", field, f"{field} is missing", "shape")


def pattern(expression: str) -> re.Pattern[str]:
    """A contract's pattern, for `fullmatch`."""
    return re.compile(expression.removeprefix("^").removesuffix("$"))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def shortened(value: str, limit: int) -> str:
    """The longest beginning of a text that fits into `limit` bytes of UTF-8."""
    return value.encode()[:limit].decode("utf-8", "ignore")


def bounds(kind: str, rule: Rules) -> tuple[float, float]:
    """Smallest and largest value of a number; what the contract leaves open ends where the type does."""
    low, high = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}.get(
        kind, (-float_info.max, float_info.max)
    )
    return (low if rule.least is None else rule.least), (high if rule.most is None else rule.most)


def number(field: str, value: float, least: float, most: float) -> float:
    """The value, if it is within bounds.

    Raises:
        Rejection: `out_of_range`.
    """
    if not least <= value <= most:
        raise Rejection("out_of_range", field, f"{field} is {value}; expected {least:g} to {most:g}")
    return value


def user_number(field: str, value: int) -> float:
    """A 32-bit number of the user family, if it is within the contract's bounds.

    Raises:
        Rejection: `out_of_range`.
    """
    return number(field, value, *bounds("int", families()["user"].rules[field]))


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
        # A character has at most four bytes: short texts need no encoding.
        if len(key) <= _SURELY_SHORT and len(value) <= _SURELY_SHORT and "\x00" not in key + value:
            continue
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
    if not UUID.fullmatch(lower):
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
    return canonical(value) if len(value) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=8192)
def canonical(value: str) -> str | None:
    """As `canonical_address`, of at most 64 characters."""
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


def instant(field: str, value: str) -> int:
    """Microseconds of an ISO 8601 text with a zone, between 1970 and 2100.

    Raises:
        Rejection: `invalid_instant` or `out_of_range`.
    """
    moment = iso_instant(field, value)
    if not EARLIEST <= moment <= LATEST:
        raise Rejection("out_of_range", field, f"{field} is {value[:64]!r}; expected 1970 to 2100")
    return microseconds(moment)


@lru_cache(maxsize=8192)
def truncated(value: str) -> str:
    """What is kept of a canonical address: the network of its /24 or /48."""
    return addresses.truncated(addresses.parse(value))


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
        self.earliest_us = max(0, microseconds(self._earliest))

    def of_item(self, field: str, value: str, received_at: datetime, is_import: bool) -> int:
        """Microseconds of the time an item of `/v1/events` names.

        Raises:
            Rejection: `invalid_instant` or `occurred_at_out_of_range`.
        """
        return self.occurred(field, iso_instant(field, value), received_at, is_import=is_import)

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
