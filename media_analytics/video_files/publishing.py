"""Staged results into their tables, in one commit.

Belongs here: the commit through the `deltalake` writer, which takes a tenth of a second where one through Spark takes
seconds. Does not belong here: what is staged and audited (`tables.py`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, write_deltalake

from media_analytics.checks.rows import arrow_schema
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.lake import Lake, Staged
from media_analytics.video_files.landing import opened

# Spark writes instants as INT96, which Arrow would read in nanoseconds.
_FORMAT = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))


def staged_rows(staged: Staged) -> int:
    """Rows of a staged result, from the files' footers."""
    return int(_dataset(staged).count_rows())


def publish(
    lake: Lake, staged: Staged, dates: Sequence[date], note: Mapping[str, Any], *, with_null: bool = False
) -> int:
    """Replace exactly `dates` (of a table without dates: everything) by the staged rows; the version.

    Args:
        lake: where the table is.
        staged: rows of these dates, audited.
        dates: one with no staged row becomes empty.
        note: what the commit says.
        with_null: the rows whose date is null are replaced, too.
    """
    contract = staged.contract
    schema = arrow_schema(contract)
    rows = pa.RecordBatchReader.from_batches(schema, _batches(staged, schema))
    delta = DeltaTable(without_hadoop(lake.path(contract)))
    predicate = None
    if contract.partition_column is not None:
        days = ", ".join(f"'{d.isoformat()}'" for d in sorted(dates))
        found = [f"{contract.partition_column} IN ({days})"] if dates else []
        if with_null or not dates:
            # Without dates nothing is replaced; the commit only carries its note.
            found.append(f"{contract.partition_column} IS NULL")
        predicate = " OR ".join(found)
    told = json.dumps({"run_id": staged.run_id, "partitions": len(dates), **_span(dates), **note})
    write_deltalake(
        delta,
        rows,
        mode="overwrite",
        predicate=predicate,
        commit_properties=CommitProperties(custom_metadata={"userMetadata": told}),
    )
    return int(DeltaTable(without_hadoop(lake.path(contract))).version())


def _span(dates: Sequence[date]) -> dict[str, str]:
    return {"first": min(dates).isoformat(), "last": max(dates).isoformat()} if dates else {}


def _dataset(staged: Staged) -> ds.Dataset:
    system, folder = opened(staged.path)
    return ds.dataset(folder, format=_FORMAT, filesystem=system)


def _batches(staged: Staged, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in _dataset(staged).to_batches(batch_readahead=2, fragment_readahead=1):
        yield batch.select(schema.names).cast(schema)
