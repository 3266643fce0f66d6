"""kill -9 in the middle of a load, of the run's process and of the Spark server: the next run gives the same rows.

Slow: a Spark server and processes of its own. What the tests would catch: rows that stand twice or not at all after a
commit that nobody recorded, a table of silver or gold that counts as done and is not, a run that does not outlive the
restart of Spark.
"""

import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg
import pytest

from media_analytics.contracts.registry import table
from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.generators.video.generate import generate
from media_analytics.generators.video.options import Layout, Options
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.spark import connect
from media_analytics.settings import Settings
from media_analytics_tests.builders.video.reference import Reference
from media_analytics_tests.integration.video_files.test_reference import assert_equal
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services.embedded import Embedded, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]

OPTIONS = Options(days=3, rows=6_000, seed=29, copies=0.02, layout=Layout.DATED)
# A start of Python and the definitions on a busy machine.
BEGINS_SECONDS = 240.0
# Spark comes back, and a step waits before it is tried again.
ENDS_SECONDS = 420.0


def load(settings: Settings, folder: Path) -> None:
    """One run of all steps, in a process of its own."""
    with dg.DagsterInstance.ephemeral() as instance:
        World(settings, connect(settings), instance).load(folder)


class Runs:
    """A Spark server, a lake on it, files, and runs that can be killed."""

    def __init__(self, home: Embedded, lake: Path, folder: Path) -> None:
        self.home, self.folder = home, folder
        self.settings = home.settings_with(LAKE__URL=str(lake))
        self._processes = multiprocessing.get_context("spawn")

    def begin(self) -> BaseProcess:
        """Start a run."""
        process = self._processes.Process(target=load, args=(self.settings, self.folder), daemon=True)
        process.start()
        return process

    def version(self, name: str) -> int:
        """A table's newest version."""
        return DeltaLog(self.settings).version(table(name))

    def begin_and_wait(self, name: str) -> BaseProcess:
        """Start a run and wait until it has published a table."""
        stood, process = self.version(name), self.begin()

        def published() -> bool:
            assert process.is_alive(), "the run ended before it was killed"
            return self.version(name) > stood

        wait_until(published, BEGINS_SECONDS)
        return process


@pytest.fixture
def runs(make_embedded: Callable[..., Embedded], empty_video_lake: Path, tmp_path: Path) -> Iterator[Runs]:
    home = make_embedded()
    home.start("spark", BEGINS_SECONDS)
    lake = Path(shutil.copytree(empty_video_lake, tmp_path / "lake"))
    generate(OPTIONS, tmp_path / "files")
    yield Runs(home, lake, tmp_path / "files")


def _prove(runs: Runs) -> None:
    """Every row of the files stands once in bronze; silver and gold are the reference's; nothing more is due."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(runs.settings, connect(runs.settings), instance)
        world.load(runs.folder)
        for dataset in DATASETS:
            rows = world.log.rows(table(f"bronze.raw_{dataset}"), ["source_file", "row_number"]).to_pylist()
            places = Counter((row["source_file"], row["row_number"]) for row in rows)
            assert set(places.values()) == {1}, dataset
        assert_equal(world, Reference(runs.folder))
        versions = world.versions()
        world.load(runs.folder)
        assert world.versions() == versions


def test_a_run_that_is_killed_again_and_again_loses_and_doubles_nothing(runs: Runs) -> None:
    """After the first commit of bronze, in the middle of silver, and between two marts."""
    for published in ("bronze.raw_assets", "silver.devices", "gold.content_performance"):
        process = runs.begin_and_wait(published)
        process.kill()
        process.join()
    done = [name for name in ("executive_summary", "delivery_quality", "geographic_analytics", "device_analytics")
            if runs.version(f"gold.{name}") > 0]  # fmt: skip
    assert len(done) < 4, "it was killed in the middle"
    _prove(runs)


def test_a_run_outlives_spark_killed_in_the_middle(runs: Runs) -> None:
    """Nobody starts the run again: the step that lost its server is tried again when there is one."""
    process = runs.begin_and_wait("silver.devices")
    runs.home.kill("spark")
    runs.home.start("spark", BEGINS_SECONDS)
    process.join(ENDS_SECONDS)
    assert process.exitcode == 0
    _prove(runs)
