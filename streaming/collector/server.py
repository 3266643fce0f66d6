"""The ingest routes, as a plain ASGI function in front of the rest of the application.

Belongs here: the order of steps of a request. Does not belong here: what an item means (`items.py`,
`log_lines.py`). Steps: 1. room for one more request, disk, Kafka; 2. key; 3. body within limits; 4. items
to records, each judged alone; 5. write and wait for every acknowledgement; 6. answer. A 2xx is sent after
step 5 only.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from media_analytics.settings import Settings
from streaming.codecs.avro import EncodeError
from streaming.codecs.instants import microseconds
from streaming.collector import answers, body, items, log_lines
from streaming.collector.access import Access, Sender
from streaming.collector.answers import Item, Kind, Rejection, Unavailable
from streaming.collector.disk import FreeDisk
from streaming.collector.identity import Visitors
from streaming.collector.items import Context, Mapper
from streaming.collector.log_lines import LineMapper
from streaming.collector.rules import Times
from streaming.collector.writer import KafkaWriter, Outgoing, Version
from streaming.dead_letters.letters import TOPIC as LETTERS
from streaming.dead_letters.letters import LetterWriter

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, body.Receive, Send], Awaitable[None]]

EVENTS = "user.raw"
EVENTS_ROUTE = "/v1/events/"
CLICKSTREAM_ROUTE = "/v1/clickstream"
ACCESS_LOG_ROUTE = "/v1/access-log"
# A client has this long to send its body.
_BODY_SECONDS = 30.0


@dataclass
class Judged:
    """The outcome of a request's items so far."""

    items: list[Item]
    outgoing: list[Outgoing]
    worst: Kind | None = None

    def accept(self, index: int, record: dict[str, Any], message: bytes) -> None:
        """Keep a record."""
        self.items.append(answers.accepted(index, record["event_id"]))
        self.outgoing.append(Outgoing(EVENTS, record["visitor_id"].encode(), message))

    def reject(self, index: int, rejection: Rejection, event_id: str | None = None) -> None:
        """Refuse an item."""
        self.items.append(answers.rejected(index, rejection, event_id))
        if self.worst != "shape":
            self.worst = rejection.kind


