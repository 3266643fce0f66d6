"""A pipe from chDB's thread to the event loop.

Belongs here: reading without blocking, and closing each end exactly once. Does not belong here: what flows through.
The event loop's own pipe transports are not used: they close the descriptor twice under uvloop, and the second close
hit a descriptor that chDB had just been given.
"""

import asyncio
import contextlib
import fcntl
import os
import sys

_CAPACITY_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024


class ResultPipe:
    """chDB writes to `path`; the event loop reads. The writer waits while the reader does."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        if sys.platform == "linux":
            # Above the user's limit of pipe memory the kernel refuses; the default of 64 KiB then stays.
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, _CAPACITY_BYTES)
        self.path = f"/dev/fd/{self._write_end}"

    async def read(self, timeout_seconds: float) -> bytes | None:
        """The next bytes; empty at the end; None when none came in time."""
        try:
            return os.read(self._read_end, _READ_BYTES)
        except BlockingIOError:
            pass
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_reader(self._read_end, lambda: ready.done() or ready.set_result(None))
        try:
            await asyncio.wait({ready}, timeout=timeout_seconds)
        finally:
            loop.remove_reader(self._read_end)
        if not ready.done():
            return None
        return os.read(self._read_end, _READ_BYTES)

    def close_write(self) -> None:
        """No more will be written. Called once, by the writing side."""
        os.close(self._write_end)

    def close_read(self) -> None:
        """Nobody reads any more: a write fails from now on. Called once, by the reading side."""
        os.close(self._read_end)
