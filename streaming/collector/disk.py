"""How much disk is free below the home folder.

Belongs here: the measurement, kept for a second. Does not belong here: what follows from it.
"""

import shutil
import time
from pathlib import Path

from streaming.collector.answers import Unavailable

_KEPT_SECONDS = 1.0


class FreeDisk:
    """Share of free disk at a folder, in percent."""

    def __init__(self, folder: Path, minimum_pct: float) -> None:
        self._folder = folder
        self._minimum_pct = minimum_pct
        self._measured_at = float("-inf")
        self._free_pct = 100.0

    def problem(self) -> str | None:
        """Why nothing may be accepted now, or None."""
        now = time.monotonic()
        if now - self._measured_at > _KEPT_SECONDS:
            usage = shutil.disk_usage(self._folder)
            self._free_pct = 100 * usage.free / usage.total
            self._measured_at = now
        if self._free_pct >= self._minimum_pct:
            return None
        return (
            f"{self._free_pct:.1f} % of the disk at {self._folder} is free; at least {self._minimum_pct:g} % are "
            "needed: free some space"
        )

    def require(self) -> None:
        """Go on only with enough free disk.

        Raises:
            Unavailable: 507.
        """
        if problem := self.problem():
            raise Unavailable(507, "disk_low", problem, retry_after_seconds=30)
