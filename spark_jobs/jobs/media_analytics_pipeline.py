"""`python -m spark_jobs.jobs.media_analytics_pipeline --step STEP`: one of the eleven steps, without Dagster.

Belongs here: the command line, the session, which function a step is. Does not belong here: loading, cleaning and
computing (`media_analytics.video_files`), the order of steps (`databricks.yml`, the job of the same name in Dagster).

Steps: `ingest`, `silver.<data set>`, `gold.<mart>`. The same code as in Dagster; a step may be repeated.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from pyspark.sql import SparkSession

from media_analytics.checks.restatements import record_changes
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.tables import video_files, video_gold
from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.errors import MediaAnalyticsError
from media_analytics.migrations import lake_tables
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake, Staged
from media_analytics.settings import Environment, Settings, VideoFiles
from media_analytics.settings import Lake as LakeSettings
from media_analytics.video_files import tables
from media_analytics.video_files.loading import Loader
from media_analytics.video_files.marts import MARTS
from media_analytics.video_files.tables import Published, Scope
from spark_jobs.session import local_session

INGEST = "ingest"
YESTERDAY = "yesterday"
_ON_DATABRICKS = "DATABRICKS_RUNTIME_VERSION"
_MART_OF = {f"gold.{mart.contract.name}": mart for mart in MARTS}
_DATASET_OF = {f"silver.{name}": name for name in DATASETS}
STEPS = (INGEST, *_DATASET_OF, *_MART_OF)


def main(arguments: Sequence[str]) -> int:
    """Run one step; returns the exit code. An error of ours is one line on stderr."""
    given = _parser().parse_args(arguments)
    try:
        day = day_of(given.date, given.started)
        _link_mount(given.data_path)
        session = _session()
        for line in run_step(session, given.step, day, given.data_path, given.landing, given.run):
            sys.stdout.write(f"{given.environment} {day} {line}\n")
    except MediaAnalyticsError as error:
        sys.stderr.write(f"error: {given.step} of {given.environment}: {error}\n")
        return 1
    return 0


def run_step(
    session: SparkSession, step: str, day: date, data_path: str, landing: str, run: str
) -> list[str]:
    """Bring what a step writes up to date, `day` even if nothing changed; says what it did, line by line.

    Raises:
        MediaAnalyticsError: files are blocked, or rows break a contract; nothing was published.
    """
    # The lake and files as the cluster reaches them: whatever else a step would ask of an installation is not there.
    settings = Settings.model_construct(lake=LakeSettings(url=data_path), video=VideoFiles())
    lake, log, now = Lake(settings, session), DeltaLog(settings), datetime.now(UTC)
    run_id = f"databricks-{run}-{step}"
    if step == INGEST:
        contracts = (*video_files.CONTRACTS, *video_gold.CONTRACTS, table("ops.restatements"))
        lake_tables.bring_in_line(settings, session, contracts)
        done = Loader(settings, lake, log, run_id, now).load(landing, (day,))
        rows = {
            dataset: sum(b.rows for b in done.batches if b.dataset == dataset) for dataset in done.versions
        }
        return [f"bronze.raw_{name}: {count} rows loaded" for name, count in rows.items()] or ["no new file"]
    scope = Scope(lake, log, run_id, now, (day,))
    if step in _DATASET_OF:
        return [_told(published) for published in tables.publish_silver(scope, _DATASET_OF[step])]
    if step not in _MART_OF:
        raise MediaAnalyticsError(f"--step is {step!r}; expected one of {', '.join(STEPS)}")

    def restated(contract: TableContract, staged: Staged, dates: Sequence[date]) -> Mapping[str, Any]:
        cause = f"recomputed on Databricks, run {run}"
        return record_changes(lake, log, contract, staged, dates, now, cause)

    return [_told(tables.publish_mart(scope, _MART_OF[step], restated))]


def day_of(text: str, started: str) -> date:
    """The day a run is for: as given, or the day before the run began (UTC).

    Raises:
        MediaAnalyticsError: it is neither.
    """
    try:
        if text == YESTERDAY:
            return date.fromisoformat(started) - timedelta(days=1)
        return date.fromisoformat(text)
    except ValueError as error:
        raise MediaAnalyticsError(f"{error}; expected a day like 2026-03-10, or `{YESTERDAY}`") from None


def _told(published: Published) -> str:
    name = published.contract.full_name
    if not published.verdict.passed:
        failed = published.verdict.metadata().get("failed_rules")
        raise MediaAnalyticsError(f"{name}: rows break the contract ({failed}); nothing was published")
    if not published.is_due:
        return f"{name}: nothing changed"
    return f"{name}: {published.verdict.rows} rows, {len(published.dates)} dates, version {published.version}"


def _session() -> SparkSession:
    if _ON_DATABRICKS in os.environ:
        return SparkSession.builder.getOrCreate()
    scratch = Path(tempfile.mkdtemp(prefix="media-analytics-pipeline-"))
    return local_session("media-analytics pipeline", scratch, os.environ)


def _link_mount(data_path: str) -> None:
    """On Databricks, let Python see a mount under the path by which Spark knows it.

    `/mnt/x` is `dbfs:/mnt/x` to Spark and `/dbfs/mnt/x` to everything else.
    """
    parts = Path(data_path).parts
    if _ON_DATABRICKS not in os.environ or parts[:2] != ("/", "mnt") or len(parts) < 3:
        return
    mount = Path("/mnt") / parts[2]
    if not mount.exists() and (Path("/dbfs") / "mnt" / parts[2]).is_dir():
        mount.symlink_to(Path("/dbfs") / "mnt" / parts[2])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spark_jobs.jobs.media_analytics_pipeline")
    parser.add_argument("--step", required=True, choices=STEPS)
    parser.add_argument("--environment", required=True, choices=get_args(Environment))
    parser.add_argument(
        "--date", default=YESTERDAY, help=f"a day, or `{YESTERDAY}`: the day before --started"
    )
    parser.add_argument("--started", required=True, help="the day the run began, UTC")
    parser.add_argument("--run", required=True, help="what commits name as the run")
    parser.add_argument("--data-path", required=True, help="folder of all tables")
    parser.add_argument("--landing", required=True, help="folder where files arrive")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
