"""A small warehouse: Delta tables of a lake in a folder, the real gateway, Dagster runs over dates.

Belongs here: writing partitions as Spark would publish them, running copies, reading both sides. Does not belong here:
Spark, Kafka.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from media_analytics.build import build_defs
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.clickhouse import create_database_sql, create_table_sql
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.rowhash import row_hash
from media_analytics.migrations import lake_tables
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings
from media_analytics.warehouse.loading import Loaded, load
from media_analytics.warehouse.statements import original

RESTATEMENTS = table("ops.restatements")
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass
class Warehouse:
    """One lake and one Dagster instance beside the session's gateway."""

    settings: Settings
    instance: dg.DagsterInstance
    clickhouse: ClickHouse = field(init=False)

    def __post_init__(self) -> None:
        self.clickhouse = ClickHouse(self.settings)

    def create(self, *copies: TableContract) -> None:
        """The originals and the copies, empty, and the ledger of restatements."""
        lake_tables.create(RESTATEMENTS, self._ledger)
        for copy in copies:
            lake_tables.create(original(copy), self.path(copy))
            self.clickhouse.run(create_database_sql(copy))
            self.clickhouse.run(f"DROP TABLE IF EXISTS {copy.full_name} SYNC")
            self.clickhouse.run(create_table_sql(copy))

    def path(self, copy: TableContract) -> str:
        """Where the original lies."""
        source = original(copy)
        return self.settings.lake.table_path(source.layer, source.name)

    def publish(self, copy: TableContract, rows: pa.Table, days: Sequence[date] = ()) -> int:
        """Replace `days` of the original (the whole of one without partitions) by rows; its version."""
        predicate = " OR ".join(f"{copy.partition_column} = '{day}'" for day in days) or None
        write_deltalake(
            self.path(copy),
            rows.cast(arrow_schema(copy)),
            mode="overwrite",
            predicate=predicate,
        )
        return int(DeltaTable(self.path(copy)).version())

    def load(self, copy: TableContract, *days: date) -> Loaded:
        """Copy days without Dagster."""
        log = DeltaLog(self.settings)
        return load(self.settings, self.clickhouse, log, copy, [d.isoformat() for d in days])

    def run(self, copy: TableContract, first: date, last: date) -> dg.ExecuteInProcessResult:
        """Copy days in a run."""
        job = build_defs(self.settings).resolve_job_def("warehouse_copies")
        return job.execute_in_process(
            instance=self.instance,
            tags=dict(zip(RANGE, (first.isoformat(), last.isoformat()), strict=True)),
            asset_selection=[dg.AssetKey(list(copy.key))],
            raise_on_error=False,
        )

    def hash_in_lake(self, copy: TableContract) -> str:
        """Row hash of the original, read without ClickHouse."""
        return row_hash(copy, DeltaTable(self.path(copy)).to_pyarrow_table())

    def hash_in_clickhouse(self, copy: TableContract) -> str:
        """Row hash of the copy."""
        return row_hash(copy, self.clickhouse.arrow(f"SELECT * FROM {copy.full_name}"))

    def tables(self) -> set[str]:
        """What stands in the warehouse's database."""
        rows = self.clickhouse.rows("SELECT name FROM system.tables WHERE database = 'warehouse'")
        return {str(name) for (name,) in rows}

    def restatements(self) -> list[dict[str, Any]]:
        """The ledger of published numbers that changed."""
        found: list[dict[str, Any]] = DeltaTable(self._ledger).to_pyarrow_table().to_pylist()
        return found

    @property
    def _ledger(self) -> str:
        return self.settings.lake.table_path(RESTATEMENTS.layer, RESTATEMENTS.name)

    def log_file(self, copy: TableContract, version: int) -> Path:
        """A commit of the original."""
        return Path(self.path(copy)) / "_delta_log" / f"{version:020d}.json"
