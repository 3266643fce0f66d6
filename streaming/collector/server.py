"""The ingest routes, as a plain ASGI function in front of the rest of the application.

Belongs here: the order of steps of a request, and its answer. Does not belong here: what an item means (`judging.py`).
Steps: 1. room for one more request, disk, Kafka; 2. key, page, rate; 3. body within limits; 4. items to records, each
judged alone; 5. write and wait for every acknowledgement, dead letters included; 6. answer. A 2xx is sent after step 5
only.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from media_analytics.settings import Settings
from streaming.codecs.families import families
from streaming.collector import answers, body, pixel
from streaming.collector import metrics as names
from streaming.collector import request as requests
from streaming.collector.access import Access, Sender
from streaming.collector.answers import Rejection, Unavailable
from streaming.collector.body import Received
from streaming.collector.disk import FreeDisk
from streaming.collector.judging import Judge, Judged
from streaming.collector.letters import Letters
from streaming.collector.limits import BrowserRate, Room
from streaming.collector.metrics import Metrics
from streaming.collector.request import EVENTS_PREFIX, Request, Route, Scope
from streaming.collector.writer import KafkaWriter, Outgoing

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, body.Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

ROUTES = {
    route.path: route
    for route in (
        *(Route(f"{EVENTS_PREFIX}{name}", "events", name) for name in families()),
        Route("/v1/clickstream", "clickstream", "user"),
        Route("/v1/access-log", "access-log", "user"),
        Route("/v1/pixel", "pixel", "user"),
    )
}
_STEP_SECONDS = 0.05
_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")


@dataclass(eq=False, slots=True)
class _Reading:
    """A request whose body is being read."""

    task: "asyncio.Task[Any] | None"
    deadline: float
    is_late: bool = False


class Ingest:
    """Answers the ingest routes and passes every other request on to `rest`."""

    def __init__(self, settings: Settings, writer: KafkaWriter, metrics: Metrics, rest: App) -> None:
        self._limits = settings.collector
        self._rest = rest
        self._writer = writer
        self._metrics = metrics
        self._access = Access(settings)
        self._letters = Letters(settings, writer, metrics)
        self._judge = Judge(settings, writer, self._access, self._letters)
        self._disk = FreeDisk(settings.home, settings.collector.min_free_disk_pct)
        self._room = Room(settings.collector)
        self._rate = BrowserRate(settings.collector)
        self._reading: set[_Reading] = set()
        self.is_serving = False
        # While the process ends, every answer also ends its connection.
        self.is_draining = False

    def problems(self) -> list[str]:
        """Why nothing can be accepted now; empty when everything is well."""
        return [p for p in (self._writer.problem, self._disk.problem()) if p is not None]

    async def usable(self, timeout_seconds: float) -> None:
        """Wait until events can be accepted, or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        while self.problems() and time.monotonic() < deadline:
            await asyncio.sleep(_STEP_SECONDS)

    def tick(self) -> None:
        """What is done once a second: give up slow bodies, bring the gauges up to date."""
        now = time.monotonic()
        for reading in self._reading:
            if reading.deadline < now and reading.task is not None and not reading.is_late:
                reading.is_late = True
                reading.task.cancel()
        self.report()

    def report(self) -> None:
        """Bring the gauges of this worker up to date."""
        self._metrics.set(names.QUEUE_EVENTS, self._room.events)
        self._metrics.set(names.QUEUE_BYTES, self._room.bytes)
        self._metrics.set(names.IN_FLIGHT, self._room.requests)
        self._metrics.set(names.READY, 0 if self.problems() else 1)
        self._metrics.set(names.WORKERS, 1 if self.is_serving else 0)

    async def __call__(self, scope: Scope, receive: body.Receive, send: Send) -> None:
        """One ASGI request."""
        path = scope["path"] if scope["type"] == "http" else ""
        route = ROUTES.get(path)
        if route is not None:
            await self._ingest(scope, route, receive, send)
        elif path.startswith(EVENTS_PREFIX):
            family = path.removeprefix(EVENTS_PREFIX)[:64]
            known = ", ".join(r.family for r in ROUTES.values() if r.kind == "events")
            refusal = Rejection("unknown_family", "family", f"family is {family!r}; expected one of {known}")
            self._metrics.add(names.REQUESTS, f"{EVENTS_PREFIX}*", "404")
            await self._respond(send, 404, answers.of_rejection(refusal)[1], [_JSON])
        else:
            await self._rest(scope, receive, self._closing(send) if self.is_draining else send)

    async def _ingest(self, scope: Scope, route: Route, receive: body.Receive, send: Send) -> None:
        request = requests.read(scope, route)
        method = scope["method"]
        if method == "OPTIONS" and request.page is not None:
            status, headers = self._preflight(route, request)
            content = b""
        elif method != route.method:
            refusal = Rejection(
                "method_not_allowed", None, f"{method[:16]} is not allowed; send {route.method}"
            )
            status, content = 405, answers.of_rejection(refusal)[1]
            headers = [_JSON, (b"allow", route.method.encode())]
        else:
            try:
                status, content, headers = await self._outcome(scope, route, request, receive)
            except body.ClientGoneError:
                return
        self._metrics.add(names.REQUESTS, route.path, str(status))
        await self._respond(send, status, content, headers)

    async def _outcome(
        self, scope: Scope, route: Route, request: Request, receive: body.Receive
    ) -> tuple[int, bytes, Headers]:
        """Status, body and headers of a request's answer."""
        sender: Sender | None = None
        extra: Headers = []
        size = request.body_bytes(self._limits.max_body_bytes)
        held = is_key_refused = False
        try:
            # 1. room, disk, Kafka
            self._room.enter(size)
            held = True
            self._disk.require()
            if self._writer.problem is not None:
                raise Unavailable(503, "kafka_unavailable", self._writer.problem)
            # 2. key
            sender = self._access.sender(request.headers, request.query.get("key"), request.page)
            # 3. to 5.
            judged = await self._accept(scope, route, request, sender, receive)
            status, content = answers.of_items(judged.items, judged.worst)
            refused = next((i for i in judged.items if i.status == "rejected"), None)
            if route.kind == "pixel" and refused is not None:
                extra = _reason(refused.code, refused.field)
        except Rejection as rejection:
            status, content = answers.of_rejection(rejection)
            is_key_refused = rejection.kind == "key"
            self._metrics.add(names.REFUSED, route.path, rejection.code)
            extra = _reason(rejection.code, rejection.field) if route.kind == "pixel" else []
            if status == answers.STATUS["rate"]:
                extra.append((b"retry-after", b"1"))
        except Unavailable as problem:
            status, content = answers.of_unavailable(problem)
            self._metrics.add(names.REFUSED, route.path, problem.code)
            extra = [(b"retry-after", str(problem.retry_after_seconds).encode())]
        finally:
            if held:
                self._room.leave(size)
        if request.page is not None and not is_key_refused:
            extra += self._page_headers(request.page, sender)
        if route.kind == "pixel":
            return (
                status,
                pixel.GIF,
                [(b"content-type", b"image/gif"), (b"cache-control", b"no-store"), *extra],
            )
        return status, content, [_JSON, *extra]

    async def _accept(
        self, scope: Scope, route: Route, request: Request, sender: Sender, receive: body.Receive
    ) -> Judged:
        context = request.context(scope, self._access, sender)
        if not sender.is_server:
            self._rate.require(sender.name, context.peer or "")
        received = Received(scope["query_string"], len(scope["query_string"]))
        data = b""
        try:
            # 3. body
            if route.kind != "pixel":
                received = await self._body(receive)
                data = body.content(
                    received,
                    request.headers,
                    self._limits.max_body_bytes,
                    allow_text=not sender.is_server,
                )
            # 4. items
            judged = self._judge.judge(route, request, data, context)
        except Rejection as rejection:
            if received.length and rejection.kind != "key":
                source = self._judge.source(route, context)
                letters = self._letters.of_request(
                    received, rejection, route=route.path, source=source, context=context
                )
                await self._write(letters)
            raise
        if not sender.is_server:
            self._rate.charge(sender.name, context.peer or "", len(judged.items))
        # 5. write
        await self._write(judged.outgoing)
        for brand, count in judged.accepted.items():
            self._metrics.add(names.ACCEPTED, brand, route.family, amount=count)
        for (brand, code), count in judged.rejected.items():
            self._metrics.add(names.REJECTED, brand, route.family, code, amount=count)
        return judged

    async def _body(self, receive: body.Receive) -> Received:
        """The body, if it comes in time. One clock looks after all: a timer of its own costs as much as the answer."""
        reading = _Reading(asyncio.current_task(), time.monotonic() + self._limits.max_body_seconds)
        self._reading.add(reading)
        try:
            return await body.receive_all(receive, self._limits.max_body_bytes)
        except asyncio.CancelledError:
            if not reading.is_late or reading.task is None:
                raise
            reading.task.uncancel()
            raise Rejection(
                "body_too_slow", "body", f"the body took over {self._limits.max_body_seconds:g} s", "shape"
            ) from None
        finally:
            self._reading.discard(reading)

    async def _write(self, outgoing: list[Outgoing]) -> None:
        if not outgoing:
            return
        self._room.hold(len(outgoing))
        began = time.perf_counter()
        try:
            await self._writer.write(outgoing)
        finally:
            self._room.release(len(outgoing))
        self._metrics.observe(time.perf_counter() - began)

    def _preflight(self, route: Route, request: Request) -> tuple[int, Headers]:
        """The answer to a browser that asks before it sends: yes to pages of the brand only."""
        key = request.query.get("key")
        brand = (
            self._access.brand_of_key(key) if key else self._access.known_brand(request.query.get("brand"))
        )
        vary = (b"vary", b"origin")
        if not self._access.page_may_send(request.page, brand):
            return 403, [vary]
        return 204, [
            vary,
            (b"access-control-allow-origin", (request.page or "").encode("latin-1")),
            (b"access-control-allow-methods", route.method.encode()),
            (b"access-control-allow-headers", b"authorization, content-type, content-encoding, x-api-key"),
            (b"access-control-max-age", b"600"),
        ]

    def _page_headers(self, page: str, sender: Sender | None) -> Headers:
        """What lets a page of the brand read its answer."""
        headers: Headers = [(b"vary", b"origin")]
        if self._access.page_may_send(page, sender.brand if sender else None):
            headers.append((b"access-control-allow-origin", page.encode("latin-1")))
            headers.append((b"access-control-expose-headers", b"retry-after"))
        return headers

    async def _respond(self, send: Send, status: int, content: bytes, headers: Headers) -> None:
        length = (b"content-length", str(len(content)).encode())
        closing = [_CLOSE] if self.is_draining else []
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length, *closing]})
        await send({"type": "http.response.body", "body": content})

    def _closing(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)

        return sent


def _reason(code: str | None, field: str | None) -> Headers:
    """Why a pixel's event was refused: its body is an image."""
    text = f"{code} {field or ''}".strip()[:200]
    return [(b"x-refused", "".join(c if " " <= c <= "~" else "?" for c in text).encode())]
