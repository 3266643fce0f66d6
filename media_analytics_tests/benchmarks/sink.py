"""P2: rows a CPU-second of the sink process, from Kafka into ClickHouse, consumption included.

Ours, the peer and the limit (`sink_readers.py`) read the same records of `user.latest` in turn and insert them through
the same gateway into tables of the same structure. CPU time is that of their process alone, user and system. The
records wait in Kafka before each is measured.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from confluent_kafka import Producer

from media_analytics.resources.kafka import KafkaLog
from media_analytics_tests.benchmarks.harness import Benchmark, cpu_seconds, home_with, run_alone
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.builders.streams import Store
from media_analytics_tests.services.embedded import Embedded, wait_until

ROWS = 120_000
WARM_ROWS = 10_000
TOPIC = "user.latest"
_TABLE = "realtime.user_events"
_DIFFERENT = 2_000


class Sinks:
    """Our sink and the two readers on one broker, registry and gateway."""

    def __init__(self, home: Embedded, folder: Path) -> None:
        self._home, self._log = home, folder / "sinks.log"
        self._settings = home.settings
        self._store = Store(self._settings)
        self._kafka = KafkaLog(self._settings)
        latest = Latest(self._settings)
        self._values = [latest.value(n) for n in range(_DIFFERENT)]
        self._producer = Producer(
            self._settings.kafka.client_config() | {"linger.ms": 20, "compression.type": "lz4"}
        )
        self._running: list[subprocess.Popen[str]] = []
        self._readers: dict[str, subprocess.Popen[str]] = {}
        self._ranges: dict[int, tuple[int, int]] = {}

    def start(self) -> None:
        """Start all three and run each once."""
        self._ours = self._start("streaming.sinks.clickhouse")
        self._readers = {name: self._reader(name) for name in ("peer", "limit")}
        wait_until(self._is_assigned, 60)
        self.cpu_seconds_of_ours(WARM_ROWS)
        for name in self._readers:
            self.cpu_seconds(name)

    def cpu_seconds_of_ours(self, rows: int = ROWS) -> float:
        """CPU time of our sink for `rows` new records. They are produced while it stands still."""
        before, stored = self._kafka.end_offsets(TOPIC), self._rows()
        self._ours.send_signal(signal.SIGSTOP)
        for number in range(rows):
            self._producer.produce(TOPIC, self._values[number % _DIFFERENT], partition=number % 6)
            if number % 5000 == 0:
                self._producer.flush(30)
        self._producer.flush(30)
        end = self._kafka.end_offsets(TOPIC)
        self._ranges = {p: (before[p], end[p]) for p in end}

        def store() -> None:
            self._ours.send_signal(signal.SIGCONT)
            wait_until(lambda: self._rows() >= stored + rows, 120)

        return cpu_seconds(self._ours.pid, store)

    def cpu_seconds(self, name: str) -> float:
        """CPU time of a reader for the records that our sink has just stored."""
        running = self._readers[name]
        if running.stdin is None or running.stdout is None:
            raise RuntimeError(f"{name} has no pipes")
        stored = self._rows(f"{_TABLE}_{name}")
        running.stdin.write(json.dumps(self._ranges) + "\n")
        running.stdin.flush()
        answer = running.stdout.readline()
        wanted = sum(end - first for first, end in self._ranges.values())
        if not answer or self._rows(f"{_TABLE}_{name}") != stored + wanted:
            raise RuntimeError(f"{name} did not store everything: {self._log.read_text('utf-8')[-2000:]}")
        return float(answer)

    def stop(self) -> None:
        """End all three."""
        for running in self._running:
            running.kill()
            running.wait(30)

    def _rows(self, name: str = _TABLE) -> int:
        return int(self._store.rows(f"SELECT count() AS c FROM {name}")[0]["c"])

    def _is_assigned(self) -> bool:
        file = self._settings.health_file("sink")
        return file.is_file() and json.loads(file.read_text("utf-8"))["state"] == "ready"

    def _reader(self, name: str) -> subprocess.Popen[str]:
        self._store.command(f"CREATE TABLE {_TABLE}_{name} AS {_TABLE}")
        running = self._start("media_analytics_tests.benchmarks.sink_readers", name, f"{_TABLE}_{name}")
        if running.stdout is None or running.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{name} did not start: {self._log.read_text('utf-8')[-2000:]}")
        return running

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        with self._log.open("ab") as log:
            running = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=os.environ | self._home.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._running.append(running)
        return running


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """P2."""
    with home_with(folder, "kafka", "registry", "clickhouse") as home:
        streams.create_topics(home.settings)
        streams.create_tables(home.settings)
        sinks = Sinks(home, folder)
        try:
            sinks.start()
            yield Benchmark(
                id="P2-sink",
                what="sink, user.latest into ClickHouse",
                units=ROWS,
                unit="rows/CPU-s",
                ours=sinks.cpu_seconds_of_ours,
                peer=partial(sinks.cpu_seconds, "peer"),
                peer_name="AvroDeserializer, insert of rows",
                limit=partial(sinks.cpu_seconds, "limit"),
                limit_name="values as they come",
            )
        finally:
            sinks.stop()


if __name__ == "__main__":
    run_alone(benchmarks, "sink")
