"""Contract to Delta table properties and DDL.

Belongs here: what a Delta table of ours looks like. Does not belong here: running the statements
(`migrations/`).
"""

from collections.abc import Mapping

from media_analytics.contracts.model import Column, TableContract
from media_analytics.contracts.spark import spark_type


def table_properties(contract: TableContract) -> dict[str, str]:
    """Delta properties: features that other readers lack stay off."""
    streamed = contract.writer in ("stream", "micro-batch")
    return {
        "delta.enableDeletionVectors": "false",
        "delta.columnMapping.mode": "none",
        # Statistics of the columns that queries prune by, not of the first 32.
        "delta.dataSkippingStatsColumns": ",".join(statistics_columns(contract)),
        # Written every few seconds or minutes, up to 17,280 commits a day: the log is checkpointed more rarely and kept
        # for one day, which Delta rounds up to the begin of a day, so two days of commits stay at most. Files that a
        # compaction replaced go after the same time, with the checkpoint's entry of each. A reader that is further
        # behind than the log takes the table as a whole.
        "delta.checkpointInterval": "50" if streamed else "10",
        "delta.logRetentionDuration": "interval 1 days" if streamed else "interval 30 days",
        "delta.deletedFileRetentionDuration": "interval 1 days" if streamed else "interval 7 days",
        "media_analytics.contract": contract.full_name,
        "media_analytics.writer": contract.writer,
    }


def statistics_columns(contract: TableContract) -> list[str]:
    """Columns whose minimum and maximum each file keeps: keys, sort keys and times."""
    times = [c.name for c in contract.columns if spark_type(c.arrow_type) in ("timestamp", "date")]
    wanted = dict.fromkeys((*contract.unique_key, *contract.sort_keys, *times))
    return [name for name in wanted if name != contract.partition_column]


def column_definition(column: Column) -> str:
    """One column of a DDL statement."""
    null = "" if column.nullable else " NOT NULL"
    return f"`{column.name}` {spark_type(column.arrow_type)}{null} COMMENT {_text(column.description)}"


def add_column_sql(column: Column, location: str) -> str:
    """The statement that adds a nullable column to an existing table."""
    return f"ALTER TABLE delta.`{location}` ADD COLUMNS ({column_definition(column)})"


def set_properties_sql(properties: Mapping[str, str], location: str) -> str:
    """The statement that sets properties of an existing table."""
    pairs = ", ".join(f"{_text(name)} = {_text(value)}" for name, value in properties.items())
    return f"ALTER TABLE delta.`{location}` SET TBLPROPERTIES ({pairs})"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
