"""`media-analytics query`: rows in every format, refusals in words."""

import csv
import io
import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from pyarrow import parquet

from media_analytics.commands.query import Kind, explained, write

AT = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
ROWS = pa.table(
    {
        "n": pa.array([1, None], pa.int64()),
        "at": pa.array([AT, None], pa.timestamp("us", "UTC")),
        "day": pa.array([date(2026, 3, 1), None], pa.date32()),
        "text": pa.array(['a "b", c', "Ä\nö"]),
        "parts": pa.array([["x"], []], pa.list_(pa.string())),
    }
)


def written(kind: Kind) -> bytes:
    file = io.BytesIO()
    write(ROWS, kind, file)
    return file.getvalue()


def test_csv_keeps_every_text_and_null_is_empty() -> None:
    assert list(csv.reader(io.StringIO(written(Kind.CSV).decode(), newline=""))) == [
        ["n", "at", "day", "text", "parts"],
        ["1", "2026-03-01T10:30:00+00:00", "2026-03-01", 'a "b", c', '["x"]'],
        ["", "", "", "Ä\nö", "[]"],
    ]


def test_json_is_one_object_a_line() -> None:
    assert [json.loads(line) for line in written(Kind.JSON).decode().splitlines()] == [
        {"n": 1, "at": "2026-03-01T10:30:00+00:00", "day": "2026-03-01", "text": 'a "b", c', "parts": ["x"]},
        {"n": None, "at": None, "day": None, "text": "Ä\nö", "parts": []},
    ]


def test_parquet_keeps_types() -> None:
    assert parquet.read_table(io.BytesIO(written(Kind.PARQUET))).equals(ROWS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("READONLY", "Cannot execute query in readonly mode.", "only reads"),
        ("UNKNOWN_TABLE", "Unknown table expression identifier 'x'.", "SHOW TABLES"),
    ],
)
def test_a_refusal_says_what_the_store_says_and_what_to_do(name: str, text: str, said: str) -> None:
    answer = (
        f"ClickHouse at http://127.0.0.1:1 refused a query: Received ClickHouse exception, code: 1, server response: "
        f"Code: 1. DB::Exception: {text} ({name}) (version 26.9.2.1 (official build)) (for url http://127.0.0.1:1)"
    )
    assert explained(answer).startswith(f"ClickHouse refuses the statement: {text} — ")
    assert said in explained(answer)
    assert "version" not in explained(answer)


def test_a_store_that_does_not_answer_is_said_as_it_is() -> None:
    assert (
        explained("Connection refused; see `media-analytics status`")
        == "Connection refused; see `media-analytics status`"
    )
