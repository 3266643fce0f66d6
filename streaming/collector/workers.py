"""One collector process on its port, and the further ones that share it.

Belongs here: the socket, the order of a graceful stop, starting and watching the other workers. Does not belong here:
the application (`app.py`). The first process serves as worker 0 and starts the others; the kernel spreads connections
over them (`SO_REUSEPORT`). A worker whose first process is gone ends by itself: its standard input is closed.

Stop, in order: 1. stop listening; 2. every answer also ends its connection; 3. connections without a request are closed
after a moment; 4. answer what was taken; 5. wait for Kafka's last acknowledgements.
"""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from streaming.collector.server import Ingest

log = logging.getLogger(__name__)

# Requests in flight get this long to finish after SIGTERM.
GRACE_SECONDS = 12
# A client that is about to send on an open connection has this long; its answer then ends the connection.
_LINGER_SECONDS = 1.0
_STEP_SECONDS = 0.05
_WATCH_SECONDS = 0.5


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """The bound socket; the server listens when the application has started.

    Raises:
        OSError: the address cannot be bound.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Server(uvicorn.Server):
    """A server for which SIGTERM is a wish, not an accident: it answers what it took and ends with exit code 0."""

    def __init__(
        self, config: uvicorn.Config, ingest: Ingest, *, further_workers: int, is_further: bool
    ) -> None:
        super().__init__(config)
        self._is_further = is_further
        self._ingest = ingest
        self._workers = Workers(further_workers)
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle both signals while serving; unlike uvicorn's own, do not raise them again afterwards."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.handle_exit)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, then start the other workers."""
        await super().startup(sockets)
        if self._is_further:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._left_alone)
        self._watching = asyncio.create_task(self._workers.watch())

    def _left_alone(self) -> None:
        """The first process is gone."""
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in the order of the charter."""
        if self._watching is not None:
            self._watching.cancel()
        self._workers.terminate()
        # 1.
        for server in self.servers:
            server.close()
        # 2.
        self._ingest.is_draining = True
        # 3.
        steps = round(_LINGER_SECONDS / _STEP_SECONDS)
        while self.server_state.connections and steps:
            steps -= 1
            await asyncio.sleep(_STEP_SECONDS)
        # 4. and 5.
        await super().shutdown(sockets)
        await asyncio.to_thread(self._workers.wait)


class Workers:
    """The further processes of a port, numbered from 1."""

    def __init__(self, count: int) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._numbers = range(1, count + 1)

    async def watch(self) -> None:
        """Keep every worker alive: one that ends is started again."""
        while True:
            for number in self._numbers:
                process = self._processes.get(number)
                if process is None or process.poll() is not None:
                    if process is not None:
                        log.error("worker %d ended with %s; a new one takes over", number, process.returncode)
                    self._processes[number] = self._start(number)
            await asyncio.sleep(_WATCH_SECONDS)

    def terminate(self) -> None:
        """Ask all to stop."""
        for process in self._processes.values():
            process.terminate()

    def wait(self) -> None:
        """Wait until all have ended; one that takes too long is killed."""
        for number, process in self._processes.items():
            try:
                process.wait(GRACE_SECONDS * 2)
            except subprocess.TimeoutExpired:
                log.error("worker %d does not end; it is killed", number)
                process.kill()
                process.wait()

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        # The pipe is never written to: its end tells the worker that we are gone.
        return subprocess.Popen(
            [sys.executable, "-m", "streaming.collector", "--worker", str(number)], stdin=subprocess.PIPE
        )
