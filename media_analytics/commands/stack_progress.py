"""How the start and the stop of the stack are shown.

Belongs here: a live view on a terminal, one line per fact elsewhere. Does not belong here: the commands (`stack`).
"""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from media_analytics.local.status import ServiceStatus

_MARKS = {
    "ready": "[green]✓[/]",
    "starting": "[yellow]…[/]",
    "external": "[blue]→[/]",
    "stopped": "[dim]·[/]",
}


class Progress:
    """A watcher of `up` and `down`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._is_live = self._console.is_terminal
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._stage = "looking at what is there"
        self._downloads: dict[str, tuple[int, int]] = {}
        self._statuses: Sequence[ServiceStatus] = ()
        self._told: dict[str, object] = {}
        self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._view)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the last state and stop."""
        if self._is_live:
            self._live.stop()

    def stage(self, text: str) -> None:
        """Something begins."""
        self._stage = text
        self._tell("stage", text, text)

    def download(self, what: str, done_bytes: int, total_bytes: int) -> None:
        """So much of a download is there."""
        with self._lock:
            self._downloads[what] = (done_bytes, total_bytes)
        tenth = 10 * done_bytes // max(1, total_bytes)
        self._tell(f"download {what}", tenth, f"fetching {what}: {_megabytes(done_bytes, total_bytes)}")

    def services(self, statuses: Sequence[ServiceStatus]) -> None:
        """The services are in these states now."""
        with self._lock:
            self._statuses = statuses
        for one in statuses:
            self._tell(one.name, one.state, f"{one.name}: {one.state}")

    def _tell(self, key: str, value: object, text: str) -> None:
        """Without a terminal, print each change once."""
        with self._lock:
            if self._is_live or self._told.get(key) == value:
                return
            self._told[key] = value
        self._console.print(f"{time.monotonic() - self._started:5.1f} s  {text}", highlight=False)

    def _view(self) -> RenderableType:
        with self._lock:
            downloads, statuses = dict(self._downloads), list(self._statuses)
        parts: list[RenderableType] = [
            Text(f"{time.monotonic() - self._started:5.0f} s  {self._stage}", style="bold")
        ]
        for what, (done, total) in downloads.items():
            if done < total:
                parts.append(Text(f"        fetching {what}: {_megabytes(done, total)}"))
        if statuses:
            table = Table.grid(padding=(0, 2))
            for one in statuses:
                mark = _MARKS.get(one.state, "[red]✗[/]")
                table.add_row("      ", mark, one.name, one.state, Text(one.detail[:60], style="dim"))
            parts.append(table)
        return Group(*parts)


def _megabytes(done: int, total: int) -> str:
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB"
