"""P5: the eleven steps of the video files on a warm Spark server, from files to gold, against DuckDB.

Each round of ours has a lake of its own with empty tables, which are made before the clock starts; the files are the
same in all rounds. Steps run in this process, as in a run of the local stack without its start.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from media_analytics.generators.video.generate import generate
from media_analytics.generators.video.options import Options
from media_analytics.resources.spark import connect
from media_analytics_tests.benchmarks import video_peer
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services import embedded

ROWS = Options(days=1, rows=1_000_000, metrics=200_000, assets=50_000, seed=5)
WARM_ROWS = Options(days=2, rows=2_000, seed=5)
# The limit for ROWS on two cores.
LIMIT_SECONDS = 90.0


class Lakes:
    """A Spark server, the files, and a new lake for each round."""

    def __init__(self, folder: Path, rows: Options = ROWS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._home = embedded.make(folder / "home")
        self._files = folder / "files"
        self._rounds = 0
        generate(rows, self._files)

    def start(self) -> None:
        """Start Spark and run the steps once on a few rows."""
        self._home.start("spark")
        generate(WARM_ROWS, self._folder / "warm")
        self._load(self._folder / "warm")

    def ours(self) -> float:
        """Seconds of one run of all steps."""
        return self._load(self._files)

    def peer(self) -> float:
        """Seconds of DuckDB in a fresh process, its start left out."""
        self._rounds += 1
        return video_peer.in_own_process(self._files, self._folder / f"peer{self._rounds}").seconds

    def stop(self) -> None:
        """End what was started."""
        self._home.stop_all()

    def _load(self, files: Path) -> float:
        self._rounds += 1
        settings = self._home.settings_with(LAKE__URL=str(self._folder / f"lake{self._rounds}"))
        session = connect(settings)
        with dg.DagsterInstance.ephemeral() as instance:
            world = World(settings, session, instance)
            world.create_tables()
            record = instance.get_run_record_by_id(world.load(files).run_id)
        session.stop()
        if record is None or record.start_time is None or record.end_time is None:
            raise RuntimeError("the run left no times in the instance's log")
        return float(record.end_time - record.start_time)


def benchmarks(folder: Path) -> Iterator[Benchmark]:
    """The line of P5; services are started when it is measured and ended behind it."""
    lakes = Lakes(folder)
    lakes.start()
    try:
        yield Benchmark(
            id="P5",
            what="video files to gold, 1 million deliveries",
            ours=lakes.ours,
            peer=lakes.peer,
            peer_name="DuckDB",
            limit_value=LIMIT_SECONDS,
            limit_name="stated",
        )
    finally:
        lakes.stop()
