"""An event in the address of an image, for pages without scripts.

Belongs here: the query form of an item, and the image. Does not belong here: what the item means (`items.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from streaming.collector.request import Context

# The smallest transparent GIF.
GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
# Beside the item's fields: what names the sender, and what keeps images out of caches.
_NOT_FIELDS = frozenset({"key", "brand", "_"})
_PROPERTY = "p."


def item(query: Mapping[str, str], numbers: frozenset[str], context: Context) -> bytes:
    """The JSON item of a query: a field a name, `consent` with commas, `p.<name>` for properties.

    Without `event_type` it is a page view, without `occurred_at` it happened when it was received; `numbers` are the
    fields that hold one.
    """
    fields: dict[str, Any] = {"event_type": "page_view", "occurred_at": context.received_at.isoformat()}
    properties: dict[str, str] = {}
    for name, value in query.items():
        if name.startswith(_PROPERTY):
            properties[name.removeprefix(_PROPERTY)] = value
        elif name == "consent":
            fields[name] = [purpose for purpose in value.split(",") if purpose]
        elif name in numbers:
            fields[name] = _number(value)
        elif name not in _NOT_FIELDS:
            fields[name] = value
    if properties:
        fields["properties"] = properties
    return msgspec.json.encode(fields)


def _number(value: str) -> int | float | str:
    """The number a text says; other texts stay, and the item's type refuses them."""
    try:
        number = int(value) if value.lstrip("-").isdigit() and len(value) < 20 else float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value
