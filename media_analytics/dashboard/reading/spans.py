"""The dates a report is about, and those it is compared with.

Belongs here: a span of dates and what may be asked for. Does not belong here: queries.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from media_analytics.errors import MediaAnalyticsError

# Four whole weeks: the same weekdays on both sides of the comparison.
DEFAULT_DAYS = 28
MOST_DAYS = 366
# What the store can hold as a date, and as many dates before.
EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)
_DAY = timedelta(days=1)


class SpanError(MediaAnalyticsError):
    """Dates that no report is about."""


@dataclass(frozen=True)
class Span:
    """Dates from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many dates."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Span":
        """As many dates, up to the one before `first`."""
        return Span(self.first - self.days * _DAY, self.first - _DAY)


def span(first: date | None, last: date | None, today: date | None = None) -> Span:
    """The span that is asked for; without dates the 28 before today (UTC), which are over.

    Raises:
        SpanError: the dates are in the wrong order, too many, or no dates that anything happened on.
    """
    for day in (first, last):
        if day is not None and not EARLIEST <= day <= LATEST:
            raise SpanError(f"there are no numbers of {day}")
    today = today or datetime.now(UTC).date()
    if last is None:
        last = today - _DAY if first is None else max(first, today - _DAY)
    found = Span(first or last - (DEFAULT_DAYS - 1) * _DAY, last)
    if found.days < 1:
        raise SpanError(f"first is {found.first}, after last, which is {found.last}")
    if found.days > MOST_DAYS:
        raise SpanError(f"{found.first} to {found.last} are {found.days:,} days; ask for {MOST_DAYS} at most")
    return found
