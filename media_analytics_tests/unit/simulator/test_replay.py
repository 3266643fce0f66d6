"""The two forms of a replay file."""

from pathlib import Path

import pytest

from media_analytics.errors import MediaAnalyticsError
from streaming.simulator.replay import read_items


def _write(folder: Path, data: bytes) -> Path:
    path = folder / "clicks.json"
    path.write_bytes(data)
    return path


def test_an_array_and_lines_give_the_same_items(tmp_path: Path) -> None:
    expected = ([b'{"id": 1}', b'{"id": 2}'], 0)
    assert read_items(_write(tmp_path, b' [{"id": 1},\n {"id": 2}]\n')) == expected
    assert read_items(_write(tmp_path, b'{"id": 1}\n\n  {"id": 2}\r\n')) == expected


def test_lines_that_are_not_json_objects_are_counted(tmp_path: Path) -> None:
    assert read_items(_write(tmp_path, b'{"id": 1}\n{"id"\n3\n\xff\n')) == ([b'{"id": 1}'], 3)


def test_a_broken_array_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaAnalyticsError, match="not a JSON array"):
        read_items(_write(tmp_path, b'[{"id": 1}'))
    with pytest.raises(MediaAnalyticsError, match="not a file"):
        read_items(tmp_path / "none.json")
