"""Results of the minute analysis, as they are pushed and as they lie on the lake's store.

Belongs here: what is known of the newest day of minutes, how it is kept whole. Does not belong here: the method, who
pushes.

A push is a hint that makes a result visible at once. The files are the truth: what was pushed while nobody listened,
and everything after a start, is read from them, in order.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from media_analytics.dashboard.answers import Anomaly, MinuteResult, Page
from media_analytics.dashboard.reading.kept import Kept
from media_analytics.resources.minute_files import MinuteFiles, Progress

MINUTE = timedelta(minutes=1)
# Minutes in memory, and read from files in one step at most.
KEPT_MINUTES = 24 * 60
LOOK_SECONDS = 5.0


class Minutes:
    """Results by minute. Nothing is read before first use."""

    def __init__(self, files: MinuteFiles) -> None:
        """Keep the place; read later."""
        self._files = files
        self._lock = threading.Lock()
        self._known: dict[datetime, MinuteResult] = {}
        self._progress: Kept[Progress | None] = Kept(files.progress, LOOK_SECONDS)

    def push(self, result: MinuteResult) -> bool:
        """Take a result; whether its minute is new."""
        minute = _minute(result.window_start)
        with self._lock:
            is_new = minute not in self._known
            self._known[minute] = result
            self._forget()
        return is_new

    def page(self, limit: int, before: datetime | None = None) -> Page[MinuteResult]:
        """Results of minutes that began before an instant, the newest first."""
        self._catch_up()
        span = self._span()
        if span is None:
            return Page(items=[])
        oldest, newest = span
        last = newest if before is None else min(newest, _minute(before - timedelta(microseconds=1)))
        first = max(oldest, last - (limit - 1) * MINUTE)
        items = self._between(first, last)
        return Page(items=items[::-1], next=first.isoformat() if oldest < first <= last else None)

    def _span(self) -> tuple[datetime, datetime] | None:
        """The oldest and the newest minute with a result."""
        progress = self._progress.get()
        with self._lock:
            ends = [min(self._known), max(self._known)] if self._known else []
        if progress is not None:
            ends += [progress.first, progress.latest]
        return (min(ends), max(ends)) if ends else None

    def one(self, minute: datetime) -> MinuteResult | None:
        """The result of a minute; None when there is none."""
        start = _minute(minute)
        return next(iter(self._between(start, start)), None)

    def anomalies(self, limit: int, before: datetime | None = None) -> Page[Anomaly]:
        """Anomalies of the kept day, the newest first."""
        self._catch_up()
        with self._lock:
            results = sorted(self._known.values(), key=lambda r: r.window_start, reverse=True)
        found = [
            Anomaly(window_start=r.window_start, **a.model_dump())
            for r in results
            if before is None or r.window_start < before
            for a in r.anomalies
        ]
        if len(found) <= limit:
            return Page(items=found)
        # A page ends with a whole minute, so that `before` leaves nothing out.
        end = found[limit].window_start
        shown = [a for a in found[:limit] if a.window_start > end] or [
            a for a in found if a.window_start == end
        ]
        return Page(items=shown, next=shown[-1].window_start.isoformat())

    def _catch_up(self) -> None:
        """Read the results of the kept day that nobody pushed."""
        progress = self._progress.get()
        if progress is None:
            return
        first = max(progress.first, progress.latest - (KEPT_MINUTES - 1) * MINUTE)
        self._between(first, progress.latest)

    def _between(self, first: datetime, last: datetime) -> list[MinuteResult]:
        """Results of `[first, last]`, read from files where not known."""
        minutes = [first + n * MINUTE for n in range(int((last - first) / MINUTE) + 1)]
        with self._lock:
            found = {m: self._known[m] for m in minutes if m in self._known}
        missing = [m for m in minutes if m not in found]
        for minute, document in zip(missing, self._files.results(missing), strict=True):
            if document is not None:
                found[minute] = _result(document)
        with self._lock:
            for minute in missing:
                if minute in found:
                    self._known.setdefault(minute, found[minute])
            self._forget()
        return [found[m] for m in minutes if m in found]

    def _forget(self) -> None:
        """Keep the newest day. The caller holds the lock."""
        for minute in sorted(self._known)[:-KEPT_MINUTES]:
            del self._known[minute]


def _minute(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(second=0, microsecond=0)


def _result(document: Mapping[str, Any]) -> MinuteResult:
    return MinuteResult.model_validate(document)
