"""One line of an imported access log to one `user.raw` record.

Belongs here: the request of `/v1/access-log` and how a parsed line becomes an event. Does not belong here:
the line format (`access_log.py`), sending, dead letters.
"""

import hashlib
from typing import Annotated, Any

import msgspec

from streaming.collector import access_log, identity, rules
from streaming.collector.access import Access
from streaming.collector.answers import Rejection
from streaming.collector.identity import Visitors
from streaming.collector.request import Context
from streaming.collector.rules import Times
from streaming.collector.shape import explained, malformed

_LineNumber = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class NumberedLine(msgspec.Struct):
    """A line, its number in the file (from 1), and how often the identical line stood before it."""

    line_number: _LineNumber
    occurrence: _Count
    line: str


class LogBatch(msgspec.Struct):
    """Lines of one file of one site."""

    site: str
    source: str
    lines: list[NumberedLine]
    brand: str | None = None


_decoder = msgspec.json.Decoder(LogBatch)
SOURCE_BYTES = 1024


def batch(body: bytes, limit: int) -> LogBatch:
    """The request, with lines that end where the text ends.

    Raises:
        Rejection: not JSON, a missing field or one of another type, no line, or more than `limit`.
    """
    try:
        found = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise explained(error, "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    if not found.lines:
        raise Rejection("empty_batch", "lines", "lines is empty; expected at least one", "shape")
    if len(found.lines) > limit:
        raise Rejection(
            "too_many_items", "lines", f"{len(found.lines)} lines; at most {limit} are allowed", "size"
        )
    if not found.site.startswith(("http://", "https://")):
        raise Rejection("invalid_site", "site", "site has to start with http:// or https://")
    rules.text("site", found.site)
    if len(found.source.encode()) > SOURCE_BYTES or "\x00" in found.source:
        raise Rejection("too_long", "source", f"source has to be a name of at most {SOURCE_BYTES} bytes")
    found.site = found.site.rstrip("/")
    return found


class LineMapper:
    """Turns log lines into records for the codec of `user.raw`."""

    def __init__(self, access: Access, visitors: Visitors, times: Times) -> None:
        self._access = access
        self._visitors = visitors
        self._times = times

    def brand(self, found: LogBatch, context: Context) -> str:
        """The brand of the whole batch.

        Raises:
            Rejection: none is named or it is not configured.
        """
        return self._access.brand(found.brand, context.brand, context.sender)

    def record(self, numbered: NumberedLine, brand: str, site: str, context: Context) -> dict[str, Any]:
        """The record of a line.

        Raises:
            Rejection: `malformed_line`, `nul_character` or `occurred_at_out_of_range`.
        """
        text = without_line_end(numbered.line)
        if "\x00" in text:
            raise Rejection("nul_character", "line", "the line holds a NUL character")
        try:
            line = access_log.parse(text)
        except access_log.LineError as error:
            raise Rejection("malformed_line", "line", f"line {numbered.line_number}: {error}") from None
        occurred_us = self._times.occurred("line", line.occurred_at, context.received_at, is_import=True)
        page_url = None if line.target is None else site + line.target
        record: dict[str, Any] = {
            "event_id": identity.line_id(text.encode(), numbered.occurrence),
            "event_type": "page_view" if line.is_page_view else "resource_request",
            "brand": brand,
            "occurred_at": occurred_us,
            "received_at": context.received_us,
            "origin": "import",
            "http_status": line.status,
            "bytes_sent": line.bytes_sent,
            "properties": {},
            "is_truncated": False,
        }
        for name, value in (
            ("page_url", page_url),
            ("referrer", line.referrer),
            ("user_agent", line.user_agent),
        ):
            limit = rules.longest(name)
            if value is not None and len(value) * 4 > limit and len(value.encode()) > limit:
                value = rules.shortened(value, limit)
                record["is_truncated"] = True
            record[name] = value
        record["ip"] = rules.canonical_address(line.host)
        record["visitor_id"] = self._visitors.visitor_id(
            customer_id=None,
            anonymous_id=None,
            host=record["ip"] or line.host,
            user_agent=record["user_agent"],
            received_at=context.received_at,
            is_import=True,
        )
        return record


def without_line_end(line: str) -> str:
    """The line without one trailing LF or CR LF."""
    return line.removesuffix("\n").removesuffix("\r")


def letter_place(found: LogBatch, numbered: NumberedLine, brand: str) -> str:
    """Where a line stood: the same line of the same file sent again gives the same letter."""
    digest = hashlib.sha256(without_line_end(numbered.line).encode()).hexdigest()
    return f"{brand}|{found.site}|{found.source}|{numbered.line_number}|{digest}"
