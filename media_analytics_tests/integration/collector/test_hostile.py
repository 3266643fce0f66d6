"""Hostile requests: every one is answered, none with a 5xx, the process lives and does not grow."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from media_analytics_tests.builders import hostile
from media_analytics_tests.builders.hostile import HostileRequest
from media_analytics_tests.integration.collector.process import Collector
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration
CONNECTIONS = 16
WARM = 3_000
MOST_GROWTH_KIB = 20 * 1024


async def _send(port: int, sent: Iterator[HostileRequest]) -> Counter[int]:
    """Statuses of all requests, over kept connections; a request without an answer fails the test."""
    statuses: Counter[int] = Counter()

    async def client() -> None:
        connection = None
        for request in sent:
            connection = connection or await asyncio.open_connection("127.0.0.1", port)
            reader, writer = connection
            writer.write(request.wire)
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).lower()
            while head.startswith(b"http/1.1 100"):
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).lower()
            statuses[int(head.split(b" ", 2)[1])] += 1
            _, found, length = head.partition(b"content-length:")
            if found and not request.is_head:
                await reader.readexactly(int(length.split(b"\r\n", 1)[0]))
            if b"connection: close" in head or not found:
                writer.close()
                connection = None
        if connection:
            connection[1].close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return statuses


def _attack(home: Embedded, log: Path, seed: int, count: int) -> None:
    collector = Collector(home, log).start()
    try:
        port = int(collector.url.rpartition(":")[2])
        warm = asyncio.run(_send(port, hostile.requests(seed, WARM)))
        before = collector.rss_kib()
        statuses = asyncio.run(_send(port, hostile.requests(seed + 1, count)))
        grown = collector.rss_kib() - before
        assert sum(statuses.values()) == count
        assert [s for s in warm + statuses if s >= 500] == []
        # The generator is not of one kind only: some are good, most are refused, each in its own way.
        assert min(statuses[s] for s in (200, 400, 422)) > count / 100
        assert grown < MOST_GROWTH_KIB, f"{grown} KiB"
        assert "Traceback" not in collector.log_tail()
        assert httpx.get(f"{collector.url}/ready", trust_env=False).status_code == 200
    finally:
        assert collector.stop() == 0


def test_three_thousand_hostile_requests(home: Embedded, tmp_path: Path) -> None:
    _attack(home, tmp_path / "log", seed=11, count=3_000)


@pytest.mark.slow
def test_a_hundred_thousand_hostile_requests(home: Embedded, tmp_path: Path) -> None:
    _attack(home, tmp_path / "log", seed=1_000, count=100_000)
