"""Stopping and waiting.

Belongs here: SIGTERM and SIGINT as a flag that the loop reads, waits that end when it is set. Does not belong here:
what a process does when it stops.
"""

import signal
import threading
from types import FrameType


class StoppedError(Exception):
    """The process was asked to stop while it waited."""


class StopSignal:
    """Set once, by a signal or by a test."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT set it. Main thread only."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def set(self) -> None:
        """Ask the process to stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether the process was asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait; raises StoppedError as soon as the process is asked to stop."""
        if self._event.wait(seconds):
            raise StoppedError

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
