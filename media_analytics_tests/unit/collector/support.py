"""A mapper and its context without any service."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from media_analytics_tests.builders import settings as builder
from streaming.codecs.avro import Codec
from streaming.codecs.instants import microseconds
from streaming.collector.access import Access, Sender
from streaming.collector.identity import Visitors
from streaming.collector.items import Context, Mapper
from streaming.collector.rules import Times

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SERVER = Sender(is_server=True, brand=None)
BROWSER = Sender(is_server=False, brand="bild")
CODEC = Codec.from_file("user.raw")


def mapper(folder: Path, **variables: str) -> Mapper:
    settings = builder.make(folder, **variables)
    return Mapper(CODEC.schema, Access(settings), Visitors(settings.privacy), Times(settings.history_start))


def context(sender: Sender = SERVER, brand: str | None = None) -> Context:
    return Context(sender, brand, "203.0.113.9", "header-agent", NOW, microseconds(NOW))


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
