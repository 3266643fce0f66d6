"""Copying a folder twice: while its files change, and once more what has changed when nothing moves.

Belongs here: what a folder holds, which files must be copied again, one file with its holes, mode and time. Does not
belong here: which processes stand (`stillness`), what the files mean.
"""

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Written through memory: their time of change says nothing. Kafka's indexes, SQLite's index of the log of changes.
_MAPPED = (".index", ".timeindex", "-shm")
# A file that changed so shortly before it was looked at may change again without another time of change.
_SETTLED_NS = 2_000_000_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Seen:
    """What tells that a file is still the same."""

    size_bytes: int
    changed_ns: int
    inode: int


@dataclass
class Tree:
    """What is below a folder, by path relative to it. `files` are None where only a new copy is certain."""

    folders: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, Seen | None] = field(default_factory=dict)


def copy_moving(source: Path, target: Path, left_out: frozenset[str]) -> Tree:
    """Copy a folder whose files may change and vanish; `left_out` are names at its top."""
    tree = Tree()
    for name, entry in _walk(source, left_out):
        try:
            _copy(entry, target / name, name, tree)
        except FileNotFoundError:
            # It is gone; the second copy says what is there.
            tree.files.pop(name, None)
    return tree


def copy_still(source: Path, target: Path, left_out: frozenset[str], before: Tree) -> Tree:
    """Make `target`, a moving copy, equal to a folder in which nothing moves; files that did not change stay."""
    tree = Tree()
    for name, entry in _walk(source, left_out):
        copied = before.files.get(name)
        if copied is not None and entry.is_file(follow_symlinks=False) and _seen(entry.stat()) == copied:
            tree.files[name] = copied
        else:
            remove(target / name, is_folder=entry.is_dir(follow_symlinks=False))
            _copy(entry, target / name, name, tree)
    present = {*tree.folders, *tree.links, *tree.files}
    for name, entry in _walk(target, frozenset()):
        if name not in present:
            remove(Path(entry.path), is_folder=False)
    return tree


def remove(path: Path, *, is_folder: bool) -> None:
    """Remove what stands where a file, a link or (`is_folder`) a folder has to stand; a folder that fits stays."""
    if path.is_dir() and not path.is_symlink():
        if not is_folder:
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def allocated_bytes(source: Path, left_out: frozenset[str]) -> int:
    """Bytes of disk that a copy of the folder takes; holes take none."""
    total = 0
    for _, entry in _walk(source, left_out):
        try:
            total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def copy_file(source: Path, target: Path) -> None:
    """Copy bytes, holes, mode (without rights of others) and time of change.

    Raises:
        FileNotFoundError: the source is gone.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        found = os.fstat(reader.fileno())
        for begin, end in _data(reader.fileno(), found.st_size):
            reader.seek(begin)
            writer.seek(begin)
            while begin < end and (chunk := reader.read(min(_CHUNK_BYTES, end - begin))):
                writer.write(chunk)
                begin += len(chunk)
        writer.truncate(found.st_size)
    target.chmod(found.st_mode & 0o700)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def _walk(folder: Path, left_out: frozenset[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every folder, link and file below, folders before what they hold; sockets and pipes are no data."""
    waiting = [(folder, "")]
    while waiting:
        path, prefix = waiting.pop()
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            name = prefix + entry.name
            if name in left_out:
                continue
            if entry.is_symlink() or entry.is_file():
                yield name, entry
            elif entry.is_dir():
                yield name, entry
                waiting.append((Path(entry.path), f"{name}/"))


def _copy(entry: os.DirEntry[str], target: Path, name: str, tree: Tree) -> None:
    if entry.is_symlink():
        tree.links[name] = str(Path(entry.path).readlink())
        target.symlink_to(tree.links[name])
    elif entry.is_dir():
        tree.folders.add(name)
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    else:
        found = Path(entry.path).lstat()
        is_certain = (
            not name.endswith(_MAPPED)
            and stat.S_ISREG(found.st_mode)
            and found.st_mtime_ns < time.time_ns() - _SETTLED_NS
        )
        tree.files[name] = _seen(found) if is_certain else None
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_file(Path(entry.path), target)


def _seen(found: os.stat_result) -> Seen:
    return Seen(found.st_size, found.st_mtime_ns, found.st_ino)


def _data(descriptor: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """The ranges of a file that are no holes."""
    position = 0
    while position < size_bytes:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            # Nothing but a hole up to the end.
            return
        position = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, position
