"""A file's values in bronze's types, and what is refused before anything is read."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from media_analytics.video_files.landing import discover
from media_analytics.video_files.parsing import accepts, parse
from media_analytics.video_files.reading import FileError, Reading, Stamp, header_of, schema_of
from media_analytics_tests.builders import video_rows as rows

INSTANT = pa.timestamp("us", tz="UTC")


def read(folder: Path) -> tuple[list[dict[str, Any]], Reading]:
    (file,) = discover(str(folder))
    unknown = list(header_of(file).unknown)
    reading = Reading(file, Stamp("batch", rows.NOON), schema_of(file.dataset, unknown))
    return [row for batch in reading.batches() for row in batch.to_pylist()], reading


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7", pa.int32(), 7),
        (" +7 ", pa.int64(), 7),
        ("7.0", pa.int32(), 7),
        ("7.", pa.int32(), None),
        ("7.5", pa.int32(), None),
        ("2147483648", pa.int32(), None),
        ("-2147483648", pa.int32(), -2147483648),
        ("1e3", pa.int64(), None),
        ("many", pa.int64(), None),
        ("1e3", pa.float64(), 1000.0),
        ("-.5", pa.float64(), -0.5),
        ("1,5", pa.float64(), None),
        ("inf", pa.float64(), float("inf")),
        ("TRUE", pa.bool_(), True),
        ("0", pa.bool_(), False),
        ("yes?", pa.bool_(), None),
        ("2026-02-28", pa.date32(), date(2026, 2, 28)),
        ("2026-02-30", pa.date32(), None),
        ("2026-2-3", pa.date32(), None),
        ("2026-03-10T12:00:00Z", INSTANT, rows.NOON),
        ("2026-03-10 13:00:00.000+01:00", INSTANT, rows.NOON),
        ("2026-03-10T14:30+0230", INSTANT, rows.NOON),
        ("2026-03-10T12:00:00.123456789Z", INSTANT, rows.NOON.replace(microsecond=123456)),
        ("2026-03-10T12:00:00", INSTANT, None),
        ("2026-13-10T12:00:00Z", INSTANT, None),
        ("yesterday", INSTANT, None),
    ],
)
def test_a_text_is_its_value_or_stands_as_it_was(text: str, kind: pa.DataType, value: Any) -> None:
    """Beside good neighbours, so that one bad text does not cost the others."""
    good = {"int": "1", "dou": "1", "boo": "true", "dat": "2026-01-01", "tim": "2026-01-01T00:00:00Z"}[
        str(kind)[:3]
    ]
    parsed = parse(pa.array([good, text, None]), kind)
    assert parsed.values.type == kind
    assert parsed.values[0].is_valid
    assert parsed.values[1].as_py() == value
    assert parsed.values[2].as_py() is None
    failed = [None] * 3 if parsed.failed is None else parsed.failed.to_pylist()
    assert failed == [None, None if value is not None else text, None]


def test_nan_is_a_number_of_the_file() -> None:
    assert str(parse(pa.array(["NaN", "1"]), pa.float64()).values[0].as_py()) == "nan"


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([5, 2**40], pa.int64()), pa.int32(), [5, None]),
        (pa.array([5.0, 5.5, None]), pa.int32(), [5, None, None]),
        (pa.array([rows.NOON.replace(hour=0)]), pa.date32(), [date(2026, 3, 10)]),
        (pa.array([rows.NOON]), pa.date32(), [None]),
        (pa.array([1_000_000_001], pa.timestamp("ns")), INSTANT, [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]),
        (pa.array(["x", None]).dictionary_encode(), pa.string(), ["x", None]),
        (pa.nulls(2), pa.int32(), [None, None]),
    ],
)
def test_other_types_of_parquet_lose_nothing(
    values: pa.Array, kind: pa.DataType, expected: list[Any]
) -> None:
    assert accepts(values.type, kind)
    assert parse(values, kind).values.to_pylist() == expected


def test_text_is_no_number_and_a_number_is_no_time() -> None:
    assert not accepts(pa.string(), pa.int64())
    assert not accepts(pa.int64(), INSTANT)
    assert not accepts(pa.int64(), pa.string())
    assert not accepts(pa.timestamp("us"), pa.float64())


def test_csv_keeps_quotes_line_ends_row_numbers_and_unknown_columns(tmp_path: Path) -> None:
    header = ",".join(rows.schema("geo").names)
    text = f'\ufeff{header},"New Col"\r\ng1,DE,"Ger, many","a ""b""\r\nc",,"",2026-03-10T12:00:00Z,x\r\n,,,,,,,\r\n'
    (tmp_path / "geo.csv").write_bytes(text.encode())
    found, reading = read(tmp_path)
    assert [(r["geo_id"], r["country"], r["region"], r["city"], r["new_col"]) for r in found] == [
        ("g1", "Ger, many", 'a "b"\r\nc', None, "x"),
        (None, None, None, None, None),
    ]
    assert found[0]["timezone"] is None, "quoted nothing is null, too"
    assert [r["row_number"] for r in found] == [1, 2]
    assert (reading.facts.rows, reading.facts.unknown_columns) == (2, ("new_col",))


def test_the_date_of_a_folder_stands_for_a_missing_column_only(tmp_path: Path) -> None:
    path = rows.write(tmp_path, "metrics", [rows.metrics()], date(2026, 3, 12))
    assert read(tmp_path)[0][0]["date"] == rows.DAY
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["date"]), path)
    assert read(tmp_path)[0][0]["date"] == date(2026, 3, 12)


def test_a_date_in_a_catalogue_is_a_column_nobody_knows(tmp_path: Path) -> None:
    path = rows.write(tmp_path, "geo", [rows.geo(date="2026")], rows.DAY)
    assert read(tmp_path)[0][0]["date"] == "2026"
    file = discover(str(tmp_path))[0]
    rows.write(tmp_path, "geo", [rows.geo()], rows.DAY)
    reading = Reading(file, Stamp("batch", rows.NOON), schema_of("geo", ["date"]))
    assert [r["date"] for b in reading.batches() for r in b.to_pylist()] == [None]
    assert path.is_file()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column"),
        (b"geo_id\ng1\n", "no column 'country_code'"),
        (b"geo_id,geo_id\n1,2\n", "twice"),
        (b"\xff\xfe\x00", "no column"),
    ],
)
def test_a_header_that_is_not_the_data_sets_is_refused_with_the_fix(
    content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "geo.csv").write_bytes(content)
    (file,) = discover(str(tmp_path))
    with pytest.raises(FileError) as raised:
        header_of(file)
    assert words in str(raised.value) or "cannot be read" in str(raised.value)
    assert str(tmp_path / "geo.csv") in str(raised.value)


def test_a_parquet_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = rows.write(tmp_path, "geo", [rows.geo()])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileError, match="complete Parquet file"):
        header_of(discover(str(tmp_path))[0])
