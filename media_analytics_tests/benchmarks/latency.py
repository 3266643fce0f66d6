"""P3 and P4: from the moment a request was due to its rows in ClickHouse and to its commit in Delta.

The whole core profile is up and warm; the generator and the observer run on the same cores. A row is visible when a
count of the table has reached it: the observer asks every 40 ms, so a figure is up to 40 ms too high, never too low. A
row is committed when the file of its commit stands in the table's log.
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from media_analytics.local.home import Home, open_home
from media_analytics.local.stack import settings_of
from media_analytics.local.supervision import programs
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.benchmarks.path import Platform
from media_analytics_tests.services.embedded import wait_until

RATE = 5_000
SECONDS = 45.0
# The first part of a run warms up connections, caches and compiled code; its events are not counted.
WARM_SECONDS = 10.0
ROUNDS = 3
HELD_P99_SECONDS = 3.0
STEP = 1_000
OBSERVED_EVERY_SECONDS = 0.04
STORED_WITHIN_SECONDS = 900
_REALTIME = "realtime.user_events"
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One load: latencies in seconds, cores by process (CPU-seconds a second of load), the generator's own report."""

    visible: Numbers
    committed: Numbers
    cores: Mapping[str, float]
    generator: Mapping[str, float] = field(default_factory=dict)

    def percentile(self, which: str, percent: float) -> float:
        """Seconds within which so many percent of the rows were there."""
        return float(np.percentile(getattr(self, which), percent))


class Observer:
    """Counts the rows of the realtime table all the time."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._stop = threading.Event()
        # Unix seconds after the answer, rows.
        self.seen: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def count(self) -> int:
        """Rows now."""
        return int(self._clickhouse.rows(f"SELECT count() FROM {_REALTIME}")[0][0])

    def end(self) -> None:
        """Stop counting."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(OBSERVED_EVERY_SECONDS):
            rows = self.count()
            self.seen.append((time.time(), rows))


def cpu_seconds_of_services(home: Home) -> dict[str, float]:
    """CPU time of each service so far, with that of its children, ended ones included."""
    found = {}
    for name, program in (programs(home) or {}).items():
        family = [psutil.Process(program.pid), *psutil.Process(program.pid).children(recursive=True)]
        found[name] = sum(sum(member.cpu_times()[:4]) for member in family)
    return found


