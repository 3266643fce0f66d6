"""Log files as numbered lines: ends, copies, cut-off gzip, sizes, resuming."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streaming.sender.log_file import LogFile

ROOM = 1024 * 1024


def lines(
    path: Path, after: int = 0, most: int = 1000, most_bytes: int = ROOM
) -> tuple[list[dict[str, Any]], LogFile]:
    log = LogFile(path)
    found = []
    for batch in log.batches(after, most, most_bytes):
        body = batch.body("bild", "https://www.example.org", path.name)
        assert len(body) <= most_bytes
        assert len(batch.lines) <= most
        found += msgspec.json.decode(body)["lines"]
    return found, log


def write(folder: Path, data: bytes) -> Path:
    path = folder / "access.log"
    path.write_bytes(data)
    return path


def test_lines_are_numbered_and_copies_counted(tmp_path: Path) -> None:
    found, log = lines(write(tmp_path, b"a\nb\r\na\n\na"))
    assert [(f["line_number"], f["occurrence"], f["line"]) for f in found] == [
        (1, 0, "a"),
        (2, 0, "b"),
        (3, 1, "a"),
        (4, 0, ""),
        (5, 2, "a"),
    ]
    assert (log.lines, log.problem) == (5, None)


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert lines(write(tmp_path, b""))[0] == []


@pytest.mark.parametrize("after", [0, 1, 3, 5, 9])
def test_resuming_gives_the_same_lines_as_one_go(tmp_path: Path, after: int) -> None:
    """Catches counting copies from the place of resumption: ids would change."""
    path = write(tmp_path, b"a\nb\na\na\nb\n")
    assert lines(path, after)[0] == lines(path)[0][after:]


def test_gzip_and_plain_give_the_same(tmp_path: Path) -> None:
    data = b"".join(b"line %d\n" % (n % 700) for n in range(3000))
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(data[:9000]) + gzip.compress(data[9000:]))
    assert lines(packed)[0] == lines(write(tmp_path, data))[0]


@pytest.mark.parametrize("cut", [1, 8, 100, 5000])
def test_a_cut_off_gzip_gives_its_whole_lines_and_says_so(tmp_path: Path, cut: int) -> None:
    data = b"".join(b"line %d with some more text %d\n" % (n, n * n * 7919) for n in range(3000))
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(data)[:-cut])
    found, log = lines(packed)
    assert log.problem is not None
    assert "cut off" in log.problem
    whole = data.decode().splitlines()
    assert [f["line"] for f in found] == whole[: len(found)]
    assert len(found) >= 2900 if cut <= 100 else len(found) > 1000


def test_bytes_that_are_not_utf8_are_escaped_as_apache_does(tmp_path: Path) -> None:
    assert lines(write(tmp_path, b"caf\xe9 \x00\n"))[0][0]["line"] == "caf\\xe9 \x00"


def test_requests_keep_both_limits_even_for_a_giant_line(tmp_path: Path) -> None:
    data = b"x" * 3_000_000 + b"\n" + b"\x01" * 400_000 + b"\n" + b'"quoted" line\n' * 5000
    found, log = lines(write(tmp_path, data), most=900)
    assert [f["line_number"] for f in found] == list(range(1, 5003))
    assert log.lines == 5002
