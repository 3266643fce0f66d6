"""Files of the video tables: few, in a useful order, and none that nobody reads any more.

Belongs here: compaction, Z-order and VACUUM of a table, and what they changed. Does not belong here: when
(`automation/`).

Only dates that consist of several files are written anew, so doing it again does nothing. A commit of a run in between
makes it fail; it is then tried again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from media_analytics.contracts.model import TableContract
from media_analytics.resources.addresses import without_hadoop
from media_analytics.settings import Settings
from media_analytics.video_files.commits import FILES

# Delta's own limit for files that a reader may still need (`delta.deletedFileRetentionDuration`).
KEPT = timedelta(days=7)


@dataclass(frozen=True)
class Files:
    """What a table consists of. `day_*` are those of its newest date: what a query of one day reads."""

    files: int
    size_bytes: int
    day_files: int
    day_bytes: int


@dataclass(frozen=True)
class Effect:
    """What maintenance did to a table."""

    table: str
    version: int
    before: Files
    after: Files
    dates: int
    deleted_files: int

    def row(self, run_id: str, now: datetime) -> dict[str, Any]:
        """The effect as a row of ops.video_maintenance."""
        row: dict[str, Any] = {
            "table": self.table,
            "run_id": run_id,
            "version": self.version,
            "compacted_dates": self.dates,
            "deleted_files": self.deleted_files,
            "maintained_date": now.date(),
            "maintained_at": now,
        }
        for when, state in (("before", self.before), ("after", self.after)):
            row |= {
                f"files_{when}": state.files,
                f"size_bytes_{when}": state.size_bytes,
                f"day_files_{when}": state.day_files,
                f"day_bytes_{when}": state.day_bytes,
            }
        return row


def maintain(settings: Settings, contract: TableContract) -> Effect:
    """Compact and order what consists of several files, then delete files that no version of the last 7 days needs."""
    uri = without_hadoop(settings.lake.table_path(contract.layer, contract.name))
    delta = DeltaTable(uri)
    before, scattered = _files(delta, contract), _scattered(delta, contract)
    order = [name for name in contract.sort_keys if name != contract.partition_column]
    if scattered:
        filters = None
        if contract.partition_column is not None:
            filters = [(contract.partition_column, "in", scattered)]
        delta.optimize.z_order(order, partition_filters=filters, writer_properties=FILES)
    deleted = delta.vacuum(int(KEPT / timedelta(hours=1)), dry_run=False)
    after = DeltaTable(uri)
    return Effect(
        contract.full_name, after.version(), before, _files(after, contract), len(scattered), len(deleted)
    )


def _scattered(delta: DeltaTable, contract: TableContract) -> list[str]:
    """Partition values with more than one file; of a table without partitions one word, if it has."""
    counts: dict[str, int] = {}
    for value in _partitions(delta, contract):
        counts[value] = counts.get(value, 0) + 1
    return sorted(value for value, files in counts.items() if files > 1 and value != "None")


def _files(delta: DeltaTable, contract: TableContract) -> Files:
    sizes = _actions(delta)["size_bytes"].to_pylist()
    partitions = _partitions(delta, contract)
    newest = max((value for value in partitions if value != "None"), default="")
    of_day = [size for size, value in zip(sizes, partitions, strict=True) if value == newest]
    return Files(len(sizes), sum(sizes), len(of_day), sum(of_day))


def _partitions(delta: DeltaTable, contract: TableContract) -> list[str]:
    actions, column = _actions(delta), contract.partition_column
    if column is None:
        return ["all"] * actions.num_rows
    return [str(value) for value in actions[f"partition.{column}"].to_pylist()]


def _actions(delta: DeltaTable) -> pa.Table:
    return pa.table(delta.get_add_actions(flatten=True))
