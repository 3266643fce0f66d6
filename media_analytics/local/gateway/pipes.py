"""Ways from chDB's thread to the event loop.

Belongs here: handing bytes over, with the writer waiting while the reader does, and closing each end exactly once.
Does not belong here: what flows through. The event loop's own pipe transports are not used: under uvloop they close
the descriptor twice, and the second close hit a descriptor that chDB had just been given.
"""

import asyncio
import contextlib
import fcntl
import os
import sys
from typing import Protocol

from media_analytics.local.gateway.errors import ClickHouseError

_CAPACITY_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
# Blocks that wait between the two sides; a block is about a megabyte.
_RELAY_BLOCKS = 3


class Source(Protocol):
    """The event loop's side."""

    async def read(self, timeout_seconds: float) -> bytes | None:
        """The next bytes; empty at the end; None when none came in time."""

    def close_read(self) -> None:
        """Nobody reads any more: the writer's next write fails. Called once."""


class ResultPipe:
    """chDB itself writes to `path`, an operating system pipe."""

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
        ready = asyncio.Event()
        loop.add_reader(self._read_end, ready.set)
        try:
            # Not `wait_for`: in Python 3.11 it may swallow the cancellation that ends the reading.
            async with asyncio.timeout(timeout_seconds):
                await ready.wait()
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(self._read_end)
        return os.read(self._read_end, _READ_BYTES)

    def close_write(self) -> None:
        """No more will be written. Called once, by the writing side."""
        os.close(self._write_end)

    def close_read(self) -> None:
        """Nobody reads any more: a write fails from now on. Called once, by the reading side."""
        os.close(self._read_end)


class Relay:
    """A short queue of blocks that a thread fills."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._blocks: asyncio.Queue[bytes] = asyncio.Queue(_RELAY_BLOCKS)
        self._is_open = True

    def write(self, data: bytes) -> None:
        """Hand over a block (an empty one ends); waits while the queue is full. Called from the thread.

        Raises:
            ClickHouseError: 394, nobody reads any more.
        """
        asyncio.run_coroutine_threadsafe(self._put(data), self._loop).result()
        if not self._is_open:
            raise ClickHouseError(394, "QUERY_WAS_CANCELLED", "The client has left.")

    async def _put(self, data: bytes) -> None:
        if self._is_open:
            await self._blocks.put(data)

    async def read(self, timeout_seconds: float) -> bytes | None:
        """The next block; empty at the end; None when none came in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._blocks.get()
        except TimeoutError:
            return None

    def close_read(self) -> None:
        """Nobody reads any more: waiting and later writes fail."""
        self._is_open = False
        while not self._blocks.empty():
            self._blocks.get_nowait()
