"""Sends a simulated day to the collector.

Belongs here: the day as requests, and its progress. Does not belong here: what the traffic is (`day.py`), posting
(`streaming/sender`), the live stream (`live.py`).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import Settings
from streaming.sender import progress as state
from streaming.sender.pace import FRAME_BYTES, ITEMS_AT_ONCE, at_once, keep_rate, sized
from streaming.sender.post import Poster
from streaming.simulator.day import make_day

DEFAULT_EVENTS = 50_000
# Older days are sent as imports: live events of more than a week ago would take the time of their receipt.
_LIVE_DAYS = 5

# Items acknowledged, items of the whole.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SimulateResult:
    """What was sent. `accepted` and `rejected` are of this run; `skipped` items were acknowledged in an earlier one.

    The whole day has `events` different valid events, of which `late` happened on an earlier date, and on top
    `copies` (same event ids) and `malformed` items: accepted over all runs = events + copies, rejected = malformed.
    """

    events: int
    copies: int
    late: int
    malformed: int
    accepted: int
    rejected: int
    skipped: int
    seconds: float
    events_by_brand: dict[str, int] = field(default_factory=dict)


def simulate(
    settings: Settings,
    seed: int = 1,
    date: date | None = None,
    events: int = DEFAULT_EVENTS,
    rate: float | None = None,
    reset: bool = False,
    progress: Progress | None = None,
) -> SimulateResult:
    """Send a simulated day (default: yesterday, UTC) from where an earlier run of the same seed and date stopped.

    `rate` is in items a second. `reset` forgets the progress: everything is sent again with the same event ids.

    Raises:
        MediaAnalyticsError: the date has not passed, or the day was sent before with another number of events.
        ServiceError: the collector is away or refuses; what was acknowledged is recorded.
    """
    began = time.monotonic()
    today = datetime.now(UTC).date()
    day = date or today - timedelta(days=1)
    if not settings.history_start <= day < today:
        raise MediaAnalyticsError(
            f"date is {day}; expected {settings.history_start} to yesterday. For now use --live"
        )
    file = progress_file(settings, seed, day)
    about = {"seed": str(seed), "date": day.isoformat(), "events": str(events)}
    origin = {"origin": "import"} if (today - day).days > _LIVE_DAYS else {}
    with state.held(file) as recorded, Poster.to_collector(settings) as poster:
        before = state.Sent() if reset else recorded
        _check_same(before, about)
        made = make_day(seed, day, events, settings.brands)
        sent = before
        encoded = (msgspec.json.encode(item | origin) for item in made.items[before.items :])
        for batch in _batches(encoded, settings, rate):
            keep_rate(rate, sent.items - before.items, began)
            reply = poster.post("/v1/events/user", b"[" + b",".join(batch) + b"]")
            sent = sent.advanced(sent.items + len(batch), reply, about)
            state.save(file, sent)
            if progress is not None:
                progress(sent.items, len(made.items))
    return SimulateResult(
        events=made.events,
        copies=made.copies,
        late=made.late,
        malformed=made.malformed,
        accepted=sent.accepted - before.accepted,
        rejected=sent.rejected - before.rejected,
        skipped=before.items,
        seconds=time.monotonic() - began,
        events_by_brand=made.events_by_brand,
    )


def progress_file(settings: Settings, seed: int, day: date) -> Path:
    """Where the progress of a day is kept."""
    return settings.home / "simulate" / f"{day.isoformat()}-seed-{seed}.json"


def _check_same(before: state.Sent, about: dict[str, str]) -> None:
    if before.items and before.about != about:
        raise MediaAnalyticsError(
            f"seed {about['seed']} of {about['date']} was sent with {before.about.get('events')} events; use the same "
            "number, another seed, or --reset"
        )


def _batches(items: Iterator[bytes], settings: Settings, rate: float | None) -> Iterator[list[bytes]]:
    most = min(ITEMS_AT_ONCE if rate is None else at_once(rate), settings.collector.max_items)
    return sized(items, most, settings.collector.max_body_bytes - FRAME_BYTES)
