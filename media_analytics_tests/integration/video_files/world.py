"""A lake with the tables of the video files, and runs of their pipeline in this process.

Belongs here: making the tables, running the eleven steps, reading what stands. Does not belong here: files
(`builders/video_rows.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pyspark.sql import SparkSession

from media_analytics.automation.jobs import VIDEO_FILES
from media_analytics.build import build_defs
from media_analytics.contracts.registry import table
from media_analytics.contracts.tables import video_files, video_gold
from media_analytics.migrations import lake_tables
from media_analytics.resources.clock import Clock
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake
from media_analytics.settings import Settings
from media_analytics.video_files.asset import INGEST, up_to_date
from media_analytics.video_files.landing import discover

RESTATEMENTS = table("ops.restatements")
CONTRACTS = (*video_files.CONTRACTS, *video_gold.CONTRACTS)
SILVER = tuple(c for c in CONTRACTS if c.layer == "silver")
GOLD = tuple(c for c in CONTRACTS if c.layer == "gold")


@dataclass
class World:
    """One lake and one Dagster instance."""

    settings: Settings
    spark: SparkSession
    instance: dg.DagsterInstance
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))

    @property
    def lake(self) -> Lake:
        return Lake(self.settings, self.spark)

    @property
    def log(self) -> DeltaLog:
        return DeltaLog(self.settings)

    def create_tables(self) -> None:
        for contract in (*CONTRACTS, RESTATEMENTS):
            lake_tables.create(contract, self.lake.path(contract))

    def load(
        self, folder: Path | str, day: date | None = None, *, raise_on_error: bool = True
    ) -> dg.ExecuteInProcessResult:
        """One run of the pipeline on a folder, a minute after the one before."""
        self.now += timedelta(minutes=1)
        defs = build_defs(self.settings, {"clock": Clock(lambda: self.now)})
        tags = up_to_date(discover(str(folder), store=self.settings.video.store), self.settings, self.now)
        tags = {"dagster/partition": day.isoformat()} if day else tags
        return defs.resolve_job_def(VIDEO_FILES).execute_in_process(
            instance=self.instance,
            tags=tags,
            run_config={
                "ops": {INGEST: {"config": {"path": str(folder)}}},
                "loggers": {"console": {"config": {"log_level": "WARNING"}}},
            },
            raise_on_error=raise_on_error,
        )

    def rows(self, full_name: str) -> list[dict[str, Any]]:
        """All rows, provenance left out, in order of the key."""
        contract = table(full_name)
        names = [c.name for c in contract.columns if not c.provenance]
        found = self.lake.read(contract).select(*names).toArrow().to_pylist()
        keys = [k for k in contract.unique_key if k in names] or names
        return sorted(found, key=lambda row: [str(row[key]) for key in keys])

    def hashes(self) -> dict[str, str]:
        """Of silver, quarantine and gold: equal when their rows are."""
        tables = [c for c in CONTRACTS if c.layer in ("silver", "quarantine", "gold")]
        return {c.full_name: self.lake.row_hash(c) for c in tables}

    def versions(self) -> dict[str, int]:
        """Delta versions of all tables but the ledger."""
        return {c.full_name: self.log.version(c) for c in CONTRACTS if c.layer != "ops"}

    def changed_dates(self, before: Mapping[str, int]) -> dict[str, list[str]]:
        """Dates of gold that commits after `before` touched, by table."""
        return {c.name: sorted(self.log.tail(c, before[c.full_name]).changed) for c in GOLD}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The message of the run's failed step."""
    events: Sequence[dg.DagsterEvent] = [e for e in result.all_events if e.is_step_failure]
    return str(events[0].step_failure_data.error)
