"""A mapper and its context without any service."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from media_analytics_tests.builders import settings as builder
from streaming.codecs.avro import Codec
from streaming.codecs.families import families
from streaming.codecs.framing import unframe
from streaming.codecs.generate import Schema
from streaming.codecs.instants import microseconds
from streaming.collector.access import Access, Sender
from streaming.collector.clicks import ClickMapper
from streaming.collector.datum import instant_text
from streaming.collector.families import Event, Reader, reader
from streaming.collector.identity import Visitors
from streaming.collector.items import decoded, item_type
from streaming.collector.request import Context
from streaming.collector.rules import Times

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SERVER = Sender(is_server=True, brand=None)
BROWSER = Sender(is_server=False, brand="bild")
CODEC = Codec.from_file("user.raw")


class Mapper:
    """Items to records as they stand in the topic: what was written, read again."""

    def __init__(self, folder: Path, **variables: str) -> None:
        settings = builder.make(folder, **variables)
        access, visitors = Access(settings), Visitors(settings.privacy)
        self._parts = access, visitors, Times(settings.history_start)
        self.numbers = frozenset({"position", "engaged_seconds"})
        self._clicks = ClickMapper(*self._parts)
        self._made: dict[str, tuple[Codec, Any, Reader]] = {}

    def family(
        self, name: str, item: msgspec.Raw, shared: Context, schema: Schema | None = None
    ) -> tuple[dict[str, Any], Event]:
        """The record of an item of a family, and the event it was read from."""
        family = families()[name]
        made = None if schema else self._made.get(name)
        if made is None:
            codec = Codec(schema) if schema else Codec.from_file(family.topic)
            decoder = msgspec.json.Decoder(item_type(codec.schema, family))
            made = codec, decoder, reader(family, codec.schema, 7, *self._parts)
            if not schema:
                self._made[name] = made
        codec, decoder, read = made
        event = read(decoded(decoder, item), shared, b"\\u0000" in bytes(item), lambda _: item, 0)
        schema_id, datum = unframe(event[3])
        assert schema_id == 7
        return codec.decode(datum), event

    def user(self, item: msgspec.Raw, shared: Context) -> dict[str, Any]:
        """The record of an item of the user family."""
        return self.family("user", item, shared)[0]

    def click(self, item: msgspec.Raw, shared: Context) -> dict[str, Any]:
        """The record of a click."""
        return self._clicks.record(item, shared)


def mapper(folder: Path, **variables: str) -> Mapper:
    return Mapper(folder, **variables)


def context(sender: Sender = SERVER, brand: str | None = None) -> Context:
    now = microseconds(NOW)
    return Context(sender, brand, "203.0.113.9", "header-agent", NOW, now, instant_text(now))


def raw(item: Any) -> msgspec.Raw:
    return msgspec.Raw(item if isinstance(item, bytes) else json.dumps(item).encode())


def event(**fields: Any) -> dict[str, Any]:
    """A page view of now; a field given as `...` is left out."""
    item = {"event_type": "page_view", "brand": "bild", "occurred_at": "2026-11-21T08:59:00Z"} | fields
    return {k: v for k, v in item.items() if v is not ...}


def click(**fields: Any) -> dict[str, Any]:
    """A clickstream view; `event__x` replaces a field of its event."""
    inner = {k.removeprefix("event__"): v for k, v in fields.items() if k.startswith("event__")}
    outer = {k: v for k, v in fields.items() if not k.startswith("event__")}
    item = {
        "id": "17",
        "type": "view",
        "package_id": "p1",
        "event": {
            "user_agent": "agent", "ip": "192.0.2.7", "customer_id": "c9", "timestamp": "2026-11-21T08:59:00+01:00",
            "page": "/a", "query": "q", "product": "x", "referrer": "https://example.net/", "position": 4,
        } | inner,
    } | outer  # fmt: skip
    if isinstance(item["event"], dict):
        item["event"] = {k: v for k, v in item["event"].items() if v is not ...}
    return item
