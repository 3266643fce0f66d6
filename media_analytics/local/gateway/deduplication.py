"""Tokens of inserts that a kill cut off.

Belongs here: comparing a table's log of tokens with its parts, before chDB opens the table. Does not belong here: the
tokens of running inserts, which are ClickHouse's own matter.

A MergeTree that is not replicated writes the token of an insert into its log first and gives the part its name
afterwards (`MergeTreeSink::commitPart`). A process that is killed in between leaves a token without rows. Its client
got no answer and sends again; ClickHouse finds the token, takes the rows for a copy and says that they are stored.
"""

import fcntl
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from media_analytics.errors import ServiceError

# Folders of parts: partition, first and last block, level, mutation. A part that is not finished begins with `tmp_`.
_PART = re.compile(r"(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(_\d+)?")
_LOG_NAME = re.compile(r"deduplication_log_(\d+)\.txt")
_ADDED, _DROPPED = "1", "2"
_LOG = logging.getLogger(__name__)


def lock(data: Path) -> IO[bytes]:
    """Hold the folder for this process: the logs of a running chDB must not be looked at.

    Raises:
        ServiceError: another process serves the folder.
    """
    held = data.with_name(f"{data.name}.lock").open("ab")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise ServiceError(
            f"another gateway serves {data}; end it with `media-analytics down`, or give this one another home"
        ) from None
    return held


def forget_unfinished(data: Path) -> int:
    """Drop every token whose part is not there; how many. The logs keep 10,000 tokens a table, so the cost has a bound.

    Call while the folder is held and before chDB opens it. Tokens of rows that their retention removed go, too.
    """
    forgotten = 0
    for logs in sorted(data.glob("store/*/*/deduplication_logs")):
        files = _numbered(logs)
        if not files:
            continue
        parts = _parts(logs.parent)
        lost = {token: part for token, part in _tokens(files).items() if not _is_there(part, parts)}
        if lost:
            lines = "".join(f"{_DROPPED}\t{part}\t{token}\n" for token, part in lost.items())
            with files[-1].open("a", encoding="utf-8") as newest:
                newest.write(lines)
                newest.flush()
                os.fsync(newest.fileno())
            _LOG.warning("%s: forgot %d tokens without rows", logs.parent, len(lost))
        forgotten += len(lost)
    return forgotten


def _numbered(logs: Path) -> list[Path]:
    """The log's files, the oldest first."""
    found = [(int(name[1]), file) for file in logs.iterdir() if (name := _LOG_NAME.fullmatch(file.name))]
    return [file for _, file in sorted(found)]


def _tokens(files: list[Path]) -> dict[str, str]:
    """Tokens that count, with the part each was written for."""
    alive: dict[str, str] = {}
    for operation, part, token in _records(files):
        if operation == _ADDED:
            alive[token] = part
        elif operation == _DROPPED:
            alive.pop(token, None)
    return alive


def _records(files: list[Path]) -> Iterator[list[str]]:
    for file in files:
        for line in file.read_text("utf-8").splitlines():
            record = line.split("\t")
            if len(record) == 3:
                yield record


def _parts(table: Path) -> Mapping[str, list[tuple[int, int]]]:
    """Per partition, the blocks that each part on disk holds."""
    found: dict[str, list[tuple[int, int]]] = {}
    for folder in table.iterdir():
        if name := _PART.fullmatch(folder.name):
            found.setdefault(name["partition"], []).append((int(name["first"]), int(name["last"])))
    return found


def _is_there(part: str, parts: Mapping[str, list[tuple[int, int]]]) -> bool:
    """Whether the part, or one that it was merged into, is on disk."""
    name = _PART.fullmatch(part)
    if name is None:
        return True
    first, last = int(name["first"]), int(name["last"])
    return any(low <= first and last <= high for low, high in parts.get(name["partition"], ()))
