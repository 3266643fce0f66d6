"""Which files of a folder belong to which data set, and when the sensor asks for them."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from media_analytics.automation.video_files import Memory, due_units, look
from media_analytics.video_files.landing import LandingError, discover
from media_analytics.video_files.ledger import Standing
from media_analytics_tests.builders import video_rows as rows

NOW = datetime(2026, 3, 11, tzinfo=UTC)


def test_both_layouts_are_found_and_other_files_are_not(tmp_path: Path) -> None:
    rows.write(tmp_path, "geo", [rows.geo()])
    rows.write(tmp_path, "metrics", [rows.metrics()], rows.DAY)
    rows.write(tmp_path, "metrics", [rows.metrics()], rows.DAY, "_SUCCESS")
    (tmp_path / "readme.csv").write_text("x")
    (tmp_path / "geo.txt").write_text("x")
    found = discover(str(tmp_path))
    assert [(f.dataset, f.folder_date, f.unit) for f in found] == [
        ("geo", None, "flat"),
        ("metrics", rows.DAY, "2026-03-10"),
    ]
    assert [f.dataset for f in discover(str(tmp_path), [date(2026, 1, 1)])] == ["geo"]


@pytest.mark.parametrize("name", ["metrics/date=2026-13-01/a.csv", "metrics/march/a.csv", "metrics/a.csv"])
def test_a_folder_that_is_no_date_is_refused_with_the_layout(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    with pytest.raises(LandingError, match=r"date=YYYY-MM-DD"):
        discover(str(tmp_path))


def test_an_empty_folder_and_none_say_what_is_expected(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(LandingError, match="expected either"):
            discover(str(path))


def due(folder: Path, memory: Memory, standing: Standing) -> list[str]:
    files = discover(str(folder))
    return due_units(files, look(files, memory), memory, standing)


def test_a_file_is_due_when_two_looks_found_it_the_same_and_its_content_is_new(tmp_path: Path) -> None:
    """Catches loading a file that is being written, and believing a time stamp that was set back."""
    nothing = Standing({}, {})
    path = rows.write(tmp_path, "geo", [rows.geo()])
    memory = Memory()
    assert due(tmp_path, memory, nothing) == []
    assert due(tmp_path, memory, nothing) == ["flat"]
    content = memory.files[str(path)].content
    assert content is not None
    loaded = Standing({str(path): content}, {})
    assert due(tmp_path, memory, loaded) == []

    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    changed = path.read_bytes().replace(b"Germany", b"Germani")
    path.write_bytes(changed)
    os.utime(path, ns=times)
    assert due(tmp_path, memory, loaded) == []
    assert due(tmp_path, memory, loaded) == ["flat"]

    path.write_bytes(changed.replace(b"Germani", b"Germany"))
    os.utime(path)
    for _ in range(3):
        assert due(tmp_path, memory, loaded) == [], "a new time stamp is no new content"


def test_a_blocked_content_keeps_its_date_out_and_no_other(tmp_path: Path) -> None:
    path = rows.write(tmp_path, "metrics", [rows.metrics()], rows.DAY)
    rows.write(tmp_path, "delivery", [rows.delivery()], rows.DAY)
    rows.write(tmp_path, "metrics", [rows.metrics(day=date(2026, 3, 11))], date(2026, 3, 11))
    memory = Memory()
    due(tmp_path, memory, Standing({}, {}))
    content = memory.files[str(path)].content
    assert due(tmp_path, memory, Standing({}, {})) == ["2026-03-10", "2026-03-11"]
    content = memory.files[str(path)].content
    assert content is not None
    assert due(tmp_path, memory, Standing({}, {str(path): content})) == ["2026-03-11"]