class Ingest:
    """Answers the ingest routes and passes every other request on to `rest`."""

    def __init__(self, settings: Settings, writer: KafkaWriter, rest: App) -> None:
        self._limits = settings.collector
        self._rest = rest
        self._writer = writer
        self._letter_writer = LetterWriter("collector", settings.privacy.dead_letter_key)
        self._access = Access(settings)
        self._visitors = Visitors(settings.privacy)
        self._times = Times(settings.history_start)
        self._mappers: dict[int, Mapper] = {}
        self._lines = LineMapper(self._access, self._visitors, self._times)
        self._disk = FreeDisk(settings.home, settings.collector.min_free_disk_pct)
        self._in_flight = 0

    def problems(self) -> list[str]:
        """Why nothing can be accepted now; empty when everything is well."""
        return [p for p in (self._writer.problem, self._disk.problem()) if p is not None]

    async def __call__(self, scope: Scope, receive: body.Receive, send: Send) -> None:
        """One ASGI request."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path.startswith(EVENTS_ROUTE) or path in (CLICKSTREAM_ROUTE, ACCESS_LOG_ROUTE):
            await self._ingest(scope, path, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _ingest(self, scope: Scope, path: str, receive: body.Receive, send: Send) -> None:
        if scope["method"] != "POST":
            refusal = Rejection("method_not_allowed", None, f"{scope['method']} is not allowed; send POST")
            await _respond(send, 405, answers.of_rejection(refusal)[1], {b"allow": b"POST"})
            return
        family = path.removeprefix(EVENTS_ROUTE)
        if path.startswith(EVENTS_ROUTE) and family != "user":
            refusal = Rejection("unknown_family", "family", f"family is {family[:64]!r}; expected user")
            await _respond(send, 404, answers.of_rejection(refusal)[1])
            return
        self._in_flight += 1
        try:
            status, answer = await self._answer(scope, path, receive)
        except Rejection as rejection:
            status, answer = answers.of_rejection(rejection)
        except Unavailable as problem:
            status, answer = answers.of_unavailable(problem)
            await _respond(send, status, answer, {b"retry-after": str(problem.retry_after_seconds).encode()})
            return
        except body.ClientGoneError:
            return
        finally:
            self._in_flight -= 1
        await _respond(send, status, answer)

    async def _answer(self, scope: Scope, path: str, receive: body.Receive) -> tuple[int, bytes]:
        # 1. room, disk, Kafka
        if self._in_flight > self._limits.max_requests_in_flight:
            raise Unavailable(
                503, "too_busy", f"{self._in_flight - 1} requests are being answered; send again", 1
            )
        self._disk.require()
        if self._writer.problem is not None:
            raise Unavailable(503, "kafka_unavailable", self._writer.problem)
        headers = _headers(scope)
        # 2. key
        sender = self._access.sender(headers)
        # 3. body
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                data = await body.read(receive, headers, self._limits.max_body_bytes)
        except TimeoutError:
            raise Rejection(
                "body_too_slow", "body", f"the body took over {_BODY_SECONDS:g} s", "shape"
            ) from None
        # 4. items
        context = self._context(scope, headers, sender)
        version = self._writer.version(EVENTS)
        if path == ACCESS_LOG_ROUTE:
            judged = self._judge_lines(data, context, version)
        else:
            mapper = self._mapper(version)
            judge = mapper.click if path == CLICKSTREAM_ROUTE else mapper.user
            judged = self._judge(body.items(data, self._limits.max_items), judge, context, version)
        # 5. write
        await self._writer.write(judged.outgoing)
        # 6. answer
        return answers.of_items(judged.items, judged.worst)

    def _context(self, scope: Scope, headers: Mapping[bytes, bytes], sender: Sender) -> Context:
        query = parse_qs(scope["query_string"].decode("latin-1")).get("brand", [None])
        client = scope.get("client")
        agent = headers.get(b"user-agent")
        now = datetime.now(UTC)
        return Context(
            sender=sender,
            brand=query[0],
            peer=self._access.peer(client[0] if client else None, headers.get(b"x-forwarded-for", b"")),
            agent=agent.decode("utf-8", "replace") if agent else None,
            received_at=now,
            received_us=microseconds(now),
        )

    def _judge(
        self,
        raws: list[msgspec.Raw],
        record_of: Callable[[msgspec.Raw, Context], dict[str, Any]],
        context: Context,
        version: Version,
    ) -> Judged:
        judged = Judged([], [])
        for index, raw in enumerate(raws):
            try:
                record = record_of(raw, context)
                judged.accept(index, record, _message(version, record))
            except Rejection as rejection:
                judged.reject(index, rejection, items.claimed_id(raw))
        return judged

    def _judge_lines(self, data: bytes, context: Context, version: Version) -> Judged:
        if not context.sender.is_server:
            raise Rejection("key_not_allowed", "Authorization", "access logs need a server key", "key")
        found = log_lines.batch(data, self._limits.max_items)
        brand = self._lines.brand(found, context)
        judged = Judged([], [])
        for index, numbered in enumerate(found.lines):
            try:
                record = self._lines.record(numbered, brand, found.site, context)
                judged.accept(index, record, _message(version, record))
            except Rejection as rejection:
                judged.reject(index, rejection)
                letter = self._letter_writer.letter(
                    numbered.line.encode(),
                    source=ACCESS_LOG_ROUTE,
                    place=log_lines.letter_place(found, numbered, brand),
                    reason=rejection.code,
                    field=rejection.field,
                    message=rejection.message,
                    line_number=numbered.line_number,
                    received_at=context.received_at,
                )
                message = self._writer.version(LETTERS).framed(letter)
                judged.outgoing.append(Outgoing(LETTERS, ACCESS_LOG_ROUTE.encode(), message))
        return judged

    def _mapper(self, version: Version) -> Mapper:
        """The mapper of a schema version: a field the version adds is accepted from clients."""
        found = self._mappers.get(version.schema_id)
        if found is None:
            found = Mapper(version.codec.schema, self._access, self._visitors, self._times)
            self._mappers[version.schema_id] = found
        return found


def _message(version: Version, record: dict[str, Any]) -> bytes:
    try:
        return version.framed(record)
    except EncodeError as error:
        raise Rejection("wrong_type", error.field, str(error), "shape") from error


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Headers by lower-case name; those that came several times are joined, as HTTP defines."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


async def _respond(
    send: Send, status: int, content: bytes, extra: Mapping[bytes, bytes] | None = None
) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        *(extra or {}).items(),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
