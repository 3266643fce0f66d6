"""The dates a report is about, and those it is compared with.

Belongs here: a span of dates, what may be asked for, from when on numbers still grow. Does not belong here: queries.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from media_analytics.errors import MediaAnalyticsError
from media_analytics.publication import newest_published

# Four whole weeks: the same weekdays on both sides of the comparison.
DEFAULT_DAYS = 28
MOST_DAYS = 366
# What the store can hold as a date, and as many dates before.
EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)
_DAY = timedelta(days=1)
_WEEK = 7 * _DAY
# What a date of a report stands for: itself, the first week of visitors and the one after it, the month it begins.
Unit = Literal["day", "first_week", "month"]


class SpanError(MediaAnalyticsError):
    """Dates that no report is about."""


@dataclass(frozen=True)
class Span:
    """Dates from `first` to `last`, both included; of months whole ones."""

    first: date
    last: date
    unit: Unit = "day"

    @property
    def days(self) -> int:
        """How many dates."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Span":
        """As many dates or months, up to the one before `first`."""
        begin = self.first - self.days * _DAY
        if self.unit == "month":
            begin = _month(self.first, -_months_between(self.first, self.last) - 1)
        return Span(begin, self.first - _DAY, self.unit)

    def of(self, unit: Unit) -> "Span":
        """These dates for a report whose dates are `unit`: every month that has one of them, as a whole."""
        if unit == "month":
            return Span(self.first.replace(day=1), _month(self.last, 1) - _DAY, unit)
        return Span(self.first, self.last, unit)

    def growing_from(self, now: datetime) -> date | None:
        """The first of these dates, first weeks or months whose numbers still grow at `now`; None when none does."""
        newest = newest_published(now)
        match self.unit:
            case "month":
                # The month of the first date that is not published.
                found = (newest + _DAY).replace(day=1)
            case "first_week":
                # Visitors of a week come back in the next one.
                whole = newest + _DAY - 2 * _WEEK
                found = whole + (7 - whole.weekday()) * _DAY
            case _:
                found = newest + _DAY
        found = max(found, self.first)
        return found if found <= self.last else None


def _month(day: date, later: int) -> date:
    """The first day of the month so many months later."""
    months = 12 * day.year + day.month - 1 + later
    return date(months // 12, months % 12 + 1, 1)


def _months_between(first: date, last: date) -> int:
    return 12 * (last.year - first.year) + last.month - first.month


def span(first: date | None, last: date | None, now: datetime | None = None) -> Span:
    """The span that is asked for; without dates the newest 28 that are published.

    Raises:
        SpanError: the dates are in the wrong order, too many, or no dates that anything happened on.
    """
    for day in (first, last):
        if day is not None and not EARLIEST <= day <= LATEST:
            raise SpanError(f"there are no numbers of {day}")
    newest = newest_published(now or datetime.now(UTC))
    if last is None:
        last = newest if first is None else max(first, newest)
    found = Span(first or last - (DEFAULT_DAYS - 1) * _DAY, last)
    if found.days < 1:
        raise SpanError(f"first is {found.first}, after last, which is {found.last}")
    if found.days > MOST_DAYS:
        raise SpanError(f"{found.first} to {found.last} are {found.days:,} days; ask for {MOST_DAYS} at most")
    return found
