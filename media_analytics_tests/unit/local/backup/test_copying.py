"""The second copy makes the first one equal, whatever happened in between."""

import os
import socket
import time
from pathlib import Path

import pytest

from media_analytics.local.backup import copying
from media_analytics.local.backup.copying import copy_file, copy_moving, copy_still

OLD_NS = time.time_ns() - 3_600_000_000_000


def _old(path: Path, text: str) -> Path:
    """A file that has not changed for an hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


def _content(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): f"-> {p.readlink()}" if p.is_symlink() else p.read_text("utf-8")
        for p in folder.rglob("*")
        if p.is_symlink() or p.is_file()
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    _old(folder / "lake" / "part.parquet", "rows")
    _old(folder / "lake" / "log.json", "one")
    _old(folder / "kafka" / "00.index", "mapped")
    _old(folder / "kafka" / "gone.log", "expires")
    _old(folder / "logs" / "kafka.log", "no data")
    (folder / "clickhouse").mkdir()
    (folder / "clickhouse" / "table").symlink_to("../lake/part.parquet")
    return folder


def test_what_changed_between_the_copies_is_as_it_was_at_the_second(source: Path, tmp_path: Path) -> None:
    """Would catch: a file that vanished and stays, a link or file that became something else, a missed change."""
    target = tmp_path / "target"
    left_out = frozenset(("logs",))
    moving = copy_moving(source, target, left_out)
    (source / "kafka" / "gone.log").unlink()
    (source / "lake" / "log.json").write_text("two", "utf-8")
    (source / "clickhouse" / "table").unlink()
    _old(source / "clickhouse" / "table" / "part.bin", "a folder now")
    (source / "clickhouse" / "empty").mkdir()
    _old(source / "lake" / "new.parquet", "more rows")
    # As a page of memory reaches the file: without another time of change.
    _old(source / "kafka" / "00.index", "MAPPED")
    tree = copy_still(source, target, left_out, moving)
    wanted = {name: text for name, text in _content(source).items() if not name.startswith("logs/")}
    assert _content(target) == wanted
    assert (target / "clickhouse" / "empty").is_dir()
    assert set(tree.files) == set(wanted)


def test_a_file_that_has_not_changed_is_not_copied_again(source: Path, tmp_path: Path) -> None:
    """Would catch a second copy that takes as long as the first, while everything stands."""
    target = tmp_path / "target"
    moving = copy_moving(source, target, frozenset())
    inodes = {name: (target / name).stat().st_ctime_ns for name in moving.files}
    copy_still(source, target, frozenset(), moving)
    again = {name for name in inodes if (target / name).stat().st_ctime_ns != inodes[name]}
    assert again == {"kafka/00.index"}


def test_a_file_that_changed_just_now_is_copied_again(source: Path, tmp_path: Path) -> None:
    """Would catch trust in a time of change that a second write of the same moment would not move."""
    (source / "lake" / "log.json").write_text("now", "utf-8")
    moving = copy_moving(source, tmp_path / "target", frozenset())
    assert moving.files["lake/log.json"] is None
    assert moving.files["lake/part.parquet"] is not None


def test_sockets_are_no_data(source: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "s.sock"))
        tree = copy_moving(source, tmp_path / "target", frozenset())
    assert "s.sock" not in {*tree.files, *tree.links, *tree.folders}


def test_a_file_keeps_bytes_holes_time_and_its_owners_mode(tmp_path: Path) -> None:
    """Would catch 10 MB of zeros written for each of Kafka's indexes."""
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.write(b"begin")
        file.seek(8 << 20)
        file.write(b"middle")
        file.truncate(16 << 20)
    source.chmod(0o755)
    os.utime(source, ns=(OLD_NS, OLD_NS))
    copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    found = target.stat()
    assert (found.st_mode & 0o777, found.st_mtime_ns) == (0o700, OLD_NS)
    assert found.st_blocks * 512 < 1 << 20
    assert copying.allocated_bytes(tmp_path, frozenset()) < 2 << 20
