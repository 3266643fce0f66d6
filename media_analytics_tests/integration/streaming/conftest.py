"""One Kafka, registry and store for the tests of the streaming processes; topics and table are new for each test."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from media_analytics.settings import Settings
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.builders.streams import Raw, Store
from media_analytics_tests.services import embedded as _embedded
from media_analytics_tests.services.embedded import Embedded, wait_until

MODULES = {"enricher": ["streaming.enricher"], "sink": ["streaming.sinks.clickhouse"]}


class Pipeline:
    """Starts enricher and sink as real processes and compares what they leave behind."""

    def __init__(self, embedded: Embedded, folder: Path) -> None:
        self.embedded = embedded
        self.settings: Settings = embedded.settings
        self.raw = Raw(self.settings)
        self.store = Store(self.settings)
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *crash: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a process; with `crash` (effect, count) one that dies at that moment."""
        module = ["media_analytics_tests.builders.crashing", name, *crash] if crash else MODULES[name]
        extra = {f"MEDIA_ANALYTICS_{key}": value for key, value in variables.items()}
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env=os.environ | self.embedded.environment | extra,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def produce_until_it_ends(
        self,
        process: subprocess.Popen[bytes],
        letters: list[streams.Placed] | None = None,
        seconds: float = 90,
    ) -> None:
        """About 400 events a second until the process ends by itself; with `letters` some garbage among them."""
        deadline = time.monotonic() + seconds
        while self._lives(process, 0.1):
            assert time.monotonic() < deadline, "the process did not end at its moment"
            self._send_some()
            if letters is not None:
                self.raw.send_bytes(b"garbage", 5, None, letters)
        self.raw.flush()

    def produce_for(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        """About 400 events a second while the process runs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self._lives(process, 0.1), "the process ended"
            self._send_some()

    def _send_some(self) -> None:
        first = len(self.raw.acknowledged) + 1
        self.raw.send([streams.raw_event(n) for n in range(first, first + 40)])

    def _lives(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Whether a process still runs after this time."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def log(self, name: str) -> Path:
        """What the processes of this name said."""
        return self._folder / f"{name}.log"

    def said(self, name: str) -> str:
        """The end of it."""
        return self.log(name).read_text("utf-8")[-4000:]

    def wanted(self) -> list[tuple[int, int, str]]:
        """Coordinates and ids of every acknowledged record."""
        return sorted((p.partition, p.offset, p.event_id) for p in self.raw.acknowledged)

    def latest(self) -> list[tuple[int, int, str]]:
        """Coordinates and ids in user.latest, every copy."""
        return sorted(
            (r["source_partition"], r["source_offset"], r["event_id"])
            for r in streams.records(self.settings, "user.latest")
        )

    def letters(self, stage: str) -> list[dict[str, object]]:
        """Dead letters of a stage."""
        return [r for r in streams.records(self.settings, "dead_letters") if r["stage"] == stage]

    def wait_latest(self, count: int, seconds: float = 60) -> None:
        """Wait until user.latest and the enricher's letters hold this many records."""
        wait_until(
            lambda: len(self.latest()) + len(self.letters("enricher")) >= count,
            seconds,
            lambda: f"{len(self.latest())} of {count}: {self.said('enricher')}",
        )

    def wait_count(self, topic: str, count: int, seconds: float = 60) -> None:
        """Wait until a topic holds this many records, whatever their schema."""
        wait_until(lambda: len(streams.read_topic(self.settings, topic)) >= count, seconds)

    def set_offset(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Run the fix that an error names, as a person would; Kafka may first have to forget the last member."""

        def is_set() -> bool:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "streaming.runtime.offsets",
                    group,
                    topic,
                    str(partition),
                    str(offset),
                ],
                env=os.environ | self.embedded.environment,
                capture_output=True,
                check=False,
            )
            return done.returncode == 0

        wait_until(is_set, 30, lambda: f"the offset of {group} could not be set")

    def wait_stored(self, count: int, seconds: float = 60) -> None:
        """Wait until the table holds this many rows."""
        wait_until(
            lambda: self.count() >= count, seconds, lambda: f"{self.count()} of {count}: {self.said('sink')}"
        )

    def count(self) -> int:
        """Rows of the table."""
        return int(self.store.rows("SELECT count() AS c FROM realtime.user_events")[0]["c"])

    def stop(self, *processes: subprocess.Popen[bytes]) -> None:
        """SIGTERM; each must end by itself with 0."""
        for process in processes:
            process.terminate()
        for process in processes:
            assert process.wait(20) == 0, self.said("enricher") + self.said("sink")

    def kill_all(self) -> None:
        """End what a test left running."""
        for process in self._processes:
            process.kill()
            process.wait(10)


@pytest.fixture(scope="session")
def streaming_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Own services: these tests delete topics and stop servers."""
    made = _embedded.make(tmp_path_factory.mktemp("streaming") / "home")
    for name in ("kafka", "registry", "clickhouse"):
        made.start(name)
    yield made
    made.stop_all()


@pytest.fixture
def pipeline(streaming_services: Embedded, tmp_path: Path) -> Iterator[Pipeline]:
    for name in ("kafka", "registry", "clickhouse"):
        streaming_services.start(name)
    settings = streaming_services.settings
    streams.delete_topics(settings)
    streams.create_topics(settings)
    streams.create_tables(settings)
    made = Pipeline(streaming_services, tmp_path)
    made.log("enricher").touch()
    made.log("sink").touch()
    yield made
    made.kill_all()


@pytest.fixture
def latest(pipeline: Pipeline) -> Latest:
    return Latest(pipeline.settings)
