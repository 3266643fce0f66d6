"""A request's items, each judged alone: an event to write, or a refusal and its dead letter.

Belongs here: how a route's body holds items, and what becomes of each outcome. Does not belong here: the rules of an
item (`families.py`, `clicks.py`, `log_lines.py`), HTTP, writing.
"""

from dataclasses import dataclass, field

import msgspec

from media_analytics.settings import Settings
from streaming.codecs.families import families
from streaming.collector import answers, body, items, log_lines, pixel
from streaming.collector.access import Access
from streaming.collector.answers import Item, Kind, Rejection
from streaming.collector.families import Event
from streaming.collector.items import Items
from streaming.collector.letters import Letters, source
from streaming.collector.mappers import Mappers, event_of
from streaming.collector.refused import Line
from streaming.collector.request import Context, Request, Route
from streaming.collector.writer import KafkaWriter, Outgoing, Version


@dataclass(slots=True)
class Judged:
    """The outcome of a request's items so far. `accepted` and `rejected` count by brand, and by brand and code."""

    topic: str
    items: list[Item] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    worst: Kind | None = None
    accepted: dict[str, int] = field(default_factory=dict)
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)

    def accept(self, index: int, event: Event) -> None:
        """Keep an event."""
        event_id, brand, key, message = event
        self.items.append(Item(index, event_id, "accepted"))
        self.outgoing.append((self.topic, key, message))
        self.accepted[brand] = self.accepted.get(brand, 0) + 1

    def reject(
        self,
        index: int,
        rejection: Rejection,
        letters: list[Outgoing],
        brand: str,
        event_id: str | None = None,
    ) -> None:
        """Refuse an item; its letter is written with the request's events."""
        self.items.append(answers.rejected(index, rejection, event_id))
        self.outgoing += letters
        key = (brand, rejection.code)
        self.rejected[key] = self.rejected.get(key, 0) + 1
        if self.worst != "shape":
            self.worst = rejection.kind


class Judge:
    """Reads the items of every route."""

    def __init__(self, settings: Settings, writer: KafkaWriter, access: Access, letters: Letters) -> None:
        self._limits = settings.collector
        self._writer = writer
        self._access = access
        self._letters = letters
        self._mappers = Mappers(settings, access)

    def judge(self, route: Route, request: Request, data: bytes, context: Context) -> Judged:
        """Judge all items of a body (of the query for the pixel).

        Raises:
            Rejection: the request is refused as a whole.
        """
        topic = families()[route.family].topic
        version = self._writer.version(topic)
        if route.kind == "access-log":
            return self._judge_lines(route, topic, data, context, version)
        if route.kind == "clickstream":
            return self._judge_clicks(route, topic, data, context, version)
        reader = self._mappers.reader(route.family, version)
        if route.kind == "pixel":
            data = pixel.item(request.query, reader.numbers, context)
        found = Items(data, reader.many, reader.one, self._limits.max_items)
        judged = Judged(topic)
        read, raw, typed, items_typed = reader.event, found.raw, found.typed, found.all_typed
        kept, outgoing = judged.items.append, judged.outgoing.append
        accepted = judged.accepted
        # JSON has a NUL character as an escape only: without one no text needs to be searched.
        nul = b"\\u0000" in data
        for index in range(len(found)):
            try:
                item = typed(index) if items_typed is None else items_typed[index]
                event_id, brand, key, message = read(item, context, nul, raw, index)
            except Rejection as rejection:
                original = request.query_string if route.kind == "pixel" else bytes(raw(index))
                self._refuse(judged, route, index, original, rejection, context)
            else:
                kept(Item(index, event_id, "accepted"))
                outgoing((topic, key, message))
                accepted[brand] = accepted.get(brand, 0) + 1
        return judged

    def source(self, route: Route, context: Context, **named: str | None) -> str:
        """The source of a letter: the route with the brand that the request names beside its items."""
        brand = self._access.known_brand(context.brand or context.sender.brand)
        return source(route.path, **({"brand": brand} | named))

    def _judge_clicks(
        self, route: Route, topic: str, data: bytes, context: Context, version: Version
    ) -> Judged:
        judged = Judged(topic)
        for index, raw in enumerate(body.items(data, self._limits.max_items)):
            try:
                judged.accept(index, event_of(version, self._mappers.clicks.record(raw, context)))
            except Rejection as rejection:
                self._refuse(judged, route, index, bytes(raw), rejection, context)
        return judged

    def _refuse(
        self,
        judged: Judged,
        route: Route,
        index: int,
        original: bytes,
        rejection: Rejection,
        context: Context,
    ) -> None:
        claimed = items.claimed_id(msgspec.Raw(original))
        letters = self._letters.of_item(
            original,
            rejection,
            route=route.path,
            source=self.source(route, context),
            context=context,
            event_id=claimed,
        )
        brand = self._access.known_brand(context.sender.brand or context.brand) or "unknown"
        judged.reject(index, rejection, letters, brand, claimed)

    def _judge_lines(
        self, route: Route, topic: str, data: bytes, context: Context, version: Version
    ) -> Judged:
        if not context.sender.is_server:
            raise Rejection("key_not_allowed", "Authorization", "access logs need a server key", "key")
        found = log_lines.batch(data, self._limits.max_items)
        brand = self._mappers.lines.brand(found, context)
        judged = Judged(topic)
        for index, numbered in enumerate(found.lines):
            try:
                record = self._mappers.lines.record(numbered, brand, found.site, context)
                judged.accept(index, event_of(version, record))
            except Rejection as rejection:
                letters = self._letters.of_item(
                    numbered.line.encode("utf-8", "replace"),
                    rejection,
                    route=route.path,
                    source=self.source(route, context, brand=brand, site=found.site),
                    place=log_lines.letter_place(found, numbered, brand),
                    line=Line(numbered.line_number, numbered.occurrence, brand, found.site, found.source),
                    context=context,
                )
                judged.reject(index, rejection, letters, brand)
        return judged
