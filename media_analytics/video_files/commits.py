"""Commits that two runs cannot make over each other.

Belongs here: writing to a table as it was read, and failing when another run wrote to it meanwhile. Does not belong
here: what is written (`loading.py`, `publishing.py`), compaction (`maintenance.py`).

Delta lets two runs append the same rows, and lets two overwrites of an empty table stand beside each other. Every
commit here therefore names one transaction of the table: of two that began with the same version, the second fails.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError

from media_analytics.contracts.model import TableContract
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.lake import Lake

_TRANSACTION = "media-analytics/video-files"
# Rows of a row group, the least that a task of Spark reads: the writer's own million leaves all cores but one without
# work.
FILES = WriterProperties(max_row_group_size=131_072, compression="SNAPPY")


class OvertakenError(MediaAnalyticsError):
    """Another run wrote to the table after this one had read it; this one wrote nothing to it."""

    def __init__(self, contract: TableContract) -> None:
        """Say which table."""
        super().__init__(
            f"{contract.full_name} was published by another run meanwhile; this one wrote nothing and is tried again"
        )


def table_at(lake: Lake, contract: TableContract, version: int | None = None) -> DeltaTable:
    """The table as it stands, or as of a version: what a commit is based on."""
    return DeltaTable(without_hadoop(lake.path(contract)), version=version)


def commit(
    contract: TableContract,
    base: DeltaTable,
    rows: pa.RecordBatchReader,
    note: Mapping[str, Any],
    *,
    predicate: str | None = None,
    append: bool = False,
    new_columns: bool = False,
) -> int:
    """Append rows, or let them take the place of those that `predicate` names (none: of all); the version.

    Args:
        contract: of the table.
        base: the table as it was before anything was read that the rows depend on.
        rows: what to write.
        note: what the commit says.
        predicate: which rows go.
        append: no row goes.
        new_columns: columns that the table does not have are added to it.

    Raises:
        OvertakenError: another run committed after `base`.
    """
    merge: Literal["merge"] | None = "merge" if new_columns else None
    properties = CommitProperties(
        custom_metadata={"userMetadata": json.dumps(note)},
        app_transactions=[Transaction(_TRANSACTION, base.version() + 1)],
    )
    try:
        if append:
            write_deltalake(
                base,
                rows,
                mode="append",
                schema_mode=merge,
                commit_properties=properties,
                writer_properties=FILES,
            )
        else:
            write_deltalake(
                base,
                rows,
                mode="overwrite",
                predicate=predicate,
                schema_mode=merge,
                commit_properties=properties,
                writer_properties=FILES,
            )
    except CommitFailedError as error:
        raise OvertakenError(contract) from error
    return int(base.version())
