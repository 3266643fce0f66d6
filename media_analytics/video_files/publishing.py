"""Staged results into their tables, in one commit.

Belongs here: the commit through the `deltalake` writer, which takes a tenth of a second where one through Spark takes
seconds. Does not belong here: what is staged and audited (`tables.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from media_analytics.checks.rows import arrow_schema
from media_analytics.resources.lake import Lake, Staged
from media_analytics.video_files.commits import commit, table_at
from media_analytics.video_files.landing import opened

# Spark writes instants as INT96, which Arrow would read in nanoseconds.
_FORMAT = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(coerce_int96_timestamp_unit="us"))


def staged_rows(staged: Staged) -> int:
    """Rows of a staged result, from the files' footers."""
    return int(_dataset(staged).count_rows())


def publish(
    lake: Lake,
    staged: Staged,
    dates: Sequence[date],
    note: Mapping[str, Any],
    stood: int,
    *,
    with_null: bool = False,
) -> int:
    """Replace exactly `dates` (of a table without dates: everything) by the staged rows; the version.

    Args:
        lake: where the table is.
        staged: rows of these dates, audited.
        dates: one with no staged row becomes empty.
        note: what the commit says.
        stood: the table's version before the rows were computed.
        with_null: the rows whose date is null are replaced, too.

    Raises:
        OvertakenError: another run published after `stood`; nothing was written.
    """
    contract = staged.contract
    schema = arrow_schema(contract)
    rows = pa.RecordBatchReader.from_batches(schema, _batches(staged, schema))
    predicate = None
    if contract.partition_column is not None:
        days = ", ".join(f"'{d.isoformat()}'" for d in sorted(dates))
        found = [f"{contract.partition_column} IN ({days})"] if dates else []
        if with_null or not dates:
            # Without dates nothing is replaced; the commit only carries its note.
            found.append(f"{contract.partition_column} IS NULL")
        predicate = " OR ".join(found)
    told = {"run_id": staged.run_id, "partitions": len(dates), **_span(dates), **note}
    return commit(contract, table_at(lake, contract, stood), rows, told, predicate=predicate)


def _span(dates: Sequence[date]) -> dict[str, str]:
    return {"first": min(dates).isoformat(), "last": max(dates).isoformat()} if dates else {}


def _dataset(staged: Staged) -> ds.Dataset:
    system, folder = opened(staged.path)
    return ds.dataset(folder, format=_FORMAT, filesystem=system)


def _batches(staged: Staged, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in _dataset(staged).to_batches(batch_readahead=2, fragment_readahead=1):
        yield batch.select(schema.names).cast(schema)
