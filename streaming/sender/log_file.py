"""Reads a log file, plain or gzip, as numbered lines and as batches for `/v1/access-log`.

Belongs here: bytes to lines, how often a line stood before, batch sizes. Does not belong here: sending, parsing a line.
"""

import gzip
import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1024 * 1024
# Room for brand, site, source and brackets around the lines of a request.
_FRAME_BYTES = 16 * 1024


class Line(msgspec.Struct):
    """A line without its end, its number from 1, and how often the identical line stood before it."""

    line_number: int
    occurrence: int
    line: str


@dataclass(frozen=True)
class Batch:
    """Lines of one request: their JSON, how many, the last one's number, and the file position behind them."""

    lines: list[bytes]
    last_line: int
    bytes_read: int

    def body(self, brand: str, site: str, source: str) -> bytes:
        """The body of the request."""
        head = msgspec.json.encode({"brand": brand, "site": site, "source": source})
        return head[:-1] + b',"lines":[' + b",".join(self.lines) + b"]}"


class LogFile:
    """A log file. After reading, `problem` says why its end could not be read, or is None."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.problem: str | None = None
        self._lines = 0

    def sha256(self) -> str:
        """SHA-256 of the file as it is."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def lines(self) -> int:
        """Lines read so far."""
        return self._lines

    def batches(self, after_line: int, most_lines: int, most_bytes: int) -> Iterator[Batch]:
        """Batches of the lines behind `after_line`; the lines before are read to count identical ones."""
        batch: list[bytes] = []
        size = 0
        room = most_bytes - _FRAME_BYTES
        before: defaultdict[bytes, int] = defaultdict(int)
        with self.path.open("rb") as file:
            for raw in self._raw_lines(file):
                key = hashlib.blake2b(raw, digest_size=16).digest()
                occurrence = before[key]
                before[key] += 1
                self._lines += 1
                if self._lines <= after_line:
                    continue
                encoded = _encoded(
                    Line(self._lines, occurrence, raw.decode("utf-8", "backslashreplace")), room
                )
                if batch and (len(batch) >= most_lines or size + len(encoded) > room):
                    yield Batch(batch, self._lines - 1, file.tell())
                    batch, size = [], 0
                batch.append(encoded)
                size += len(encoded) + 1
            if batch:
                yield Batch(batch, self._lines, file.tell())

    def _raw_lines(self, file: BinaryIO) -> Iterator[bytes]:
        """Lines without LF or CR LF. A cut-off gzip gives what is whole of it and sets `problem`."""
        magic = file.read(2)
        file.seek(0)
        if magic != _GZIP_MAGIC:
            yield from map(_without_end, file)
            return
        with gzip.GzipFile(fileobj=file) as inflated:
            lines = iter(inflated)
            while True:
                try:
                    line = next(lines)
                except StopIteration:
                    return
                except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                    self.problem = (
                        f"{self.path}: the gzip data is damaged or cut off after line {self._lines}: {error}"
                    )
                    return
                yield _without_end(line)


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _encoded(line: Line, room: int) -> bytes:
    """JSON of a line. One that fits into no request is cut: it is no log line, and its letter keeps the beginning."""
    encoded = msgspec.json.encode(line)
    if len(encoded) > room:
        # A control character takes six bytes in JSON.
        line.line = line.line.encode()[: room // 8].decode("utf-8", "ignore")
        encoded = msgspec.json.encode(line)
    return encoded
