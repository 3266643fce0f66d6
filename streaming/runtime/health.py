"""The health file of a process without a port, and the end of a process that hangs.

Belongs here: writing the file while the process makes progress; ending the process when it makes none, for its
supervisor to start it again. Does not belong here: who reads the file (the local stack, monitor sensors).
"""

import faulthandler
import json
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

State = Literal["starting", "ready", "waiting"]
INTERVAL_SECONDS = 2.0
# Longer than any single step: an insert may wait this long for the store.
STALLED_SECONDS = 180.0
STALLED_EXIT_CODE = 70
_LOG = logging.getLogger(__name__)


class Health:
    """Writes `{"pid","at","state","detail", ...}` every two seconds while `report` is called often enough.

    A loop that does not report for `stalled_seconds` hangs in a client. What it did is safe, as after a kill: the
    process ends with exit code 70, the stack of every thread in its log.
    """

    def __init__(self, path: Path, stalled_seconds: float = STALLED_SECONDS) -> None:
        self._path = path
        self._stalled_seconds = stalled_seconds
        self._facts: dict[str, Any] = {"state": "starting", "detail": ""}
        self._reported = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def report(self, state: State, detail: str = "", **facts: Any) -> None:
        """Say what the loop is doing; facts (such as `lag`) stay until replaced. A new state is written at once."""
        self._reported = time.monotonic()
        changed = state != self._facts["state"]
        self._facts = self._facts | facts | {"state": state, "detail": detail}
        if changed:
            self._write()

    def _run(self) -> None:
        while not self._stop.wait(min(INTERVAL_SECONDS, self._stalled_seconds)):
            if time.monotonic() - self._reported >= self._stalled_seconds:
                self._end()
            self._write()

    def _end(self) -> NoReturn:
        _LOG.critical("no progress for %.0f s; this process ends to be started again", self._stalled_seconds)
        faulthandler.dump_traceback(file=sys.stderr, all_threads=True)
        os._exit(STALLED_EXIT_CODE)

    def _write(self) -> None:
        facts = {"pid": os.getpid(), "at": datetime.now(UTC).isoformat(), **self._facts}
        beside = self._path.with_name(f"{self._path.name}.{threading.get_ident()}")
        beside.write_text(json.dumps(facts), "utf-8")
        beside.replace(self._path)
