"""When a touched date is reported, so that it is recomputed neither at every batch nor too late.

Belongs here: the pure bookkeeping between a tick of the stream's monitor and the next. Does not belong here: reading
the table of touched dates, reporting (`monitors.py`).

Rules: the open date at most every `open_date_interval_seconds`, a closed date `closed_date_delay_seconds` after its
last arrival, a date that is not a partition yet when it is one.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from media_analytics.settings import Automation

# One report is an event in Dagster's log (15 ms on sqlite); an import of many years goes over several ticks.
DATES_PER_TICK = 200


class Pending(BaseModel):
    """Arrivals of one date since its last report."""

    last_arrival: datetime
    rows: int = 0


class Debounce(BaseModel):
    """The monitor's memory: its cursor, as JSON."""

    # Newest commit read, by table.
    versions: dict[str, int] = Field(default_factory=dict)
    pending: dict[date, Pending] = Field(default_factory=dict)
    # When an open date was reported last.
    reported: dict[date, datetime] = Field(default_factory=dict)
    # Arrival hours with rows that are not reported yet, and when an hour was reported last.
    written_hours: set[str] = Field(default_factory=set)
    reported_hours: dict[str, datetime] = Field(default_factory=dict)
    # Any other report, by name: checks and daily signs of life.
    said: dict[str, datetime] = Field(default_factory=dict)
    said_value: dict[str, str] = Field(default_factory=dict)

    def arrived(self, day: date, rows: int, now: datetime) -> None:
        """Remember that rows of `day` arrived."""
        before = self.pending.get(day)
        self.pending[day] = Pending(last_arrival=now, rows=rows + (before.rows if before else 0))

    def due_hours(self, current: str, now: datetime, at_most_every: timedelta) -> list[str]:
        """Hours with new rows to report now: a past one at once, the current one not too often."""
        found = [
            hour
            for hour in sorted(self.written_hours)
            if hour != current
            or hour not in self.reported_hours
            or now - self.reported_hours[hour] >= at_most_every
        ]
        self.written_hours -= set(found)
        self.reported_hours = {current: now} if current in found else self.reported_hours
        return found

    def due(self, now: datetime, rules: Automation) -> dict[date, Pending]:
        """The dates to report now; they are then no longer pending."""
        found = sorted(day for day in self.pending if self._is_due(day, now, rules))[:DATES_PER_TICK]
        self.reported = {d: at for d, at in self.reported.items() if d >= _today(now)}
        for day in found:
            if day == _today(now):
                self.reported[day] = now
        return {day: self.pending.pop(day) for day in found}

    def _is_due(self, day: date, now: datetime, rules: Automation) -> bool:
        if day > _today(now):
            return False
        if day == _today(now):
            last = self.reported.get(day)
            return last is None or now - last >= timedelta(seconds=rules.open_date_interval_seconds)
        return now - self.pending[day].last_arrival >= timedelta(seconds=rules.closed_date_delay_seconds)

    def is_time_for(self, name: str, value: str, now: datetime, at_least_every: timedelta) -> bool:
        """Whether to say `name` now: its value changed, or it was said too long ago. Saying it is remembered."""
        last = self.said.get(name)
        if last is not None and self.said_value.get(name) == value and now - last < at_least_every:
            return False
        self.said[name], self.said_value[name] = now, value
        return True


def load(cursor: str | None) -> Debounce:
    """The memory of the last tick; empty at the first."""
    return Debounce.model_validate_json(cursor) if cursor else Debounce()


def sums(changes: Iterable[tuple[str | None, int]]) -> Mapping[str, int]:
    """Rows by partition value."""
    total: dict[str, Any] = {}
    for partition, rows in changes:
        if partition is not None:
            total[partition] = total.get(partition, 0) + rows
    return total


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()
