"""The clock of batch work.

Belongs here: the one place where assets, checks and sensors learn what time it is, so that a test can set it. Does not
belong here: event times (they come with the data).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Clock:
    """Tells the time, in UTC."""

    source: Callable[[], datetime] = _utc_now

    def now(self) -> datetime:
        """The instant, tz-aware."""
        return self.source()
