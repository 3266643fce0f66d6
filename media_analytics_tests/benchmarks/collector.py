"""P1: events a CPU-second of a collector process, batches of 10, answered after acks=all.

Ours, the peer (`collector_peer.py`) and the limit (`collector_limit.py`) run against one broker and one registry and
take the same requests in turn; CPU time is that of their process alone, user and system.
"""

import asyncio
import json
import random
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvloop

from media_analytics_tests.benchmarks.harness import Benchmark, cpu_seconds, home_with, run_alone
from media_analytics_tests.integration.collector import process
from media_analytics_tests.services.embedded import Embedded, wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.instants import microseconds

BATCH = 10
REQUESTS = 3_000
WARM_REQUESTS = 300
CONNECTIONS = 48
_BODIES = 300
_PACKAGE = "media_analytics_tests.benchmarks"


def bodies() -> list[bytes]:
    """Request bodies as a tracker or an application server sends them; 4 of 10 readers are known by address only."""
    chance = random.Random(1)
    now = datetime.now(UTC)
    agent = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/140.0.0.0 Safari/537.36"
    )

    def event() -> dict[str, Any]:
        number = chance.randrange(10**6)
        found: dict[str, Any] = {
            "event_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "event_type": chance.choice(["page_view", "page_view", "page_ping", "click"]),
            "brand": chance.choice(["bild", "welt"]),
            "occurred_at": (now - timedelta(seconds=chance.random() * 60)).isoformat(),
            "page_url": f"https://www.bild.de/politik/ausland/artikel-{number}.html?utm_source=newsletter",
            "title": f"Überschrift des Artikels Nummer {number}",
            "content_id": f"article-{number}",
            "section": "politics",
            "referrer": "https://www.google.com/",
            "user_agent": agent,
            "ip": f"198.51.100.{number % 250}",
            "consent": ["analytics", "advertising"],
            "properties": {"theme": "dark", "layout": "wide"},
        }
        if chance.random() < 0.6:
            found["anonymous_id"] = f"{number:016x}"
        if found["event_type"] == "page_ping":
            found |= {"engaged_seconds": 9.5, "scroll_pct": 40.0}
        return found

    return [json.dumps([event() for _ in range(BATCH)]).encode() for _ in range(_BODIES)]


async def _load(port: int, sent: list[bytes], requests: int) -> None:
    """Send requests over kept connections, one in flight on each; every answer has to be a 200."""
    left = iter(range(requests))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in left:
            writer.write(sent[number % len(sent)])
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"answered {head[:200]!r}")
            length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def load(port: int, requests: int) -> None:
    """Send `requests` requests of 10 events and wait for all answers."""
    sent = [
        b"POST /v1/events/user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: " + str(len(b)).encode() + b"\r\n\r\n" + b
        for b in bodies()
    ]
    uvloop.run(_load(port, sent, requests))


class Apps:
    """The three processes on one broker."""

    def __init__(self, home: Embedded, folder: Path) -> None:
        self._home = home
        self._log = folder / "log"
        self.ours = process.Collector(home, folder / "ours.log").start()
        assert self.ours.process is not None
        self._running = {"ours": self.ours.process}
        self._ports = {"ours": int(self.ours.url.rpartition(":")[2])}
        self._start("peer", "collector_peer")
        self._start("limit", "collector_limit")

    def cpu_seconds(self, name: str) -> float:
        """CPU time that the process takes for `REQUESTS` requests, warm."""
        port = self._ports[name]
        load(port, WARM_REQUESTS)
        # A process of its own: the load must not share an interpreter with what counts its time.
        command = [sys.executable, "-m", f"{_PACKAGE}.collector", str(port), str(REQUESTS)]
        return cpu_seconds(self._running[name].pid, lambda: subprocess.run(command, check=True, timeout=300))

    def stop(self) -> None:
        """End all three."""
        for running in self._running.values():
            running.terminate()
        for running in self._running.values():
            running.wait(30)

    def _start(self, name: str, module: str, *arguments: str) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = self._ports[name] = found.getsockname()[1]
        with self._log.open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", f"{_PACKAGE}.{module}", str(port), *arguments],
                env=self._home.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

        def ready() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/ready", trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        wait_until(ready, 60, lambda: f"{name} is not ready: {self._log.read_text()[-2000:]}")


def records() -> list[list[tuple[bytes, bytes]]]:
    """Key and message of every event of every body, as long as ours are."""
    codec = Codec.from_file("user.raw")
    fields = {f["name"]: None for f in codec.schema["fields"]}
    ours = {"received_at": 1_795_251_540_000_000, "origin": "live", "is_truncated": False}
    found = []
    for body in bodies():
        batch = []
        for item in json.loads(body):
            visitor = f"a:{item['anonymous_id']}" if "anonymous_id" in item else "h:" + item["event_id"][:32]
            moment = microseconds(datetime.fromisoformat(item["occurred_at"]))
            record = fields | item | ours | {"visitor_id": visitor, "occurred_at": moment}
            batch.append((visitor.encode(), header(1) + codec.encode(record)))
        found.append(batch)
    return found


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """P1."""
    with home_with(folder, "kafka", "registry") as home:
        process.prepare(home)
        apps = Apps(home, folder)
        try:
            yield Benchmark(
                id="P1-collector",
                what="collector, batches of 10, answer after acks=all",
                units=REQUESTS * BATCH,
                unit="events/CPU-s",
                ours=partial(apps.cpu_seconds, "ours"),
                peer=partial(apps.cpu_seconds, "peer"),
                peer_name="FastAPI, pydantic, AvroSerializer",
                limit=partial(apps.cpu_seconds, "limit"),
                limit_name="bare ASGI and producer",
            )
        finally:
            apps.stop()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        load(int(sys.argv[1]), int(sys.argv[2]))
    else:
        run_alone(benchmarks, "collector")
