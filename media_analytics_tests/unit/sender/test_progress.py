"""Progress is whole or the former one, never half."""

from pathlib import Path

import pytest

from streaming.sender import progress
from streaming.sender.progress import ProgressError, Sent


def test_nothing_was_sent_before_the_first_save(tmp_path: Path) -> None:
    assert progress.load(tmp_path / "none.json") == Sent()


def test_what_is_saved_is_loaded_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "state.json"
    for items in (5, 9):
        progress.save(file, Sent(items=items, accepted=items, about={"file": "x"}))
        assert progress.load(file) == Sent(items=items, accepted=items, about={"file": "x"})
    assert [p.name for p in file.parent.iterdir()] == ["state.json"]


def test_a_left_over_new_file_changes_nothing(tmp_path: Path) -> None:
    """What a kill between writing and replacing leaves."""
    file = tmp_path / "state.json"
    progress.save(file, Sent(items=3))
    file.with_suffix(".new").write_bytes(b'{"items": 7')
    assert progress.load(file).items == 3
    progress.save(file, Sent(items=4))
    assert progress.load(file).items == 4


def test_a_damaged_file_is_refused_with_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(b"{")
    with pytest.raises(ProgressError, match="delete it"):
        progress.load(file)
