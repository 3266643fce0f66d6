"""Judges a refused input once more, by the rules that every request is judged by.

Belongs here: from a letter's original and facts to events, with the identity and the times it had. Does not belong
here: what a patch is (`dead_letters/patches.py`), records of topics, writing events. An input keeps its `event_id`: the
one it named, else the one that follows from the original as it came, so that no patch makes a second event of it.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from media_analytics.settings import Settings
from streaming.codecs.families import families
from streaming.collector import body, identity, log_lines, pixel, refused
from streaming.collector import request as requests
from streaming.collector.access import Access
from streaming.collector.answers import Rejection
from streaming.collector.body import Received
from streaming.collector.families import Event
from streaming.collector.items import decoded
from streaming.collector.log_lines import NumberedLine
from streaming.collector.mappers import Mappers, event_of
from streaming.collector.refused import Facts, Line
from streaming.collector.request import Context, Route
from streaming.collector.rules import UUID
from streaming.collector.server import ROUTES
from streaming.collector.writer import Version
from streaming.dead_letters.letters import NAMESPACE

# A body that was refused for its number of items is judged item by item.
_MOST_ITEMS = 1_000_000
_GZIP = b"\x1f\x8b"
_JSON = {b"content-type": b"application/json"}
Repair = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Refused:
    """A letter of the collector, opened. `is_request`: `data` is the body of a request that was refused as a whole."""

    source: str
    data: bytes
    facts: Facts
    received_at: datetime
    is_request: bool


@dataclass(frozen=True)
class _Input:
    """One input as fields, before and after its repair. A pixel's fields are those of the item its query means."""

    kind: Literal["item", "click", "line"]
    before: dict[str, Any]
    after: dict[str, Any]
    # What the input said, byte for byte, where that is JSON and nothing was repaired.
    raw: msgspec.Raw | None


def is_request(letter: Mapping[str, Any]) -> bool:
    """Whether a letter holds a whole request: its id says so."""
    place = f"dead-letter|{letter['source']}|request|{letter['original_sha256']}"
    return str(letter["letter_id"]) == str(uuid.uuid5(NAMESPACE, place))


