"""Files of minutes: all or nothing, the same again, and a note of progress that never goes back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from media_analytics.resources.minute_files import MinuteFiles, Progress
from media_analytics.settings import Settings

NOON = datetime(2026, 3, 10, 12, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def files(make_settings: Callable[..., Settings], lake: Path) -> MinuteFiles:
    return MinuteFiles(make_settings(LAKE__URL=str(lake)))


def test_files_lie_where_the_definitions_say(files: MinuteFiles, lake: Path) -> None:
    files.write_extract(NOON, pa.table({"n": [1, 2]}))
    files.write_result(NOON, {"total": 2})
    extract = lake / "extracts/interactions/minute=2026-03-10T12-05/part.parquet"
    assert files.extract_url(NOON) == str(extract)
    assert pa.parquet.read_table(extract)["n"].to_pylist() == [1, 2]
    result = lake / "results/interactions/minute=2026-03-10T12-05/result.json"
    assert json.loads(result.read_text()) == {"total": 2}
    assert {p.name for p in lake.rglob("*") if p.is_file()} == {
        "part.parquet",
        "result.json",
        "_progress.json",
    }


def test_equal_rows_give_equal_bytes(files: MinuteFiles, lake: Path) -> None:
    found = []
    for minute in (NOON, NOON + MINUTE):
        files.write_extract(minute, pa.table({"n": list(range(1000)), "t": ["x"] * 1000}))
        found.append(Path(files.extract_url(minute)).read_bytes())
    assert found[0] == found[1]


def test_what_is_not_there(files: MinuteFiles) -> None:
    assert files.extract_rows(NOON) is None
    assert files.progress() is None
    assert files.results([NOON, NOON + MINUTE]) == [None, None]


def test_progress_holds_the_first_and_the_newest(files: MinuteFiles) -> None:
    """Catches a backfill of an old hour that sends the analysis back to it."""
    for minutes in (0, 1, 2, 1, 0):
        files.write_result(NOON + minutes * MINUTE, {"total": minutes})
    assert files.progress() == Progress(NOON, NOON + 2 * MINUTE)
    assert files.results(NOON + n * MINUTE for n in range(4)) == [
        {"total": 0},
        {"total": 1},
        {"total": 2},
        None,
    ]


def test_a_file_is_replaced_as_a_whole(files: MinuteFiles, lake: Path) -> None:
    """A half-written file of a killed run has another name and is never read."""
    files.write_result(NOON, {"total": 1})
    folder = lake / "results/interactions/minute=2026-03-10T12-05"
    (folder / ".result.json.new").write_text('{"tot')
    assert files.results([NOON]) == [{"total": 1}]
    files.write_result(NOON, {"total": 2})
    assert [p.name for p in folder.iterdir()] == ["result.json"]
    files.write_extract(NOON, pa.table({"n": [1, 2, 3]}))
    assert files.extract_rows(NOON) == 3
