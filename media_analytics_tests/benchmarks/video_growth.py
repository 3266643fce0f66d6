"""P6 and P7: one more day on a long history, and what Dagster adds to a run of the video files.

Day after day is loaded into a lake that began with 8 days and one that began with 80; catalogues and the days are the
same in both. Copies of a delivery lie up to 7 days apart, so a day reaches back to the 7 before it in both.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from media_analytics.contracts.tables.video_raw import DATASETS, FACTS
from media_analytics.generators.video.generate import generate
from media_analytics.generators.video.options import Layout, Options
from media_analytics.resources.spark import connect
from media_analytics.settings import Settings
from media_analytics.video_files.loading import Loader
from media_analytics.video_files.marts import MARTS
from media_analytics.video_files.tables import Scope, publish_mart, publish_silver
from media_analytics_tests.benchmarks.harness import MIN_ROUNDS, Benchmark
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services.embedded import Embedded

LONG_DAYS, SHORT_DAYS = 80, 8
# A day for each round.
MORE_DAYS = MIN_ROUNDS
ROWS = Options(
    days=LONG_DAYS + MORE_DAYS,
    rows=20_000 * (LONG_DAYS + MORE_DAYS),
    metrics=4_000 * (LONG_DAYS + MORE_DAYS),
    assets=5_000,
    seed=6,
    layout=Layout.DATED,
)
STEPS = 1 + len(DATASETS) + len(MARTS)
# Seconds a step.
LIMIT_OF_DAGSTER = 0.5


class History:
    """A lake with some days in it, and the files of days to come."""

    def __init__(self, home: Embedded, folder: Path, source: Path, days: int) -> None:
        self._home, self._folder, self._source = home, folder, source
        self._landing = folder / "files"
        dates = sorted({path.parent.name for path in source.rglob("*.parquet")})
        self._coming = iter(dates[-MORE_DAYS:])
        kept = set(dates[-MORE_DAYS - days : -MORE_DAYS])
        self._deliver(lambda dataset, day: day in kept or dataset not in FACTS)
        self._load(create=True)

    def one_more_day(self) -> float:
        """Seconds of the run that loads the next day and brings the marts up to date."""
        coming = next(self._coming)
        self._deliver(lambda dataset, day: day == coming and dataset in FACTS)
        return self._load()

    def overhead(self) -> float:
        """Seconds a step by which a run that finds nothing to do is longer than the same work without Dagster."""
        return (self._load() - self._without_dagster()) / STEPS

    def _deliver(self, is_wanted: Callable[[str, str], bool]) -> None:
        for path in sorted(self._source.rglob("*.parquet")):
            if is_wanted(path.parts[-3], path.parent.name):
                place = self._landing / path.relative_to(self._source)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)

    def _settings(self) -> Settings:
        return self._home.settings_with(LAKE__URL=str(self._folder / "lake"))

    def _load(self, *, create: bool = False) -> float:
        settings = self._settings()
        session = connect(settings)
        folder = self._folder / "dagster"
        folder.mkdir(exist_ok=True)
        with dg.DagsterInstance.local_temp(str(folder)) as instance:
            world = World(settings, session, instance)
            if create:
                world.create_tables()
            record = instance.get_run_record_by_id(world.load(self._landing).run_id)
        session.stop()
        if record is None or record.start_time is None or record.end_time is None:
            raise RuntimeError("the run left no times in the instance's log")
        return float(record.end_time - record.start_time)

    def _without_dagster(self) -> float:
        settings = self._settings()
        session = connect(settings)
        with dg.DagsterInstance.ephemeral() as instance:
            world = World(settings, session, instance)
            began = time.monotonic()
            Loader(settings, world.lake, world.log, "direct", world.now).load(str(self._landing))
            scope = Scope(world.lake, world.log, "direct", world.now)
            due = [publish_silver(scope, dataset)[0].is_due for dataset in DATASETS]
            due += [publish_mart(scope, mart, lambda of, staged, dates: {}).is_due for mart in MARTS]
            seconds = time.monotonic() - began
        session.stop()
        if any(due):
            raise RuntimeError("something was due: the two runs did not do the same")
        return seconds


def benchmarks(home: Embedded, folder: Path) -> Iterator[Benchmark]:
    """The lines of P6 and P7, on a Spark server that runs."""
    generate(ROWS, folder / "source")
    (folder / "long").mkdir()
    (folder / "short").mkdir()
    long = History(home, folder / "long", folder / "source", LONG_DAYS)
    short = History(home, folder / "short", folder / "source", SHORT_DAYS)
    yield Benchmark(
        id="P6",
        what=f"video: one more day after {LONG_DAYS} days",
        ours=long.one_more_day,
        peer=short.one_more_day,
        peer_name=f"after {SHORT_DAYS} days",
    )
    yield Benchmark(
        id="P7",
        what="video: Dagster a step",
        ours=short.overhead,
        limit_value=LIMIT_OF_DAGSTER,
        limit_name="stated",
    )