class Again:
    """Judges with the settings of now. `version` gives the registered schema of a topic."""

    def __init__(self, settings: Settings, version: Callable[[str], Version]) -> None:
        self._access = Access(settings)
        self._mappers = Mappers(settings, self._access)
        self._version = version
        self._limit = settings.collector.max_body_bytes

    def items(self, letter: Refused) -> list[dict[str, Any]]:
        """The inputs of a letter as fields, as a patch sees them.

        Raises:
            Rejection: they cannot be read.
        """
        with _bounded():
            return [found.before for found in self._inputs(letter, None)]

    def events(self, letter: Refused, repair: Repair | None = None) -> tuple[str, list[Event]]:
        """The family's topic, and an event for each input of the letter.

        Raises:
            Rejection: the first rule that an input still breaks.
        """
        route = self._route(letter)
        topic = families()[route.family].topic
        version = self._version(topic)
        context = refused.context_of(letter.facts, letter.received_at)
        with _bounded():
            found = self._inputs(letter, repair)
            return topic, [self._event(one, route, version, context) for one in found]

    def _route(self, letter: Refused) -> Route:
        path = letter.source.partition("?")[0]
        if path not in ROUTES:
            raise Rejection("unknown_route", None, f"{path[:100]!r} is no route")
        return ROUTES[path]

    def _inputs(self, letter: Refused, repair: Repair | None) -> list[_Input]:
        route = self._route(letter)
        if route.kind == "access-log":
            lines = self._lines(letter)
            return [_Input("line", fields, (repair or dict)(fields), None) for fields in lines]
        kind: Literal["click", "item"] = "click" if route.kind == "clickstream" else "item"
        return [self._input(kind, raw, repair) for raw in self._raws(letter, route)]

    def _input(self, kind: Literal["click", "item"], raw: msgspec.Raw, repair: Repair | None) -> _Input:
        try:
            fields = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejection("malformed_json", "item", f"the item is not JSON: {error}", "shape") from None
        if not isinstance(fields, dict):
            raise Rejection("wrong_type", "item", "the item is not an object", "shape")
        after = fields if repair is None else repair(fields)
        return _Input(kind, fields, after, raw if after == fields else None)

    def _raws(self, letter: Refused, route: Route) -> list[msgspec.Raw]:
        if route.kind == "pixel":
            query = requests.query_of(letter.data.decode("latin-1"))
            context = refused.context_of(letter.facts, letter.received_at)
            reader = self._mappers.reader(route.family, self._version(families()[route.family].topic))
            return [msgspec.Raw(pixel.item(query, reader.numbers, context))]
        if not letter.is_request:
            return [msgspec.Raw(letter.data)]
        return body.items(self._body(letter), _MOST_ITEMS)

    def _body(self, letter: Refused) -> bytes:
        encoding = {b"content-encoding": b"gzip"} if letter.data.startswith(_GZIP) else {}
        received = Received(letter.data, len(letter.data))
        return body.content(received, _JSON | encoding, self._limit, allow_text=False)

    def _lines(self, letter: Refused) -> Iterator[dict[str, Any]]:
        """Each line with what its request named beside it."""
        if not letter.is_request:
            line = letter.facts.line
            if line is None:
                raise Rejection("unknown_place", "line", "the letter does not say where its line stood")
            yield _line(letter.data.decode("utf-8", "replace"), line)
            return
        found = msgspec.json.decode(self._body(letter))
        if not isinstance(found, dict) or not isinstance(found.get("lines"), list):
            raise Rejection("wrong_type", "lines", "the body has no list of lines", "shape")
        shared = {name: found[name] for name in ("brand", "site", "source") if name in found}
        for one in found["lines"]:
            yield {**(one if isinstance(one, dict) else {"line": one}), **shared}

    def _event(self, found: _Input, route: Route, version: Version, context: Context) -> Event:
        if found.kind == "line":
            return self._line_event(found, version, context)
        if found.kind == "click":
            raw = found.raw or msgspec.Raw(msgspec.json.encode(found.after))
            record = self._mappers.clicks.record(raw, context)
            record["event_id"] = _click_id(found.before) or record["event_id"]
            return event_of(version, record)
        fields = self._identified(found, context)
        data = msgspec.json.encode(fields)
        reader = self._mappers.reader(route.family, version)
        item = decoded(reader.one, msgspec.Raw(data))
        return reader.event(item, context, b"\\u0000" in data, lambda _: msgspec.Raw(data), 0)

    def _identified(self, found: _Input, context: Context) -> dict[str, Any]:
        """The repaired item with the id that the original had, or would have had."""
        claimed = found.before.get("event_id")
        if isinstance(claimed, str) and UUID.fullmatch(claimed.lower()):
            return {**found.after, "event_id": claimed.lower()}
        if found.after.get("event_id") is not None:
            return found.after
        named = found.after.get("brand")
        brand = self._access.brand(named if isinstance(named, str) else None, context.brand, context.sender)
        return {**found.after, "event_id": identity.item_id(found.before, brand)}

    def _line_event(self, found: _Input, version: Version, context: Context) -> Event:
        shared = {name: found.after[name] for name in ("brand", "site", "source") if name in found.after}
        numbered = {name: value for name, value in found.after.items() if name not in shared}
        batch = log_lines.batch(msgspec.json.encode({**shared, "lines": [numbered]}), 1)
        (line,) = batch.lines
        brand = self._mappers.lines.brand(batch, context)
        record = self._mappers.lines.record(line, brand, batch.site, context)
        record["event_id"] = _line_id(found.before, line)
        return event_of(version, record)


@contextmanager
def _bounded() -> Iterator[None]:
    """An input that is too deep, or holds a number too large for what has to be done with it, is unreadable."""
    try:
        yield
    except (RecursionError, OverflowError, ValueError) as error:
        raise Rejection("unreadable", "item", f"{type(error).__name__} in the item", "shape") from error


def _line(text: str, line: Line) -> dict[str, Any]:
    place = {"line_number": line.number, "occurrence": line.occurrence, "line": text}
    return place | {"brand": line.brand, "site": line.site, "source": line.source}


def _line_id(before: Mapping[str, Any], line: NumberedLine) -> str:
    """The id of the line as it came, however it was repaired."""
    text = before.get("line")
    original = log_lines.without_line_end(text if isinstance(text, str) else line.line)
    return identity.line_id(original.encode("utf-8", "replace"), line.occurrence)


def _click_id(before: Mapping[str, Any]) -> str | None:
    """The id of the click as it came; None when it named none."""
    package, click = before.get("package_id"), before.get("id")
    if isinstance(package, str | int) and isinstance(click, str | int):
        return identity.click_id(str(package), str(click))
    return None
