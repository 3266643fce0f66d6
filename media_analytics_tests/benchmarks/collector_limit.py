"""The limit of the collector: a bare ASGI function that produces records it finds ready and awaits their acks.

It reads the body and throws it away, produces the records that such bodies become with the collector's own writer, and
answers as many bytes: what is left is HTTP and Kafka's client. Started as `python -m ...collector_limit PORT`.
"""

import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import cycle
from typing import Any

import uvicorn

from media_analytics.settings import load_settings
from media_analytics_tests.benchmarks.collector import BATCH, records
from streaming.codecs.avro import Codec
from streaming.collector.writer import KafkaWriter

TOPIC = "user.raw"
_ANSWER_BYTES_PER_RECORD = 110
Message = MutableMapping[str, Any]


def create(
    environ: dict[str, str],
) -> Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]:
    """The application."""
    writer = KafkaWriter(load_settings(environ), {TOPIC: Codec.from_file(TOPIC)}, "limit")
    batches = cycle([[(TOPIC, key, message) for key, message in batch] for batch in records()])
    answer = b" " * (_ANSWER_BYTES_PER_RECORD * BATCH)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "lifespan":
            await receive()
            writer.start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            writer.stop(10)
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        status = 200
        if scope["method"] == "POST":
            await writer.write(next(batches))
        elif writer.problem:
            status = 503
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    uvicorn.run(
        create(dict(os.environ)),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