class Latency:
    """Loads against one running stack."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._settings = settings_of(home)
        self._clickhouse = ClickHouse(self._settings)
        self._log = Path(self._settings.lake.table_path("bronze", "user_events")) / "_delta_log"

    def run(self, rate: float, seconds: float) -> Run:
        """One load, measured until its last row is in both stores.

        Raises:
            RuntimeError: the collector did not answer 200 to everything.
        """
        first_commit = self._newest_commit() + 1
        observer = Observer(self._clickhouse)
        before, rows_before = cpu_seconds_of_services(self._home), observer.count()
        own, children = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            said = json.loads(self._generate(rate, seconds))
            cores = {
                name: (spent - before[name]) / said["seconds"]
                for name, spent in cpu_seconds_of_services(self._home).items()
                if name in before
            }
            cores["observer"] = (time.process_time() - own) / said["seconds"]
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = ended.ru_utime + ended.ru_stime - children.ru_utime - children.ru_stime
            cores["generator"] = spent / said["seconds"]
            wanted = rows_before + int(said["events"])
            wait_until(lambda: observer.count() >= wanted, STORED_WITHIN_SECONDS)
            wait_until(lambda: len(self._committed(first_commit)[0]) >= said["events"], STORED_WITHIN_SECONDS)
            time.sleep(3 * OBSERVED_EVERY_SECONDS)
        finally:
            observer.end()
        if set(said["statuses"]) != {"200"}:
            raise RuntimeError(f"the collector answered {said['statuses']}")
        since = said["first_at"] + min(WARM_SECONDS, seconds / 3)
        moments, seen = self._visible(observer.seen, rows_before, said["first_at"])
        sent, committed = self._committed(first_commit)
        return Run((seen - moments)[moments >= since], (committed - sent)[sent >= since], cores, said)

    def _generate(self, rate: float, seconds: float) -> str:
        port = str(self._home.ports["collector"])
        command = ("-m", "media_analytics_tests.benchmarks.generator", port, str(rate), str(seconds))
        running = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
        printed, _ = running.communicate(timeout=seconds + 120)
        if running.returncode:
            raise RuntimeError(f"the generator ended with {running.returncode}")
        return printed

    def _visible(
        self, seen: list[tuple[float, int]], rows_before: int, first_at: float
    ) -> tuple[Numbers, Numbers]:
        """When each row was due and when it was seen. Rows of an insert share `inserted_at` and appear together."""
        found = self._clickhouse.arrow(
            "SELECT toUnixTimestamp64Micro(occurred_at) AS due, toUnixTimestamp64Micro(inserted_at) AS inserted "
            f"FROM {_REALTIME} WHERE inserted_at >= fromUnixTimestamp64Micro({int(first_at * 1e6)}) ORDER BY inserted"
        )
        due = found["due"].to_numpy() / 1e6
        inserted = found["inserted"].to_numpy()
        # For each row, how many rows there are when its insert is there.
        reached = rows_before + np.searchsorted(inserted, inserted, side="right")
        times, counts = (np.array(column) for column in zip(*seen, strict=True))
        return due, times[np.searchsorted(counts, reached, side="left")]

    def _committed(self, first_commit: int) -> tuple[Numbers, Numbers]:
        """When each row of the commits since `first_commit` was due and when its commit stood in the log."""
        due: list[Numbers] = []
        committed: list[Numbers] = []
        for version in range(first_commit, self._newest_commit() + 1):
            file = self._log / f"{version:020d}.json"
            for line in file.read_text("utf-8").splitlines():
                added = json.loads(line).get("add")
                if added and added["dataChange"]:
                    rows = pq.read_table(self._log.parent / unquote(added["path"]), columns=["occurred_at"])
                    moments = (
                        rows["occurred_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() / 1e6
                    )
                    due.append(moments)
                    committed.append(np.full(len(moments), file.stat().st_mtime))
        return (np.concatenate(due), np.concatenate(committed)) if due else (np.empty(0), np.empty(0))

    def _newest_commit(self) -> int:
        return max(int(file.stem) for file in self._log.glob("[0-9]*.json") if file.stem.isdigit())


def benchmarks(platform: Platform) -> Iterator[Benchmark]:
    """P3 and P4; the platform is up."""
    latency = Latency(open_home(platform.folder / "home"))
    latency.run(RATE, 2 * WARM_SECONDS)
    runs = [latency.run(RATE, SECONDS) for _ in range(ROUNDS)]
    for id_, what, which, percent, limit in (
        ("P3-visible-p50", "POST to visible row, p50", "visible", 50, 0.4),
        ("P3-visible-p99", "POST to visible row, p99", "visible", 99, 1.0),
        ("P4-committed-p95", "POST to committed in Delta, p95", "committed", 95, 15.0),
    ):
        yield Benchmark(
            id=id_,
            what=f"{what}, {RATE:,} events/s in batches of 10",
            ours=iter([run.percentile(which, percent) for run in runs]).__next__,
            rounds=ROUNDS,
            limit_value=limit,
            limit_name="stated limit",
        )
    for name in runs[0].cores:
        yield Benchmark(
            id=f"P3-cores-{name}",
            what=f"cores of {name} at {RATE:,} events/s",
            unit="cores",
            ours=iter([run.cores[name] for run in runs]).__next__,
            rounds=ROUNDS,
        )
    yield Benchmark(
        id="P3-highest-rate",
        what=f"highest rate that holds p99 at {HELD_P99_SECONDS:g} s",
        unit="events/s",
        ours=partial(float, highest_rate(latency)),
        rounds=1,
    )


def highest_rate(latency: Latency) -> float:
    """The last rate, in steps, whose rows were visible within 3 s in 99 of 100 cases."""
    rate = RATE
    while latency.run(rate + STEP, SECONDS).percentile("visible", 99) <= HELD_P99_SECONDS:
        rate += STEP
    return rate


if __name__ == "__main__":
    from media_analytics_tests.benchmarks.harness import run
    from media_analytics_tests.benchmarks.path import callers_environment

    with tempfile.TemporaryDirectory(prefix="ma-bench-") as folder:
        platform = Platform(Path(folder), callers_environment())
        try:
            platform.command("up", "--ports", "free")
            run(benchmarks(platform), Path(".media-analytics") / "bench" / "latency.json")
        finally:
            platform.command("down")
