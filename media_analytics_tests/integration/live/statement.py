"""A running `media-analytics sql --live`, as a person starts it.

Belongs here: starting, the rows it prints, ending. Does not belong here: assertions.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from media_analytics_tests.services.embedded import wait_until

_COMMAND = (sys.executable, "-c", "from media_analytics.cli import main; main()", "sql", "--live")


class Live:
    """One running statement and the rows it printed."""

    def __init__(self, environment: Mapping[str, str], statement: str, *options: str) -> None:
        self._process = subprocess.Popen(
            [*_COMMAND, statement, "--json", "--every", "0.5", *options],
            env=os.environ | dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.rows: list[dict[str, Any]] = []
        self.said: list[str] = []
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._out, self._err)]
        for thread in self._threads:
            thread.start()

    def _out(self) -> None:
        assert self._process.stdout is not None
        self.rows.extend(json.loads(line) for line in self._process.stdout)

    def _err(self) -> None:
        assert self._process.stderr is not None
        self.said.extend(self._process.stderr)

    def wait_started(self) -> "Live":
        wait_until(lambda: any("Ctrl-C ends it" in line for line in self.said), 60, lambda: str(self.said))
        return self

    def close(self) -> None:
        """End what a failed test left, so that the next test finds the server as it was."""
        if self._process.poll() is None:
            self.end(signal.SIGTERM)

    def end(self, number: int = signal.SIGINT) -> int:
        self._process.send_signal(number)
        code = self._process.wait(30)
        for thread in self._threads:
            thread.join(5)
        return code
