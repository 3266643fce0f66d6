"""Rows as files.

Belongs here: CSV and Parquet of a report's rows. Does not belong here: which rows.
"""

import io

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pyarrow import parquet as pq

from media_analytics.dashboard.report_answers import FileKind

MEDIA_TYPES: dict[FileKind, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
# Spreadsheets take a text that begins so for a formula, and texts come from strangers.
_FORMULA = r"^[=+\-@\t\r\n]"
# Ways in which a store may write a text.
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_dictionary)


def file_of(rows: pa.Table, kind: FileKind) -> bytes:
    """The file's bytes. In CSV a text that a spreadsheet would run stands behind an apostrophe; null is empty."""
    sink = io.BytesIO()
    if kind == "csv":
        csv.write_csv(pa.table([_plain(column) for column in rows.columns], rows.column_names), sink)
    else:
        pq.write_table(rows, sink)
    return sink.getvalue()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not any(is_text(column.type) for is_text in _TEXTS):
        return column
    texts = column.cast(pa.string())
    return pc.if_else(
        pc.match_substring_regex(texts, _FORMULA), pc.binary_join_element_wise("'", texts, ""), texts
    )
