"""The warehouse: loading, marts, and marts of the last day while events come: `make bench ONLY=warehouse`.

Two homes of their own get generated traffic with as many events a day, the one ten times as many days; the copies that
it fills are written to their lakes, from where the platform loads them again. Both gateways run, measured in turn.
`python -m media_analytics_tests.benchmarks.warehouse DAYS EVENTS SECONDS` measures other sizes.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from media_analytics.commands.generate import build_marts, fill
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.clickhouse import create_table_sql
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TABLES, table
from media_analytics.migrations import lake_tables
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.dbt import Dbt
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.warehouse.loading import load
from media_analytics.warehouse.statements import lake_source, original
from media_analytics_tests.benchmarks.harness import Benchmark, home_with, run
from media_analytics_tests.benchmarks.queries import REALTIME_MARTS, percentile
from media_analytics_tests.builders import streams
from media_analytics_tests.services.embedded import Embedded, wait_until
from media_analytics_tests.services.month import traffic_options

COPIES = tuple(c for c in TABLES.values() if c.copy_of is not None)
SESSIONS = table("warehouse.sessions")
TIMES_LONGER = 10
MOST_TIMES_AS_LONG = 1.2
LIMIT_SECONDS = 1.0
LIVE_PATH = ("collector", "enricher", "sink")
VISIBLE_WITHIN_SECONDS = 120.0


@dataclass(frozen=True)
class Plan:
    """Days of the long history (the short one has a tenth), its events, and the load on the live path."""

    days: int = 30
    events: int = 10_000_000
    events_per_second: float = 1_000.0
    seconds: float = 60.0


@dataclass
class History:
    """A home whose lake and warehouse hold traffic, with its marts."""

    home: Embedded
    days: Sequence[str]
    clickhouse: ClickHouse = field(init=False)

    def __post_init__(self) -> None:
        """Open what all measurements use."""
        self.clickhouse = ClickHouse(self.home.settings)

    def load(self, copy: TableContract, days: Sequence[str]) -> float:
        """Seconds in which the platform loads dates of a copy: stage, audit, compare, publish.

        Raises:
            RuntimeError: the copy is not the original.
        """
        began = time.perf_counter()
        loaded = load(self.home.settings, self.clickhouse, DeltaLog(self.home.settings), copy, days)
        seconds = time.perf_counter() - began
        if loaded.differences or loaded.failed:
            raise RuntimeError(f"{copy.full_name}: {loaded.differences or loaded.failed}")
        return seconds

    def insert_by_hand(self, copy: TableContract, days: Sequence[str]) -> float:
        """Seconds of one statement that inserts the same rows into an empty table, and looks at nothing."""
        by_hand = f"warehouse.{copy.name}_by_hand"
        self.clickhouse.run(f"DROP TABLE IF EXISTS {by_hand} SYNC")
        self.clickhouse.run(create_table_sql(copy).replace(f"`warehouse`.`{copy.name}`", by_hand))
        names = ", ".join(copy.column_names)
        wanted = ", ".join(f"toDate32('{day}')" for day in days)
        began = time.perf_counter()
        self.clickhouse.run(
            f"INSERT INTO {by_hand} ({names}) SELECT {names} FROM {lake_source(self.home.settings, copy)} "
            f"WHERE {copy.partition_column} IN ({wanted})"
        )
        seconds = time.perf_counter() - began
        (inserted,), (copied,) = (
            self.clickhouse.rows(f"SELECT count() FROM {name} WHERE {copy.partition_column} IN ({wanted})")[0]
            for name in (by_hand, copy.full_name)
        )
        self.clickhouse.run(f"DROP TABLE {by_hand} SYNC")
        if inserted != copied:
            raise RuntimeError(f"{inserted} rows by hand, {copied} in {copy.full_name}")
        return seconds

    def load_newest(self) -> float:
        """Seconds in which the newest date of every copy with dates is loaded."""
        return sum(self.load(copy, self.days[-1:]) for copy in COPIES if copy.partition_column is not None)

    def build_newest(self) -> float:
        """Seconds of one invocation of dbt for the newest date, tests included, as a run makes it."""
        dates = json.dumps({"first_date": self.days[-1], "last_date": self.days[-1]})
        chosen = ("--exclude-resource-type", "unit_test", "--select", "config.meta.partitions:daily")
        began = time.perf_counter()
        with Dbt(self.home.settings).invocation(["build", *chosen, "--vars", dates], "bench") as invocation:
            invocation.wait()
            if not invocation.is_successful():
                raise RuntimeError(f"dbt failed: {invocation.get_error()}")
        return time.perf_counter() - began


@contextmanager
def history(folder: Path, days: int, events: int) -> Iterator[History]:
    """A home with traffic of `days` whole dates in its lake; marts are not made."""
    with home_with(folder, "kafka", "registry", "clickhouse") as home:
        settings = home.settings
        streams.create_topics(settings)
        streams.create_tables(settings)
        fill(settings, traffic_options(settings, days, events, datetime.now(UTC).replace(microsecond=0)))
        clickhouse = ClickHouse(settings)
        for copy in COPIES:
            source = original(copy)
            path = settings.lake.table_path(source.layer, source.name)
            lake_tables.create(source, path)
            rows = pa.table(clickhouse.arrow(f"SELECT * FROM {copy.full_name}")).cast(arrow_schema(copy))
            write_deltalake(path, rows, mode="append")
        found = clickhouse.rows(
            f"SELECT DISTINCT toString(date) AS day FROM {SESSIONS.full_name} ORDER BY day"
        )
        # The date that is not over has part of the events.
        today = datetime.now(UTC).date().isoformat()
        yield History(home, [str(day) for (day,) in found if str(day) < today][-days:])


@dataclass
class Growth:
    """The same work over the long and the short history, in turn."""

    long: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)

    def timed(self, kept: list[float], *works: Callable[[], float]) -> Callable[[], float]:
        """Do the works, one after the other; keep and return their seconds."""

        def timed() -> float:
            kept.append(sum(work() for work in works))
            return kept[-1]

        return timed

    def check(self) -> None:
        """Compare the medians.

        Raises:
            RuntimeError: the long history costs more than it may.
        """
        times = statistics.median(self.long) / statistics.median(self.short)
        print(f"one more date on {TIMES_LONGER} times the history takes {times:.2f} times as long")
        if times > MOST_TIMES_AS_LONG:
            raise RuntimeError(f"one more date takes {times:.2f} times as long; limit {MOST_TIMES_AS_LONG}")


def benchmarks(folder: Path, plan: Plan) -> Iterator[Benchmark]:
    """Loading, marts, growth, then the live marts under load."""
    tenth = (plan.days // TIMES_LONGER, plan.events // TIMES_LONGER)
    with history(folder / "long", plan.days, plan.events) as long, history(folder / "short", *tenth) as short:
        yield from _loads(long)
        for one in (long, short):
            build_marts(one.home.settings)
        yield Benchmark(
            "marts-month",
            f"all marts of {plan.days} days and their tests",
            lambda: _seconds(lambda: build_marts(long.home.settings)),
            rounds=3,
        )
        yield from _growth(long, short)
        yield from _live(long, plan)


def _loads(long: History) -> Iterator[Benchmark]:
    for days, said in ((long.days, f"{len(long.days)} dates"), (long.days[-1:], "one date")):
        wanted = ", ".join(f"toDate32('{day}')" for day in days)
        sql = f"SELECT count() FROM {SESSIONS.full_name} WHERE date IN ({wanted})"
        yield Benchmark(
            f"load-{said.replace(' ', '-')}",
            f"sessions of {said}: staged, audited, compared, published",
            partial(long.load, SESSIONS, days),
            units=int(long.clickhouse.rows(sql)[0][0]),
            unit="rows/s",
            peer=partial(long.insert_by_hand, SESSIONS, days),
            peer_name="INSERT .. SELECT by hand",
        )


def _growth(long: History, short: History) -> Iterator[Benchmark]:
    growth = Growth()
    yield Benchmark(
        "one-more-date",
        f"one more date of every copy loaded and its marts built, {len(long.days)} dates",
        growth.timed(growth.long, long.load_newest, long.build_newest),
        limit=growth.timed(growth.short, short.load_newest, short.build_newest),
        limit_name=f"the same on {len(short.days)}",
    )
    growth.check()
    yield Benchmark(
        "one-more-date-loaded",
        f"of this, loading, {len(long.days)} dates",
        long.load_newest,
        limit=short.load_newest,
        limit_name=f"the same on {len(short.days)}",
    )


def _live(long: History, plan: Plan) -> Iterator[Benchmark]:
    """Each mart of the last day, read as the reader in turn while the live path takes events.

    Raises:
        RuntimeError: the live path did not take them.
    """
    for name in LIVE_PATH:
        long.home.start(name)
    count = "SELECT count() FROM realtime.user_events"
    before = int(long.clickhouse.rows(count)[0][0])
    seconds: dict[str, list[float]] = {name: [] for name in REALTIME_MARTS}
    reader = ClickHouse(long.home.settings, as_reader=True)
    with _load(long.home, plan) as (sending, said):
        while sending.is_alive():
            for name, found in seconds.items():
                found.append(
                    _seconds(lambda name=name: reader.rows(f"SELECT * FROM warehouse.realtime_{name}"))
                )
    if set(said.get("statuses", {})) != {"200"}:
        raise RuntimeError(f"the collector answered {said}")
    wanted = before + int(said["events"])
    wait_until(lambda: int(long.clickhouse.rows(count)[0][0]) >= wanted, VISIBLE_WITHIN_SECONDS)
    for name, found in seconds.items():
        yield Benchmark(
            f"live-mart-{name}",
            f"mart realtime_{name}: p95 of {len(found)} while {plan.events_per_second:,.0f} events/s come",
            partial(float, percentile(found, 95)),
            rounds=1,
            limit_value=LIMIT_SECONDS,
            limit_name="stated limit",
        )


@contextmanager
def _load(home: Embedded, plan: Plan) -> Iterator[tuple[threading.Thread, dict[str, object]]]:
    """Events to the collector from a process of its own; afterwards the dictionary has its report."""
    said: dict[str, object] = {}
    port, rate, seconds = home.home.ports["collector"], plan.events_per_second, plan.seconds
    command = ("-m", "media_analytics_tests.benchmarks.generator", str(port), str(rate), str(seconds))

    def send() -> None:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        said.update(json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr[-2000:]})

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield sending, said
    finally:
        sending.join()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    days, events, seconds = (int(argument) for argument in sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="ma-bench-") as name:
        plan = Plan(days, events, seconds=seconds)
        run(benchmarks(Path(name), plan), Path(".media-analytics") / "bench" / "warehouse.json")
