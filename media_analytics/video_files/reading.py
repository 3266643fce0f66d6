"""A file of a data set as rows of its bronze table.

Belongs here: which columns a file must have, what a value of each type looks like, the rows' numbers. Does not belong
here: cleaning (`spark_jobs/transforms/video_files.py`), which files to read, writing.

A value that is not of its column's type is null in the column and stands in `unparsed` as the file had it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pyarrow import parquet as pq

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.tables.video_raw import FACTS, RawRow
from media_analytics.errors import MediaAnalyticsError
from media_analytics.video_files import parsing
from media_analytics.video_files.landing import SourceFile

PROVENANCE = tuple(RawRow.to_schema().columns)
DATE = "date"
BATCH_ROWS = 65_536
_CSV_BLOCK_BYTES = 8 << 20
# Delta refuses these in a column's name.
_REFUSED_SIGNS = " ,;{}()\n\t="


class FileError(MediaAnalyticsError):
    """A file cannot be loaded as it is; the message names the file and the fix."""


@dataclass(frozen=True)
class Header:
    """The columns of a file. `columns` maps a column of bronze to the file's own name; `unknown` likewise."""

    columns: Mapping[str, str]
    unknown: Mapping[str, str]


@dataclass
class Facts:
    """What reading a file found."""

    rows: int = 0
    unparsed_rows: int = 0
    unknown_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stamp:
    """What every row of a load carries."""

    batch_id: str
    loaded_at: datetime


@dataclass
class Reading:
    """One file to read, with the columns its data set has in this load."""

    file: SourceFile
    stamp: Stamp
    schema: pa.Schema
    facts: Facts = field(default_factory=Facts)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's rows in order, in the schema's columns; `facts` are complete at the end.

        Raises:
            FileError: the file is not readable as what it says it is, or a column is missing or of another type.
        """
        header = header_of(self.file)
        self.facts.unknown_columns = tuple(sorted(header.unknown))
        for raw in _raw_batches(self.file, header):
            yield self._typed(raw, header)

    def _typed(self, raw: pa.Table, header: Header) -> pa.RecordBatch:
        rows = raw.num_rows
        columns: dict[str, pa.Array] = {}
        failed: dict[str, pa.Array] = {}
        for name, source in header.columns.items():
            parsed = parsing.parse(raw[source].combine_chunks(), self.schema.field(name).type)
            columns[name] = parsed.values
            if parsed.failed is not None:
                failed[name] = parsed.failed
        for name, source in header.unknown.items():
            columns[name] = parsing.as_text(raw[source].combine_chunks())
        if self.file.folder_date is not None and self.file.dataset in FACTS:
            columns.setdefault(DATE, pa.repeat(pa.scalar(self.file.folder_date, pa.date32()), rows))
        columns |= {
            "source_file": pa.repeat(pa.scalar(self.file.address), rows),
            "row_number": pa.array(range(self.facts.rows + 1, self.facts.rows + rows + 1), pa.int64()),
            "batch_id": pa.repeat(pa.scalar(self.stamp.batch_id), rows),
            "loaded_at": pa.repeat(pa.scalar(self.stamp.loaded_at, pa.timestamp("us", tz="UTC")), rows),
            "unparsed": _maps(failed, rows),
        }
        self.facts.rows += rows
        self.facts.unparsed_rows += rows - columns["unparsed"].null_count
        arrays = [columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in self.schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def bronze(dataset: str) -> TableContract:
    """The table of a data set's rows as they were in the files."""
    return table(f"bronze.raw_{dataset}")


def schema_of(dataset: str, unknown: Sequence[str]) -> pa.Schema:
    """The columns of bronze, and the unknown ones as text."""
    known = [pa.field(c.name, c.arrow_type, c.nullable) for c in bronze(dataset).columns]
    return pa.schema([*known, *(pa.field(name, pa.string()) for name in sorted(set(unknown)))])


def header_of(file: SourceFile) -> Header:
    """The file's columns.

    Raises:
        FileError: a column of the data set is missing, of another type, or stands twice.
    """
    fields = _fields(file)
    wanted = {c.name: c.arrow_type for c in bronze(file.dataset).columns if c.name not in PROVENANCE}
    found: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name in fields:
        known = name.strip().lower()
        own = known if known in wanted else _stored_name(name)
        target = found if known in wanted else unknown
        if own in target:
            raise FileError(
                f"{file.address} has the column {own!r} twice; name the columns apart and load it again"
            )
        target[own] = name
    missing = [
        name for name in wanted if name not in found and not (name == DATE and file.folder_date is not None)
    ]
    if missing:
        raise FileError(
            f"{file.address} has no column {', '.join(map(repr, missing))}; {file.dataset} needs "
            f"{', '.join(wanted)}. Put the column back at its source (empty where nothing is known) and load the file "
            "again; nothing was published"
        )
    _refuse_other_types(file, fields, found, wanted)
    return Header(found, unknown)


