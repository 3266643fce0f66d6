"""Writing source files, a chunk at a time.

Belongs here: Parquet and CSV (RFC 4180: CRLF, quotes doubled, null is nothing between the commas), names of files in
both layouts. Does not belong here: what the rows say.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from media_analytics.generators.video.chance import Stream
from media_analytics.generators.video.world import OFFSETS_MINUTES

Texts = Mapping[str, Mapping[int, str]]
_LARGEST_ROW_GROUP = 1_000_000


class Writer(Protocol):
    """Takes the chunks of a file."""

    def write(self, table: pa.Table, texts: Texts) -> None:
        """Append rows; `texts` stand instead of typed values (CSV only)."""


def path_of(folder: Path, dataset: str, day: date | None, kind: str) -> Path:
    """Where a file stands: flat without a day, else dated."""
    if day is None:
        return folder / f"{dataset}.{kind}"
    return folder / dataset / f"date={day:%Y-%m-%d}" / f"part-00000.{kind}"


@contextmanager
def opened(path: Path, schema: pa.Schema, chance: Stream) -> Iterator[Writer]:
    """A file that appears under its name when it is complete, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.suffix == ".csv":
            with partial.open("wb") as target:
                target.write((",".join(schema.names) + "\r\n").encode())
                yield _Csv(target.write, schema, chance)
        else:
            with pq.ParquetWriter(partial, schema, compression="zstd") as target:
                yield _Parquet(target, schema)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _Parquet:
    def __init__(self, target: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._target, self._schema = target, schema

    def write(self, table: pa.Table, texts: Texts) -> None:
        if texts:
            raise ValueError("a Parquet file holds typed values only")
        self._target.write_table(_widened(table, self._schema), row_group_size=_LARGEST_ROW_GROUP)


class _Csv:
    def __init__(self, write: Callable[[memoryview], int], schema: pa.Schema, chance: Stream) -> None:
        self._write, self._schema, self._chance = write, schema, chance

    def write(self, table: pa.Table, texts: Texts) -> None:
        if not table.num_rows:
            return
        table = _widened(table, self._schema)
        columns = [
            _replaced(self._text(table[name].combine_chunks()), texts.get(name, {}))
            for name in table.column_names
        ]
        lines = pc.binary_join_element_wise(*columns, ",", null_handling="replace", null_replacement="")
        lines = pc.binary_join_element_wise(lines, "", "\r\n")
        _, offsets, data = lines.buffers()
        size = int(np.frombuffer(offsets, np.int32, count=table.num_rows + 1)[-1])
        self._write(memoryview(data)[:size])

    def _text(self, column: pa.Array) -> pa.Array:
        if pa.types.is_timestamp(column.type):
            return self._instants(column)
        if pa.types.is_string(column.type):
            return _quoted(column)
        return column.cast(pa.string())

    def _instants(self, column: pa.Array) -> pa.Array:
        """ISO 8601 with the zone of each row's writer."""
        choice = self._chance.weighted(len(column), [share for _, share in OFFSETS_MINUTES])
        minutes = np.asarray([offset for offset, _ in OFFSETS_MINUTES])[choice]
        local = pc.add(column.cast(pa.int64()), pa.array(minutes * 60_000_000)).cast(pa.timestamp("us"))
        zones = pa.array([_zone(offset) for offset, _ in OFFSETS_MINUTES]).take(pa.array(choice))
        texts = local.cast(pa.string())
        return pc.binary_join_element_wise(
            pc.utf8_slice_codeunits(texts, 0, 10), "T", pc.utf8_slice_codeunits(texts, 11), zones, ""
        )


def _zone(minutes: int) -> str:
    return (
        "Z"
        if not minutes
        else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    )


def _quoted(column: pa.Array) -> pa.Array:
    """Texts with a comma, a quote or a line end in quotes."""
    needs = pc.match_substring_regex(column, '[",\r\n]')
    if not pc.any(needs).as_py():
        return column
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")
    return pc.if_else(needs, quoted, column)


def _replaced(column: pa.Array, texts: Mapping[int, str]) -> pa.Array:
    if not texts:
        return column
    rows = sorted(texts)
    mask = np.zeros(len(column), bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), _quoted(pa.array([texts[row] for row in rows])))


def _widened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of the file; those it has not are null."""
    columns = [
        table[name] if name in table.column_names else pa.nulls(table.num_rows, schema.field(name).type)
        for name in schema.names
    ]
    return pa.table(columns, schema=schema)
