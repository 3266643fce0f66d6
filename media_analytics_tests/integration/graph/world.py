"""A small platform for graph tests: real Spark Connect, a lake and a Dagster instance of their own.

Belongs here: what the stream would have written, and running assets by date. Does not belong here: Kafka, ClickHouse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from pyspark.sql import SparkSession

from media_analytics.build import build_defs
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TABLES, table
from media_analytics.contracts.spark import spark_schema
from media_analytics.factory import AUTOMATIC_TAG
from media_analytics.migrations import lake_tables
from media_analytics.resources.clock import Clock
from media_analytics.resources.lake import Lake
from media_analytics.settings import Settings

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
DATES = table("ops.user_events_dates")
BRONZE = table("bronze.user_events")


@dataclass
class World:
    """One lake and one Dagster instance. `now` is what the clock says."""

    settings: Settings
    spark: SparkSession
    instance: dg.DagsterInstance
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    batches: int = 0

    @property
    def lake(self) -> Lake:
        """Reads and writes this world's lake."""
        return Lake(self.settings, self.spark)

    @property
    def defs(self) -> dg.Definitions:
        """The real definitions on this world's settings and clock."""
        return build_defs(self.settings, {"clock": Clock(lambda: self.now)})

    def create_tables(self) -> None:
        """Every Delta table, empty."""
        for contract in TABLES.values():
            if contract.store == "delta":
                lake_tables.create(contract, self.lake.path(contract))

    def arrive(self, events: Sequence[Mapping[str, Any]]) -> None:
        """One batch of the stream: touched dates, then the rows."""
        self.batches += 1
        batch = f"test-{self.batches}"
        rows = [{"loaded_at": self.now, **e, "batch_id": batch} for e in events]
        self.write(DATES, touched_dates(rows, batch, self.now))
        self.write(BRONZE, rows)

    def write(self, contract: TableContract, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows as the table's own writer would."""
        schema = spark_schema(contract)
        frame = self.spark.createDataFrame([tuple(row.get(n) for n in schema.names) for row in rows], schema)
        frame.write.format("delta").mode("append").save(self.lake.path(contract))

    def run(
        self,
        first: date,
        last: date | None = None,
        *,
        only: Sequence[str] = (),
        automatic: bool = False,
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """One run of the reader tables, or of `only` some, over a range of dates."""
        tags = dict(zip(RANGE, (first.isoformat(), (last or first).isoformat()), strict=True))
        if automatic:
            tags[AUTOMATIC_TAG] = "true"
        job = self.defs.resolve_job_def("reader_tables")
        selection = [dg.AssetKey(name.split(".")) for name in only] or None
        return job.execute_in_process(
            instance=self.instance, tags=tags, asset_selection=selection, raise_on_error=raise_on_error
        )

    def published(self, full_name: str) -> set[str]:
        """Dates of a table that have a materialization."""
        return set(self.instance.get_materialized_partitions(dg.AssetKey(full_name.split("."))))


def touched_dates(rows: Iterable[Mapping[str, Any]], batch: str, now: datetime) -> list[dict[str, Any]]:
    """Rows of ops.user_events_dates for a batch."""
    groups: dict[tuple[date, str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (row["occurred_at"].date(), row["appended_hour"], row["source_partition"])
        groups.setdefault(key, []).append(row)
    return [
        {
            "event_date": day,
            "appended_hour": hour,
            "source_partition": partition,
            "batch_id": batch,
            "rows": len(members),
            "min_occurred_at": min(m["occurred_at"] for m in members),
            "max_occurred_at": max(m["occurred_at"] for m in members),
            "first_offset": min(m["source_offset"] for m in members),
            "last_offset": max(m["source_offset"] for m in members),
            "loaded_at": now,
        }
        for (day, hour, partition), members in groups.items()
    ]
