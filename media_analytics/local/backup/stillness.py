"""A moment in which no process of a home moves.

Belongs here: stopping every process of a stack (SIGSTOP), being sure that each thread stands, letting all go on, also
when this process is killed meanwhile. Does not belong here: what is done in that moment (`taking`).
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from media_analytics.errors import ServiceError
from media_analytics.local import leftovers, supervision
from media_analytics.local.home import Home

# A thread inside a system call stands when the call has ended.
_STANDS_WITHIN_SECONDS = 30.0
_POLL_SECONDS = 0.02
# Stopped, traced, ended: states that write nothing more.
_STANDING = frozenset("TtZX")
# A child can be born while the processes are listed, by a parent that is just being stopped: look twice.
_QUIET_SCANS = 2


@contextmanager
def standing_still(home: Home) -> Iterator[int]:
    """Stop every process of the home, yield how many there are, let them go on.

    A guard process lets them go on when this one ends in any way.

    Raises:
        ServiceError: a process did not stand within 30 s; all go on.
    """
    guard = subprocess.Popen(
        [sys.executable, "-m", "media_analytics.local.backup.guard"],
        stdin=subprocess.PIPE,
        text=True,
        # Ctrl-C ends this process, not the guard.
        start_new_session=True,
    )
    stopped: dict[int, psutil.Process] = {}

    def stop(process: psutil.Process) -> None:
        # The guard knows before it happens.
        if guard.stdin is not None:
            guard.stdin.write(f"{process.pid} {process.create_time()!r}\n")
            guard.stdin.flush()
        stopped[process.pid] = process
        process.suspend()

    try:
        _stop_all(home, stopped, stop)
        yield len(stopped)
    finally:
        for process in stopped.values():
            with suppress(psutil.NoSuchProcess):
                process.resume()
        with suppress(BrokenPipeError):
            guard.communicate()


def _stop_all(home: Home, stopped: dict[int, psutil.Process], stop: Callable[[psutil.Process], None]) -> None:
    # It would start again what does not answer.
    first = supervision.supervisor_pid(home)
    deadline = time.monotonic() + _STANDS_WITHIN_SECONDS
    quiet = 0
    while quiet < _QUIET_SCANS:
        moving = [process for process in leftovers.find(home) if not stands(process)]
        quiet = 0 if moving else quiet + 1
        for process in sorted(moving, key=lambda one: one.pid != first):
            if process.pid not in stopped:
                with suppress(psutil.NoSuchProcess):
                    stop(process)
        if moving and time.monotonic() > deadline:
            names = ", ".join(f"{process.pid}" for process in moving)
            raise ServiceError(
                f"the processes {names} did not stand within {_STANDS_WITHIN_SECONDS:.0f} s, so no moment is the same "
                "for all; stop the stack (`media-analytics down`) and try again"
            )
        time.sleep(_POLL_SECONDS)


def stands(process: psutil.Process) -> bool:
    """Whether no thread of a process can do anything now. A process that has ended stands."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.is_dir():
        # No /proc (macOS): the state of the whole process.
        try:
            return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True
    return all(_state(file) in _STANDING for file in tasks.glob("*/stat"))


def _state(file: Path) -> str:
    """The letter of a thread's state; the name before it may hold anything, brackets too."""
    try:
        return file.read_text("utf-8", "replace").rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
