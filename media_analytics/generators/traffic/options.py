"""What traffic to make.

Belongs here: options and their bounds, what came of it. Does not belong here: SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from media_analytics.errors import MediaAnalyticsError

# Live tables keep 35 days by arrival; older events would be dropped while sessions still count them.
MOST_DAYS = 33


@dataclass(frozen=True)
class Options:
    """Traffic of `days` whole dates (UTC) and of the date of `until` up to that instant.

    `events` is the least number of events of readers; `brands` maps a brand to its domain and its sections.
    """

    days: int
    events: int
    seed: int
    until: datetime
    brands: Mapping[str, tuple[str, tuple[str, ...]]]

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            MediaAnalyticsError: a number is out of its bounds.
        """
        if not 1 <= self.days <= MOST_DAYS:
            raise MediaAnalyticsError(
                f"{self.days} days of traffic; expected 1 to {MOST_DAYS}: live tables keep 35 days"
            )
        if self.events < 1 or not self.brands:
            raise MediaAnalyticsError("traffic wants at least one event and one brand")

    @property
    def first(self) -> date:
        """The first date."""
        return self.until.astimezone(UTC).date() - timedelta(days=self.days)

    @property
    def dates(self) -> list[date]:
        """Every date that any event can have."""
        return [self.first + timedelta(days=n) for n in range(self.days + 1)]

    @property
    def first_microsecond(self) -> int:
        """The begin of the first date, in microseconds since 1970."""
        return microsecond(datetime.combine(self.first, time(), UTC))

    @property
    def until_microsecond(self) -> int:
        """The instant that no event reaches, in microseconds since 1970."""
        return microsecond(self.until)


@dataclass
class Generated:
    """Rows by table; `events` are different events of readers, some of which stand twice in the live table."""

    events: int = 0
    rows: dict[str, int] = field(default_factory=dict)


def microsecond(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
