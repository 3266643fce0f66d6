"""The gateway's HTTP surface, as a raw ASGI application.

Belongs here: routes, reading the body, turning errors into answers. Does not belong here: running statements.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import IO, Any

from media_analytics.local.gateway import auth, compression, deduplication, reader
from media_analytics.local.gateway.chdb_connection import ChdbConnection
from media_analytics.local.gateway.config import GatewayConfig
from media_analytics.local.gateway.errors import ClickHouseError
from media_analytics.local.gateway.handler import Exchange, answer
from media_analytics.local.gateway.native_blocks import BlockDecoder, BlockEncoder
from media_analytics.local.gateway.pool import UserPool
from media_analytics.local.gateway.reply import BUFFER_BYTES, Reply, Send
from media_analytics.local.gateway.request import Request, parse_query, read_work, with_form
from media_analytics.local.gateway.spool import Spool

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
log = logging.getLogger("gateway")


class Gateway:
    """The ASGI application. It opens chDB in the lifespan's start and closes it at its end."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._pools: dict[str, UserPool] = {}
        self._anchor: ChdbConnection | None = None
        self._lock: IO[bytes] | None = None
        self._version = ""
        self._timezone = ""
        self._server_name = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    def open(self) -> None:
        """Open the data folder. It stays open by one connection that runs nothing else."""
        self._config.data.mkdir(parents=True, exist_ok=True)
        self._lock = deduplication.lock(self._config.data)
        deduplication.forget_unfinished(self._config.data)
        self._anchor = ChdbConnection(str(self._config.data))
        row = self._anchor.run(b"SELECT version(), timezone(), hostName()").data.decode()
        self._version, self._timezone, self._server_name = row.rstrip("\n").split("\t")
        known = reader.catalog(self._anchor)
        self._pools = {user.name: UserPool(self._config, user, known) for user in self._config.users}
        log.info("chDB %s opened %s", self._version, self._config.data)

    def close(self) -> None:
        """End all sessions and close the data folder."""
        for pool in self._pools.values():
            pool.close()
        if self._anchor is not None:
            self._anchor.close()
        if self._lock is not None:
            self._lock.close()
        log.info("closed %s", self._config.data)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.to_thread(self.open)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.to_thread(self.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        request = Request(scope["method"], scope["path"], headers, parse_query(scope["query_string"]))
        if auth.is_foreign(headers):
            await _text(send, 403, "Only requests from this machine, and from no web page of another site.\n")
        elif request.path in ("/ping", "/replicas_status"):
            await _text(send, 200, "Ok.\n", {"X-Media-Analytics-Home": self._config.home_id})
        elif request.path != "/":
            await _text(
                send, 404, f"There is no handle {request.path}\n\nUse / or /ping for health checks.\n"
            )
        elif request.method not in ("GET", "HEAD", "POST", "PUT"):
            await _text(send, 405, f"Method {request.method} is not supported.\n")
        elif request.method in ("GET", "HEAD") and not request.query:
            await _text(send, 200, "Ok.\n")
        else:
            await self._statement(request, receive, send)

    async def _statement(self, request: Request, receive: Receive, send: Send) -> None:
        accepted = request.headers.get("accept-encoding", "")
        encoder: compression.Encoder = (
            BlockEncoder()
            if request.flag("compress")
            else compression.encoder(accepted, request.flag("enable_http_compression"))
        )
        held = None if request.flag("wait_end_of_query") else BUFFER_BYTES
        reply = Reply(send, encoder, self._version, held)
        reply.headers |= {
            "X-ClickHouse-Server-Display-Name": self._server_name,
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Timezone": self._timezone,
        }
        try:
            await self._run(request, receive, reply)
            await reply.finish()
        except ClickHouseError as error:
            log.info("query %s: code %d %s", reply.headers["X-ClickHouse-Query-Id"], error.code, error.name)
            await reply.fail(error)

    async def _run(self, request: Request, receive: Receive, reply: Reply) -> None:
        user = auth.authenticate(self._config.users, request.headers, request.query)
        body = _body(receive, compression.Decoder(request.headers.get("content-encoding", "")))
        if request.flag("decompress"):
            body = _blocks(body)
        limit = self._config.max_statement_bytes
        request = await with_form(request, body, self._spool, limit)
        try:
            work = await read_work(request, body, self._spool, limit)
            gone = asyncio.ensure_future(_disconnected(receive))
            try:
                await answer(Exchange(request, work, self._pools[user.name], reply, gone))
            finally:
                gone.cancel()
                work.close()
        finally:
            request.form.close()

    def _spool(self) -> Spool:
        return Spool(self._config.scratch)


async def _body(receive: Receive, decoder: compression.Decoder) -> AsyncIterator[bytes]:
    """The decoded body. A client that leaves in the middle ends the request: a partial body is never used."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClickHouseError(210, "NETWORK_ERROR", "The client left before the body was whole.")
        for piece in decoder.decode(message.get("body", b"")):
            if piece:
                yield piece
        if not message.get("more_body", False):
            decoder.finish()
            return


async def _blocks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body of `decompress=1`, its compressed blocks opened."""
    decoder = BlockDecoder()
    async for chunk in body:
        for piece in decoder.decode(chunk):
            yield piece
    decoder.finish()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _text(send: Send, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
    fields = {"Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(text.encode()))} | dict(
        headers or {}
    )
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": text.encode()})
