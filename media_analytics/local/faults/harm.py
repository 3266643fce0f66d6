"""What is done to the processes of a stack.

Belongs here: kill -9, SIGSTOP with its later SIGCONT, a disk that counts as full. Does not belong here: when, and how
the service comes back (`recovery.py`).
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil

from media_analytics.errors import ServiceError
from media_analytics.local import supervision
from media_analytics.local.faults.load import PATH
from media_analytics.local.home import Home
from media_analytics.local.stack_variables import read_stack_environment, write_stack_environment

MIN_FREE_DISK = "MEDIA_ANALYTICS_COLLECTOR__MIN_FREE_DISK_PCT"
# No disk has so much room.
ALL_OF_IT = "99.999"
_POLL_SECONDS = 0.1
_RUNS_WITHIN_SECONDS = 60.0


class Harm:
    """Faults of one home. What it stops it also resumes: `resume_all` at the latest."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._stopped: dict[str, list[psutil.Process]] = {}

    def kill(self, service: str) -> int:
        """End a service as `kill -9` does; the id of the process that was."""
        pid = self._pid(service)
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, service: str) -> int:
        """Stop a service and its children without ending them; the id of the process."""
        parent = psutil.Process(self._pid(service))
        family = [parent, *parent.children(recursive=True)]
        with self._lock:
            self._stopped[service] = family
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        return parent.pid

    def resume(self, service: str) -> None:
        """Let a stopped service go on."""
        with self._lock:
            family = self._stopped.pop(service, [])
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def resume_all(self) -> None:
        """Let everything go on that is stopped."""
        for service in list(self._stopped):
            self.resume(service)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Collector and sink start again with a least free share that no disk has, and afterwards as before."""
        variables = read_stack_environment(self._home.environment_file)
        write_stack_environment(self._home.environment_file, variables | {MIN_FREE_DISK: ALL_OF_IT})
        try:
            # The sink first: what still arrives must wait for it.
            self.kill("sink")
            self.kill("collector")
            yield
        finally:
            write_stack_environment(self._home.environment_file, variables)
            for service in ("sink", "collector"):
                self.kill(service)

    def _pid(self, service: str) -> int:
        deadline = time.monotonic() + _RUNS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            program = (supervision.programs(self._home) or {}).get(service)
            if program is not None and program.pid and program.state in ("STARTING", "RUNNING"):
                return program.pid
            time.sleep(_POLL_SECONDS)
        raise ServiceError(
            f"{service} does not run, so nothing can be done to it; see `media-analytics status`"
        )


def refuses_for_disk(collector_url: str) -> bool:
    """Whether the collector answers 507 to a request."""
    try:
        return httpx.post(f"{collector_url}{PATH}", content=b"[]", trust_env=False).status_code == 507
    except httpx.HTTPError:
        return False


def waits_for_disk(home: Home) -> bool:
    """Whether the sink says that it pauses for want of room."""
    file = home.run / "sink.health.json"
    return file.is_file() and "of the disk is free" in file.read_text("utf-8")


def wait_for(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Poll until `condition` holds; whether it did in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
