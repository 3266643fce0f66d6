"""What the collector keeps of a refused input's request, so that the input can be judged again.

Belongs here: the facts an item does not hold itself (kind of key, address, user agent, place in a log file), to bytes
and back. Does not belong here: encryption (`streaming/dead_letters`), judging again (`again.py`).
"""

from datetime import datetime

import msgspec

from streaming.codecs.instants import microseconds
from streaming.collector.access import Sender
from streaming.collector.datum import instant_text
from streaming.collector.request import Context

_TEXT = 2048


class Line(msgspec.Struct, frozen=True):
    """Where a log line stood: its number from 1, how often the same line stood before it, and what named its file."""

    number: int
    occurrence: int
    brand: str
    site: str
    source: str


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all items of a request shared; `key_brand` is the only brand of its key, `brand` the one it named."""

    is_server: bool
    key: str
    key_brand: str | None = None
    brand: str | None = None
    peer: str | None = None
    agent: str | None = None
    line: Line | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Facts)


def facts_of(context: Context, line: Line | None) -> bytes:
    """The facts of a request as JSON; longer texts than any event may hold are cut."""
    sender = context.sender
    facts = Facts(
        sender.is_server,
        sender.name,
        sender.brand,
        _cut(context.brand),
        context.peer,
        _cut(context.agent),
        line,
    )
    return _encoder.encode(facts)


def read(data: bytes) -> Facts:
    """The facts that `facts_of` wrote."""
    return _decoder.decode(data)


def context_of(facts: Facts, received_at: datetime) -> Context:
    """The context of the request as it was, received when it was."""
    received_us = microseconds(received_at)
    return Context(
        sender=Sender(facts.is_server, facts.key_brand, facts.key),
        brand=facts.brand,
        peer=facts.peer,
        agent=facts.agent,
        received_at=received_at,
        received_us=received_us,
        received_text=instant_text(received_us),
    )


def _cut(text: str | None) -> str | None:
    # One more than allowed: what was too long then is too long again. Half a character cannot be written.
    return None if text is None else text.encode("utf-8", "replace")[: _TEXT + 1].decode("utf-8", "ignore")
