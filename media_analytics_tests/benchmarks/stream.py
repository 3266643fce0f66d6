"""P4, the stream by itself: what a waiting record costs, and what the stream costs while little arrives.

A backlog: records of `user.latest` are produced while the stream stands still; figures are of the process and its Java
process until all rows are committed in Delta. A trickle: 500 records a second for a minute, the usual case.
"""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from confluent_kafka import Producer
from deltalake import DeltaTable

from media_analytics.contracts.registry import TABLES
from media_analytics.migrations import lake_tables
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded, wait_until

BACKLOG = 40_000
ROUNDS = 3
TRICKLE_ROWS, TRICKLE_EVERY_SECONDS, TRICKLE_SECONDS = 2_500, 5, 60
TOPIC = "user.latest"
_DIFFERENT = 2_000


class Stream:
    """The stream on a broker and a registry of its own."""

    def __init__(self, home: Embedded) -> None:
        self._home = home
        lake = home.settings.lake
        for contract in TABLES.values():
            if contract.store == "delta":
                lake_tables.create(contract, lake.table_path(contract.layer, contract.name))
        self._table = lake.table_path("bronze", "user_events")
        latest = Latest(home.settings)
        self._values = [latest.value(n) for n in range(_DIFFERENT)]
        self._producer = Producer(
            home.settings.kafka.client_config() | {"linger.ms": 20, "compression.type": "lz4"}
        )
        self._sent = 0
        home.start("stream", 120)
        self._family = _family(home.processes["stream"].pid)

    def backlog(self, rows: int = BACKLOG) -> tuple[float, float]:
        """Seconds and CPU-seconds until `rows` waiting records are committed."""
        for member in self._family:
            member.send_signal(signal.SIGSTOP)
        self._produce(rows)
        began, spent = time.monotonic(), self._cpu_seconds()
        for member in self._family:
            member.send_signal(signal.SIGCONT)
        self._wait()
        return time.monotonic() - began, self._cpu_seconds() - spent

    def trickle(self) -> float:
        """Share of a core that the stream takes at 500 records a second."""
        began, spent = time.monotonic(), self._cpu_seconds()
        while (passed := time.monotonic() - began) < TRICKLE_SECONDS:
            self._produce(TRICKLE_ROWS)
            time.sleep(max(0.0, TRICKLE_EVERY_SECONDS - (time.monotonic() - began - passed)))
        self._wait()
        return (self._cpu_seconds() - spent) / (time.monotonic() - began)

    def _produce(self, rows: int) -> None:
        for number in range(rows):
            self._producer.produce(TOPIC, self._values[number % _DIFFERENT], partition=number % 6)
            if number % 5000 == 0:
                self._producer.flush(30)
        self._producer.flush(30)
        self._sent += rows

    def _wait(self) -> None:
        wait_until(lambda: DeltaTable(self._table).count() >= self._sent, 300)

    def _cpu_seconds(self) -> float:
        return sum(sum(member.cpu_times()[:2]) for member in self._family)


def _family(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """P4-stream."""
    folder.mkdir(parents=True, exist_ok=True)
    home = embedded.make(folder / "home")
    try:
        for name in ("kafka", "registry"):
            home.start(name)
        streams.create_topics(home.settings)
        stream = Stream(home)
        stream.trickle()
        trickle = stream.trickle()
        cold = stream.backlog()
        warm = [stream.backlog() for _ in range(ROUNDS)]
        yield _one("cold", "stream, the first backlog after a start", "rows/s", BACKLOG, [cold[0]])
        yield _one("warm", "stream, a backlog", "rows/s", BACKLOG, [seconds for seconds, _ in warm])
        yield _one("cpu", "stream, a backlog", "rows/CPU-s", BACKLOG, [spent for _, spent in warm])
        yield Benchmark(
            id="P4-stream-trickle",
            what="stream at 500 records a second",
            unit="cores",
            ours=iter([trickle]).__next__,
            rounds=1,
        )
    finally:
        home.stop_all()


def _one(name: str, what: str, unit: str, units: int, seconds: list[float]) -> Benchmark:
    ours: Callable[[], float] = iter(seconds).__next__
    return Benchmark(
        id=f"P4-stream-{name}", what=what, units=units, unit=unit, ours=ours, rounds=len(seconds)
    )


if __name__ == "__main__":
    from media_analytics_tests.benchmarks.harness import run

    with tempfile.TemporaryDirectory(prefix="ma-bench-") as folder:
        run(benchmarks(Path(folder)), Path(".media-analytics") / "bench" / "stream.json")
