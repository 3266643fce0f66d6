"""P5, P6, P7: the eleven steps of the video files on a warm Spark server, from files to gold, against DuckDB.

`make bench ONLY=video` measures a million deliveries, one more day on a long history and Dagster's part of a run
(`video_growth.py`); `ONLY=video-10m` measures ten million deliveries and the memory of the Spark server. Each round of
ours has a lake of its own with empty tables, which are made before the clock starts; the files are the same in all
rounds. Steps run in this process, as in a run of the local stack without its start.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from media_analytics.generators.video.generate import generate
from media_analytics.generators.video.options import Options
from media_analytics.resources.spark import connect
from media_analytics_tests.benchmarks import video_growth, video_peer
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.integration.video_files.world import World
from media_analytics_tests.services import embedded

ROWS = Options(days=1, rows=1_000_000, metrics=200_000, assets=50_000, seed=5)
TEN_MILLION = Options(days=1, rows=10_000_000, metrics=2_000_000, assets=50_000, seed=5)
WARM_ROWS = Options(days=2, rows=2_000, seed=5)
# The limit for ROWS on two cores.
LIMIT_SECONDS = 90.0
# Of the Spark server's process, its heap and all.
LIMIT_MEGABYTES = 3072.0


class Lakes:
    """A Spark server, the files, and a new lake for each round."""

    def __init__(self, folder: Path, rows: Options = ROWS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.home = embedded.make(folder / "home")
        self._files = folder / "files"
        self._rounds = 0
        generate(rows, self._files)

    def start(self) -> None:
        """Start Spark and run the steps once on a few rows."""
        self.home.start("spark")
        generate(WARM_ROWS, self._folder / "warm")
        self._load(self._folder / "warm")

    def ours(self) -> float:
        """Seconds of one run of all steps."""
        return self._load(self._files)

    def peer(self) -> float:
        """Seconds of DuckDB in a fresh process, its start left out."""
        self._rounds += 1
        return video_peer.in_own_process(self._files, self._folder / f"peer{self._rounds}").seconds

    def peak_megabytes(self) -> float:
        """Most memory that the Spark server's process held since its start, in MB of 2^20 bytes."""
        status = Path(f"/proc/{self.home.processes['spark'].pid}/status").read_text("utf-8")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024

    def stop(self) -> None:
        """End what was started."""
        self.home.stop_all()

    def _load(self, files: Path) -> float:
        self._rounds += 1
        settings = self.home.settings_with(LAKE__URL=str(self._folder / f"lake{self._rounds}"))
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
    """The lines of P5, P6 and P7; services are started when the first is measured and ended behind the last."""
    lakes = Lakes(folder)
    lakes.start()
    try:
        yield from _graph(lakes, "P5", "1 million", LIMIT_SECONDS)
        yield from video_growth.benchmarks(lakes.home, folder / "growth")
    finally:
        lakes.stop()


def ten_million(folder: Path) -> Iterator[Benchmark]:
    """P5 with ten times the rows, and what the Spark server holds meanwhile."""
    lakes = Lakes(folder, TEN_MILLION)
    lakes.start()
    try:
        yield from _graph(lakes, "P5-10m", "10 million")
    finally:
        lakes.stop()


def _graph(lakes: Lakes, name: str, rows: str, limit_seconds: float | None = None) -> Iterator[Benchmark]:
    """The whole graph, and the memory of the Spark server behind it."""
    yield Benchmark(
        id=name,
        what=f"video files to gold, {rows} deliveries",
        ours=lakes.ours,
        peer=lakes.peer,
        peer_name="DuckDB",
        limit_value=limit_seconds,
        limit_name="stated",
    )
    yield Benchmark(
        id=f"{name}-memory",
        what=f"video: most memory of the Spark server, {rows}",
        unit="MB",
        ours=lakes.peak_megabytes,
        limit_value=LIMIT_MEGABYTES,
        limit_name="stated",
        rounds=1,
    )
