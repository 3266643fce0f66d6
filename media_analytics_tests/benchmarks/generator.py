"""A paced load of its own process: `python -m media_analytics_tests.benchmarks.generator URL RATE SECONDS`.

Open loop: each request is due at a moment that does not depend on the answers before it, and its events carry that
moment as `occurred_at`. A late answer thus counts against what it delays. Prints one JSON object: events, answers by
status, and the times of the answers.
"""

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections import Counter
from datetime import UTC, datetime

import uvloop

from media_analytics_tests.benchmarks.collector import BATCH, bodies

CONNECTIONS = 48
# Written in place of each event's own values.
_MOMENT, _ID = "2000-01-01T00:00:00.000000+00:00", "00000000-0000-4000-8000-000000000000"


class Templates:
    """Requests of 10 events whose ids and times are put in when they are sent."""

    def __init__(self) -> None:
        self._parts: list[list[bytes]] = []
        for body in bodies():
            items = [item | {"event_id": _ID, "occurred_at": _MOMENT} for item in json.loads(body)]
            encoded = json.dumps(items).encode()
            head = (
                b"POST /v1/events/user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: " + str(len(encoded)).encode() + b"\r\n\r\n"
            )
            self._parts.append((head + encoded).replace(_MOMENT.encode(), b"\0T").split(b"\0T"))
        self._ids = (str(uuid.UUID(int=(uuid.uuid4().int & ~0xFFFFFFFF) | n)) for n in range(1 << 32))

    def request(self, number: int, moment: float) -> bytes:
        """The bytes of request `number`, whose events happen at `moment` (Unix seconds)."""
        text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").encode()
        whole = text.join(self._parts[number % len(self._parts)])
        for _ in range(BATCH):
            whole = whole.replace(_ID.encode(), next(self._ids).encode(), 1)
        return whole


async def send(port: int, rate: float, seconds: float) -> dict[str, object]:
    """Send for so long; the result is what `main` prints."""
    templates = Templates()
    requests = int(rate * seconds / BATCH)
    statuses: Counter[str] = Counter()
    answered_ms: list[float] = []
    began, origin = time.monotonic() + 0.5, time.time() + 0.5

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, requests, CONNECTIONS):
            due = number * BATCH / rate
            if (early := began + due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            writer.write(templates.request(number, origin + due))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            statuses[head[9:12].decode()] += 1
            answered_ms.append(1000 * (time.monotonic() - began - due))
        writer.close()

    await asyncio.gather(*(client(first) for first in range(CONNECTIONS)))
    parts = statistics.quantiles(answered_ms, n=100)
    return {
        "events": requests * BATCH,
        "first_at": origin,
        "seconds": time.monotonic() - began,
        "statuses": dict(statuses),
        "answer_p50_ms": parts[49],
        "answer_p99_ms": parts[98],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(send(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))
