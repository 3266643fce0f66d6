"""The health file of a process without a port.

Belongs here: writing the file while the process makes progress. Does not belong here: who reads it (the local stack,
monitor sensors). A loop that no longer reports lets its file grow old, so a hung process is not taken for a live one.
"""

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

State = Literal["starting", "ready", "waiting"]
INTERVAL_SECONDS = 2.0
# Longer than any single step: an insert may wait this long for the store.
STALLED_SECONDS = 180.0


class Health:
    """Writes `{"pid","at","state","detail", ...}` every two seconds while `report` is called often enough."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
        while not self._stop.wait(INTERVAL_SECONDS):
            if time.monotonic() - self._reported < STALLED_SECONDS:
                self._write()

    def _write(self) -> None:
        facts = {"pid": os.getpid(), "at": datetime.now(UTC).isoformat(), **self._facts}
        beside = self._path.with_name(f"{self._path.name}.{threading.get_ident()}")
        beside.write_text(json.dumps(facts), "utf-8")
        beside.replace(self._path)
