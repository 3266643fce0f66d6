"""`media-analytics query`: a statement that reads ClickHouse, as the reader user.

Belongs here: arguments, how rows are printed or written, what a person does about a refusal. Does not belong here: what
the reader may do (the store says it), statements over topics as they fill (`sql.py`).
"""

import csv
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from media_analytics.commands.grids import cell, wide_console
from media_analytics.errors import MediaAnalyticsError, ServiceError

if TYPE_CHECKING:
    import pyarrow as pa

app = typer.Typer()

TABLE_ROWS = 100
# Rows of a file stand in memory once.
FILE_ROWS = 1_000_000
# What the store answers, and what to do about it.
_REFUSALS: Mapping[str, str] = {
    "READONLY": "query only reads, as the reader user: nothing can be inserted, changed, created or dropped, and "
    "settings stay as they are. Tables change by their contracts (`media-analytics contracts plan`), rows by events",
    "ACCESS_DENIED": "the reader may not use this part of the statement; tables of realtime.* and warehouse.* and "
    "functions over them are open",
    "UNKNOWN_TABLE": "`media-analytics query 'SHOW TABLES FROM warehouse'` lists the tables, `... FROM realtime` the "
    "live ones",
    "UNKNOWN_DATABASE": "there are the databases realtime and warehouse",
    "UNKNOWN_IDENTIFIER": "`media-analytics query 'DESCRIBE TABLE ...'` lists the columns of a table",
    "MEMORY_LIMIT_EXCEEDED": "ask for fewer dates or columns, or group further",
    "TIMEOUT_EXCEEDED": "ask for fewer dates or columns, or group further",
    "TOO_MANY_ROWS_OR_BYTES": "ask for fewer rows: end the statement with LIMIT",
}


class Kind(StrEnum):
    """How rows are given."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


@app.command()
def query(
    statement: Annotated[
        str, typer.Argument(help="A SELECT, SHOW or DESCRIBE over realtime.* and warehouse.*.")
    ],
    kind: Annotated[Kind, typer.Option("--format", help="json: one object a row and line.")] = Kind.TABLE,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help=f"Rows at most; default {TABLE_ROWS} for a table, else {FILE_ROWS:,}."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write to this file instead of standard output.")
    ] = None,
) -> None:
    """Ask ClickHouse: marts, copies of the lake, live tables. Reads only."""
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.resources.clickhouse import ClickHouse
    from media_analytics.settings import load_settings

    if kind == Kind.PARQUET and to is None and sys.stdout.isatty():
        raise MediaAnalyticsError("Parquet is not for reading in a terminal: name a file with --to FILE")
    if kind == Kind.TABLE and to is not None:
        raise MediaAnalyticsError("--to goes with --format csv, json or parquet; a table is printed")
    most = limit or (TABLE_ROWS if kind == Kind.TABLE else FILE_ROWS)
    store = ClickHouse(load_settings(command_environment(os.environ)), as_reader=True)
    try:
        rows, is_more = store.first_rows(statement, most)
    except ServiceError as error:
        raise MediaAnalyticsError(explained(str(error))) from error
    if kind == Kind.TABLE:
        _print(rows)
    elif to is not None:
        with to.open("wb") as file:
            write(rows, kind, file)
    else:
        write(rows, kind, sys.stdout.buffer)
    if is_more:
        typer.echo(f"the first {most:,} rows; --limit shows more", err=True)


def explained(text: str) -> str:
    """The store's answer with what to do, where that is known."""
    said = re.search(r"DB::Exception: (.*?) \((\w+)\) \(version", text, re.DOTALL)
    if said is None:
        return text
    fix = _REFUSALS.get(said[2])
    return f"ClickHouse refuses the statement: {said[1]}" + (f" — {fix}" if fix else "")


def write(rows: "pa.Table", kind: Kind, file: IO[bytes]) -> None:
    """Write rows. In CSV null is empty and lists and maps are JSON."""
    if kind == Kind.PARQUET:
        from pyarrow import parquet

        parquet.write_table(rows, file)
    elif kind == Kind.JSON:
        for row in _records(rows):
            file.write(f"{json.dumps(row, default=_json, ensure_ascii=False)}\n".encode())
    else:
        lines = csv.writer(_Encoded(file), lineterminator="\n")
        lines.writerow(rows.column_names)
        for row in _records(rows):
            lines.writerow(_csv(value) for value in row.values())


class _Encoded:
    """A file of bytes that takes text."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write text as UTF-8."""
        return self._file.write(text.encode())


def _print(rows: "pa.Table") -> None:
    from rich.table import Table

    grid = Table(*rows.column_names, box=None)
    for row in _records(rows):
        grid.add_row(*(cell(value) for value in row.values()))
    wide_console().print(grid)


def _records(rows: "pa.Table") -> Iterator[dict[str, Any]]:
    for batch in rows.to_batches():
        yield from batch.to_pylist()


def _csv(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, default=_json, ensure_ascii=False)
    return _json(value) if isinstance(value, datetime) else value


def _json(value: Any) -> str:
    """Instants in ISO 8601 with their zone; the rest as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
