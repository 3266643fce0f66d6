"""What the ingest routes read from a request besides its body.

Belongs here: routes, headers, query, the page that sent it, what all items of a request share. Does not belong here:
whether it may (`access.py`), bodies (`body.py`).
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from streaming.codecs.instants import microseconds
from streaming.collector.access import Access, Sender
from streaming.collector.datum import instant_text

Scope = MutableMapping[str, Any]
Kind = Literal["events", "clickstream", "access-log", "pixel"]

EVENTS_PREFIX = "/v1/events/"
_QUERY_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Route:
    """One ingest route: how its bodies are read, and the family of its events."""

    path: str
    kind: Kind
    family: str

    @property
    def method(self) -> str:
        """The method it takes."""
        return "GET" if self.kind == "pixel" else "POST"


class Context(msgspec.Struct, frozen=True):
    """What all items of one request share. `peer` is the sender's address, `agent` its User-Agent header.

    `received_text` is `received_us` as it stands in a datum.
    """

    sender: Sender
    brand: str | None
    peer: str | None
    agent: str | None
    received_at: datetime
    received_us: int
    received_text: str


@dataclass(frozen=True, slots=True)
class Request:
    """Headers by lower-case name, the query, and the origin of the page where a browser tells it."""

    headers: Mapping[bytes, bytes]
    query: Mapping[str, str]
    query_string: bytes
    page: str | None

    def context(self, scope: Scope, access: Access, sender: Sender) -> Context:
        """What its items share."""
        client = scope.get("client")
        agent = self.headers.get(b"user-agent")
        now = datetime.now(UTC)
        received_us = microseconds(now)
        return Context(
            sender=sender,
            brand=self.query.get("brand"),
            peer=access.peer(client[0] if client else None, self.headers.get(b"x-forwarded-for", b"")),
            agent=agent.decode("utf-8", "replace") if agent else None,
            received_at=now,
            received_us=received_us,
            received_text=instant_text(received_us),
        )

    def body_bytes(self, limit: int) -> int:
        """How much room its body may need: what it says, at most the limit; compressed ones may need it all."""
        length = self.headers.get(b"content-length", b"")
        if b"content-encoding" in self.headers or not length.isdigit() or len(length) > 12:
            return limit
        return min(int(length), limit)


def read(scope: Scope, route: Route) -> Request:
    """The request of an ASGI scope."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        # Headers that came several times are joined, as HTTP defines.
        headers[name] = headers[name] + b", " + value if name in headers else value
    text = scope["query_string"]
    query = query_of(text.decode("latin-1")) if text else {}
    origin = headers.get(b"origin")
    page = origin.decode("latin-1") if origin is not None else None
    if page is None and route.kind == "pixel":
        # An image carries no Origin; its Referer names the page.
        page = _origin(headers.get(b"referer", b"").decode("latin-1"))
    return Request(headers, query, text, page)


def _origin(address: str) -> str | None:
    """The origin of a page's address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else None


def query_of(text: str) -> dict[str, str]:
    """The first value of each name; fields beyond 200 are not looked at."""
    found: dict[str, str] = {}
    pairs = text.split("&", _QUERY_FIELDS)[:_QUERY_FIELDS]
    for name, value in parse_qsl("&".join(pairs), keep_blank_values=True, errors="replace"):
        found.setdefault(name, value)
    return found