def newest_date(file: SourceFile) -> date | None:
    """The newest date of a file's rows, as far as its folder or its footer tells; rows are not read."""
    if file.folder_date is not None or file.format != "parquet" or file.dataset not in FACTS:
        return file.folder_date
    try:
        system, path = file.opened()
        with system.open_input_file(path) as source:
            footer = pq.ParquetFile(source).metadata
            place = footer.schema.names.index(DATE)
            groups = [footer.row_group(n).column(place).statistics for n in range(footer.num_row_groups)]
    except (pa.ArrowException, ValueError):
        return None
    newest = [group.max for group in groups if group is not None and group.has_min_max]
    return max((value for value in newest if isinstance(value, date)), default=None)


def _refuse_other_types(
    file: SourceFile,
    fields: Mapping[str, pa.DataType | None],
    found: Mapping[str, str],
    wanted: Mapping[str, pa.DataType],
) -> None:
    for name, source in found.items():
        kind = fields[source]
        if kind is not None and not parsing.accepts(kind, wanted[name]):
            raise FileError(
                f"{file.address}: column {name!r} is {kind}, expected {wanted[name]}. Write it in its own type at the "
                "source and load the file again; nothing was published"
            )


def _stored_name(name: str) -> str:
    cleaned = "".join("_" if sign in _REFUSED_SIGNS else sign for sign in name.strip().lower())
    return f"{cleaned}_" if cleaned in PROVENANCE else cleaned or "_"


def _fields(file: SourceFile) -> dict[str, pa.DataType | None]:
    """The file's own column names; types of Parquet only, for CSV has none."""
    try:
        if file.format == "parquet":
            system, path = file.opened()
            with system.open_input_file(path) as source:
                schema = pq.read_schema(source)
            names: list[str] = schema.names
            kinds: list[pa.DataType | None] = list(schema.types)
        else:
            names = _csv_names(file)
            kinds = [None] * len(names)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FileError(
            f"{file.address} has the column {twice[0]!r} twice; name the columns apart and load it again"
        )
    return dict(zip(names, kinds, strict=True))


def _raw_batches(file: SourceFile, header: Header) -> Iterator[pa.Table]:
    names = [*header.columns.values(), *header.unknown.values()]
    system, path = file.opened()
    try:
        if file.format == "parquet":
            with system.open_input_file(path) as source:
                for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS, columns=names):
                    yield pa.Table.from_batches([batch])
        else:
            with system.open_input_stream(path) as stream, _csv_reader(stream, names) as reader:
                for batch in reader:
                    yield pa.Table.from_batches([batch])
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def _csv_reader(stream: Any, names: Sequence[str]) -> Any:
    return csv.open_csv(
        stream,
        read_options=csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _csv_names(file: SourceFile) -> list[str]:
    """The header's names, read as data so that nothing is inferred; an empty file has none."""
    system, path = file.opened()
    if file.size == 0:
        return []
    options = csv.ReadOptions(autogenerate_column_names=True, block_size=_CSV_BLOCK_BYTES)
    with system.open_input_stream(path) as stream:
        plain = csv.ConvertOptions(strings_can_be_null=False)
        with csv.open_csv(
            _Head(stream), options, csv.ParseOptions(newlines_in_values=False), plain
        ) as reader:
            first = reader.read_next_batch()
    return [str(column[0].as_py()) for column in first.columns]


class _Head:
    """Only the first line of a CSV, as a file: the header is one line."""

    closed = False

    def __init__(self, stream: Any) -> None:
        text = bytearray()
        while b"\n" not in text and (block := stream.read(4096)):
            text += block
        self._left = bytes(text.split(b"\n", 1)[0]) + b"\n"

    def read(self, size: int = -1) -> bytes:
        """The line, once."""
        taken, self._left = (self._left, b"") if size < 0 else (self._left[:size], self._left[size:])
        return taken


def _maps(failed: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """Per row, the values that did not parse by column; null where all did."""
    kind = pa.map_(pa.string(), pa.string())
    if not failed:
        return pa.nulls(rows, kind)
    entries: list[list[tuple[str, str]] | None] = [None] * rows
    for name, texts in failed.items():
        for place in pc.indices_nonzero(texts.is_valid()).to_pylist():
            entries[place] = [*(entries[place] or []), (name, texts[place].as_py())]
    return pa.array(entries, kind)


def _unreadable(file: SourceFile, error: Exception) -> FileError:
    fix = {
        "csv": "expected UTF-8 with a header, RFC 4180 (fields with commas, quotes or line ends in quotes, "
        "every row as many fields as the header)",
        "parquet": "expected a complete Parquet file",
    }[file.format]
    told = str(error).partition("\n")[0][:300]
    return FileError(f"{file.address} cannot be read: {told}; {fix}. Write it again; nothing was published")
