"""Sends a simulated day to the collector.

Belongs here: the day as requests, and its progress. Does not belong here: what the traffic is (`day.py`,
`family_day.py`), posting (`streaming/sender`), the live stream (`live.py`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import Settings
from streaming.sender import progress as state
from streaming.sender.pace import FRAME_BYTES, ITEMS_AT_ONCE, at_once, keep_rate, sized
from streaming.sender.post import Poster
from streaming.simulator.day import Day, make_day
from streaming.simulator.family_day import FAMILIES, FamilyDay, make_families

DEFAULT_EVENTS = 50_000
# Older days are sent as imports: live events of more than a week ago would take the time of their receipt.
_LIVE_DAYS = 5

# Items acknowledged, items of the whole.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FamilyResult:
    """What was sent of one family. `accepted` and `rejected` are of this run; `skipped` items of an earlier one.

    The whole day has `events` different valid events and on top `copies` (same event ids) and `malformed` items:
    accepted over all runs = events + copies, rejected = malformed.
    """

    events: int
    copies: int
    malformed: int
    accepted: int
    rejected: int
    skipped: int


@dataclass(frozen=True)
class SimulateResult(FamilyResult):
    """What was sent of the user family, and of the others. `late` events happened on an earlier date."""

    late: int = 0
    seconds: float = 0.0
    events_by_brand: dict[str, int] = field(default_factory=dict)
    families: dict[str, FamilyResult] = field(default_factory=dict)


def simulate(
    settings: Settings,
    seed: int = 1,
    date: date | None = None,
    events: int = DEFAULT_EVENTS,
    rate: float | None = None,
    reset: bool = False,
    progress: Progress | None = None,
    families: Sequence[str] = FAMILIES,
) -> SimulateResult:
    """Send a simulated day (default: yesterday, UTC) from where an earlier run of the same seed and date stopped.

    `events` are those of the user family; they cause the events of the other `families`. `rate` is in items a second.
    `reset` forgets the progress: everything is sent again with the same event ids.

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
    made = make_day(seed, day, events, settings.brands)
    others = make_families(seed, day, made, settings.brands)
    about = {"seed": str(seed), "date": day.isoformat(), "events": str(events)}
    origin = {"origin": "import"} if (today - day).days > _LIVE_DAYS else {}
    results: dict[str, FamilyResult] = {}
    days: dict[str, Day | FamilyDay] = {"user": made, **{name: others[name] for name in families}}
    whole = sum(len(part.items) for part in days.values())
    with Poster.to_collector(settings) as poster:
        for name, part in days.items():
            before = sum(done.accepted + done.rejected + done.skipped for done in results.values())
            sending = _Sending(settings, poster, rate, _shifted(progress, before, whole))
            file = progress_file(settings, seed, day, name)
            results[name] = sending.send(name, part, origin, file, about, reset=reset)
    return SimulateResult(
        **asdict(results.pop("user")),
        late=made.late,
        seconds=time.monotonic() - began,
        events_by_brand=made.events_by_brand,
        families=results,
    )


def _shifted(progress: Progress | None, before: int, whole: int) -> Callable[[int], None]:
    """Progress of one family within that of all."""

    def told(items: int) -> None:
        if progress is not None:
            progress(before + items, whole)

    return told


@dataclass(frozen=True)
class _Sending:
    """One family's items, from where an earlier run stopped. `told` is called with the items acknowledged so far."""

    settings: Settings
    poster: Poster
    rate: float | None
    told: Callable[[int], None]

    def send(
        self,
        family: str,
        made: Day | FamilyDay,
        origin: dict[str, str],
        file: Path,
        about: dict[str, str],
        *,
        reset: bool,
    ) -> FamilyResult:
        """Post the items that are not acknowledged yet; each request is recorded once it is."""
        began = time.monotonic()
        with state.held(file) as recorded:
            before = state.Sent() if reset else recorded
            _check_same(before, about)
            sent = before
            encoded = (msgspec.json.encode(item | origin) for item in made.items[before.items :])
            for batch in _batches(encoded, self.settings, self.rate):
                keep_rate(self.rate, sent.items - before.items, began)
                reply = self.poster.post(f"/v1/events/{family}", b"[" + b",".join(batch) + b"]")
                sent = sent.advanced(sent.items + len(batch), reply, about)
                state.save(file, sent)
                self.told(sent.items)
        return FamilyResult(
            events=made.events,
            copies=made.copies,
            malformed=made.malformed,
            accepted=sent.accepted - before.accepted,
            rejected=sent.rejected - before.rejected,
            skipped=before.items,
        )


def progress_file(settings: Settings, seed: int, day: date, family: str = "user") -> Path:
    """Where the progress of a family's day is kept."""
    suffix = "" if family == "user" else f"-{family}"
    return settings.home / "simulate" / f"{day.isoformat()}-seed-{seed}{suffix}.json"


def _check_same(before: state.Sent, about: dict[str, str]) -> None:
    if before.items and before.about != about:
        raise MediaAnalyticsError(
            f"seed {about['seed']} of {about['date']} was sent with {before.about.get('events')} events; use the same "
            "number, another seed, or --reset"
        )


def _batches(items: Iterator[bytes], settings: Settings, rate: float | None) -> Iterator[list[bytes]]:
    most = min(ITEMS_AT_ONCE if rate is None else at_once(rate), settings.collector.max_items)
    return sized(items, most, settings.collector.max_body_bytes - FRAME_BYTES)
