"""The stream as a process that kills itself at a named effect: `python -m ...runner EFFECT COUNT`.

Belongs here: the crash. Does not belong here: anything the real main does not do; without arguments it is the same.
"""

import os
import signal
import sys

from media_analytics.settings import load_settings
from spark_jobs.jobs.user_events_stream import process
from spark_jobs.user_events.stream import NAME
from streaming.runtime.main import run


class Killer:
    """kill -9 of this process when `effect` happens for the `count`th time."""

    def __init__(self, effect: str, count: int) -> None:
        self._effect = effect
        self._left = count

    def __call__(self, effect: str) -> None:
        if effect == self._effect:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    hook = Killer(sys.argv[1], int(sys.argv[2]))
    sys.exit(run(NAME, load_settings, os.environ, process(os.environ, hook=hook)))
