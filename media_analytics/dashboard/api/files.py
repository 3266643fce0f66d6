"""Rows as files.

Belongs here: CSV and Parquet of a report's rows. Does not belong here: which rows.
"""

import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq

from media_analytics.dashboard.report_answers import FileKind

MEDIA_TYPES: dict[FileKind, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
# Spreadsheets take a text that begins so for a formula, and texts come from strangers.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def file_of(names: Sequence[str], rows: Sequence[Sequence[Any]], kind: FileKind) -> bytes:
    """The file's bytes. In CSV a text that a spreadsheet would run stands behind an apostrophe; null is empty."""
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    typed = {
        name: pa.array(_plain(values) if kind == "csv" else values, _type(values))
        for name, values in zip(names, columns, strict=True)
    }
    table = pa.table(typed)
    sink = io.BytesIO()
    if kind == "csv":
        csv.write_csv(table, sink)
    else:
        pq.write_table(table, sink)
    return sink.getvalue()


def _type(values: Sequence[Any]) -> pa.DataType:
    """By the first value that is there; a column without any holds numbers."""
    first = next((value for value in values if value is not None), 0.0)
    if isinstance(first, datetime):
        return pa.timestamp("us", "UTC")
    if isinstance(first, date):
        return pa.date32()
    return pa.string() if isinstance(first, str) else pa.float64()


def _plain(values: list[Any]) -> list[Any]:
    return [f"'{v}" if isinstance(v, str) and v.startswith(_FORMULAS) else v for v in values]
