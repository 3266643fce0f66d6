"""How an answer goes out.

Belongs here: headers, the wait for the first megabyte (until then an error still gets its own status), compression,
and an error after the answer has begun. Does not belong here: what the answer says.
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from media_analytics.local.gateway.compression import Encoder
from media_analytics.local.gateway.errors import ClickHouseError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# ClickHouse holds this much back, so that an early error changes the status.
BUFFER_BYTES = 1024 * 1024
# Rows of a slow statement go out after this long, also when they are few.
BUFFER_SECONDS = 0.25

_CONTENT_TYPES = {
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "CSVWithNamesAndTypes": "text/csv; charset=UTF-8; header=present",
    "XML": "application/xml; charset=UTF-8",
    "Native": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "ORC": "application/octet-stream",
    "Avro": "application/octet-stream",
    "Null": "text/plain; charset=UTF-8",
}


def content_type(output_format: str) -> str:
    """The type ClickHouse gives a format."""
    known = _CONTENT_TYPES.get(output_format)
    if known is not None:
        return known
    if output_format.endswith(
        ("EachRow", "EachRowWithNames", "EachRowWithNamesAndTypes", "EachRowWithProgress")
    ):
        return "application/x-ndjson; charset=UTF-8"
    if output_format.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if output_format.startswith(("TSV", "TabSeparated")):
        return "text/tab-separated-values; charset=UTF-8"
    if output_format.startswith(("RowBinary", "MsgPack", "Protobuf", "CapnProto", "BSON", "Npy")):
        return "application/octet-stream"
    return "text/plain; charset=UTF-8"


class Reply:
    """One response. Write, then finish or fail."""

    def __init__(self, send: Send, encoder: Encoder, version: str, buffer_bytes: int | None) -> None:
        self.headers: dict[str, str] = {}
        self.summary: dict[str, int] = {}
        self.is_started = False
        self._send = send
        self._encoder = encoder
        self._version = version
        # None: hold everything back until the end (`wait_end_of_query=1`).
        self._buffer_bytes = buffer_bytes
        self._held = bytearray()
        self._held_since = 0.0
        self._tag = secrets.token_hex(8)

    async def write(self, data: bytes) -> None:
        """Part of the answer; it is sent when enough is held."""
        if not self._held:
            self._held_since = time.monotonic()
        self._held += data
        await self.flush_due()

    async def flush_due(self) -> None:
        """Send what is held if it is much or old."""
        if self._buffer_bytes is None or not self._held:
            return
        if len(self._held) >= self._buffer_bytes or time.monotonic() - self._held_since >= BUFFER_SECONDS:
            await self._flush(more=True)

    async def finish(self) -> None:
        """The answer is whole."""
        await self._flush(more=False)

    async def fail(self, error: ClickHouseError) -> None:
        """The statement failed: its own status when nothing was sent, else the exception block at the end."""
        text = error.body(self._version)
        if self.is_started:
            message = text.encode()
            self._held += b"\r\n__exception__\r\n" + self._tag.encode() + b"\r\n" + message
            self._held += f"{len(message)} {self._tag}\r\n__exception__\r\n".encode()
            await self._flush(more=False)
            return
        self._held = bytearray(text.encode())
        self.headers["X-ClickHouse-Exception-Code"] = str(error.code)
        self.headers["Content-Type"] = "text/plain; charset=UTF-8"
        if error.status == 401:
            self.headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        await self._flush(more=False, status=error.status)

    async def _flush(self, more: bool, status: int = 200) -> None:
        data = bytes(self._held)
        self._held.clear()
        if not self.is_started:
            await self._start(status)
        body = self._encoder.encode(data) + (b"" if more else self._encoder.finish())
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _start(self, status: int) -> None:
        self.is_started = True
        headers = dict(self.headers)
        headers["X-ClickHouse-Exception-Tag"] = self._tag
        if self.summary:
            headers["X-ClickHouse-Summary"] = json.dumps(
                {k: str(v) for k, v in self.summary.items()}, separators=(",", ":")
            )
        if self._encoder.content_encoding:
            headers["Content-Encoding"] = self._encoder.content_encoding
            headers["Vary"] = "Accept-Encoding"
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(k.lower().encode(), v.encode("latin-1", "replace")) for k, v in headers.items()],
            }
        )
