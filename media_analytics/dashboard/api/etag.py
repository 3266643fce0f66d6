"""Answers that did not change are not sent again.

Belongs here: one ASGI layer that names every answer to GET by its content and honours `If-None-Match`. Does not belong
here: how long an answer is kept on this side (`reading/kept.py`).
"""

import hashlib
from collections.abc import MutableMapping
from typing import Any

from media_analytics.page_guard import App, Receive, Scope, Send

Message = MutableMapping[str, Any]


class Etag:
    """Holds an answer back until it is whole: answers are lists of bounded length."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        wanted = [
            name.strip().removeprefix("W/")
            for key, value in scope["headers"]
            if key.lower() == b"if-none-match"
            for name in value.decode("latin-1").split(",")
        ]
        start: Message = {}
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                await _answer(send, start, bytes(body), wanted)

        await self._app(scope, receive, hold)


async def _answer(send: Send, start: Message, body: bytes, wanted: list[str]) -> None:
    headers = list(start["headers"])
    if start["status"] == 200:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers += [(b"etag", etag.encode()), (b"cache-control", b"private, no-cache")]
        if etag in wanted or "*" in wanted:
            start["status"], body = 304, b""
            headers = [(k, v) for k, v in headers if k not in (b"content-length", b"content-type")]
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})
