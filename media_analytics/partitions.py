"""Which days and hours exist, and how one set maps to another.

Belongs here: the two partition sets of the platform, the dates an event can touch, contiguous ranges. Does not belong
here: when a partition is computed (`automation/`), what it holds (`assets/`).
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

from media_analytics.contracts.model import Daily, Hourly, Partitioning
from media_analytics.settings import Settings

DAY = timedelta(days=1)
HOUR_FORMAT = "%Y-%m-%dT%H"
# Dagster's own text of an hourly partition.
HOUR_KEY_FORMAT = "%Y-%m-%d-%H:%M"
# From this time of day on, a session may stand open at midnight although its next event comes after it.
SESSION_GAP = timedelta(minutes=30)
PARTITIONS_PER_RUN = 366


@dataclass(frozen=True)
class Partitions:
    """The day set and the hour set of one installation. Both include the day or hour that is not over yet."""

    daily: dg.DailyPartitionsDefinition
    hourly: dg.HourlyPartitionsDefinition

    @classmethod
    def of(cls, settings: Settings) -> "Partitions":
        """Days from `history_start`, hours from `arrival_start`, both UTC."""
        return cls(
            daily=dg.DailyPartitionsDefinition(
                start_date=settings.history_start.isoformat(), timezone="UTC", end_offset=1
            ),
            hourly=dg.HourlyPartitionsDefinition(
                start_date=f"{settings.arrival_start.isoformat()}-00:00", timezone="UTC", end_offset=1
            ),
        )

    def definition(self, partitioning: Partitioning) -> dg.TimeWindowPartitionsDefinition | None:
        """The set a contract's partitioning means; None for a table that is replaced as a whole."""
        if isinstance(partitioning, Daily):
            return self.daily
        if isinstance(partitioning, Hourly):
            return self.hourly
        return None

    def existing_days(self, dates: Iterable[date], now: datetime) -> list[date]:
        """Those of `dates` that are partitions at `now`: not before the first day, not in the future."""
        first = self.daily.start.date()
        return sorted({d for d in dates if first <= d <= now.astimezone(UTC).date()})


def hour_key(hour: str) -> str:
    """Dagster's partition key of an hour written as `YYYY-MM-DDTHH`."""
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC).strftime(HOUR_KEY_FORMAT)


def hour_of(instant: datetime) -> str:
    """The hour of an instant, as tables store it."""
    return instant.astimezone(UTC).strftime(HOUR_FORMAT)


def minutes_of_hours(hour_keys: Iterable[str]) -> list[datetime]:
    """Every minute of hours given by Dagster's partition keys, oldest first."""
    starts = sorted(datetime.strptime(key, HOUR_KEY_FORMAT).replace(tzinfo=UTC) for key in hour_keys)
    return [start + timedelta(minutes=n) for start in starts for n in range(60)]


def session_dates(event_date: date, latest_occurred_at: datetime) -> tuple[date, ...]:
    """Session dates that new events of `event_date`, the latest at `latest_occurred_at`, can change.

    A session lies on at most two dates, so the day before and the day itself; a new event may close or join a chain
    that reaches into the next day; one at or after 23:30 may also join the next day's first session, whose end can
    lie on the day after that.
    """
    dates = [event_date - DAY, event_date, event_date + DAY]
    last_gap = datetime.combine(event_date + DAY, time(), UTC) - SESSION_GAP
    if latest_occurred_at.astimezone(UTC) >= last_gap:
        dates.append(event_date + 2 * DAY)
    return tuple(dates)


def contiguous(dates: Iterable[date], largest_gap_days: int = 0) -> list[tuple[date, date]]:
    """First and last day of each unbroken stretch; gaps of up to `largest_gap_days` days do not break one."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(dates)):
        if ranges and (day - ranges[-1][1]).days <= 1 + largest_gap_days:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def neighbours(before: int, after: int) -> dg.PartitionMapping:
    """A date needs the `before` days ahead of it and the `after` days behind it, as far as they exist."""
    with warnings.catch_warnings():
        # Beta since dagster 1.5; without it the newest date could not be backfilled: tomorrow is no partition yet.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True
        )
