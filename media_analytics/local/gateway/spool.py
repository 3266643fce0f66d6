"""Bytes that wait for chDB outside any SQL text.

Belongs here: a place for insert data that chDB opens by path, in memory while small and in a private unlinked file
beyond that. Does not belong here: what the bytes mean.
"""

import os
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

# Data up to this size stays in memory; a larger insert moves to a file so that it does not count as ours.
MEMORY_BYTES = 64 * 1024 * 1024


class Spool:
    """A write-once byte store with a path. Close it when the statement that reads the path has ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._named: Path | None = None
        self._in_memory = sys.platform == "linux"
        self._fd = os.memfd_create("insert", os.MFD_CLOEXEC) if self._in_memory else self._file()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append. Beyond MEMORY_BYTES the data moves to a file."""
        if self._in_memory and self.size + len(data) > MEMORY_BYTES:
            self._move_to_file()
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self.size += len(data)

    @property
    def path(self) -> str:
        """The path chDB opens."""
        return str(self._named) if self._named is not None else f"/proc/self/fd/{self._fd}"

    def close(self) -> None:
        """Free the bytes. A second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._named is not None:
            self._named.unlink(missing_ok=True)

    def _file(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd, name = tempfile.mkstemp(dir=self._folder, prefix="insert-")
        if sys.platform == "linux":
            Path(name).unlink()
        else:
            self._named = Path(name)
        return fd

    def _move_to_file(self) -> None:
        memory, self._fd, self._in_memory = self._fd, self._file(), False
        try:
            sent = 0
            while sent < self.size:
                sent += os.sendfile(self._fd, memory, sent, self.size - sent)
        finally:
            os.close(memory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
