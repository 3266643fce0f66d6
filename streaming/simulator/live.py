"""A stream of simulated readers who read now.

Belongs here: sessions that overlap as on a real site, at the times of this clock, until somebody ends it. Does not
belong here: a past day (`day.py`).
"""

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from media_analytics.settings import Brand, Settings
from streaming.sender.pace import ITEMS_AT_ONCE, TICK_SECONDS
from streaming.sender.post import Poster
from streaming.simulator import world
from streaming.simulator.chance import Chance, Weighted
from streaming.simulator.day import (
    SHARE_OF_BOTS,
    SHARE_OF_COPIES,
    SHARE_OF_LATE,
    SHARE_OF_MALFORMED,
    malformed,
)
from streaming.simulator.others import Others
from streaming.simulator.readers import Place
from streaming.simulator.sessions import Item, Visits

# Sessions that began this long before the start are under way when it starts.
_WARM_UP = timedelta(minutes=4)
_MEASURED_SESSIONS = 500
_LATEST_SECONDS = 7200


@dataclass(frozen=True)
class LiveResult:
    """What was sent of the user family, and how many items of each other family."""

    accepted: int
    rejected: int
    seconds: float
    others: dict[str, int] = field(default_factory=dict)


def live(
    settings: Settings,
    seed: int = 1,
    rate: float = 50.0,
    events: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LiveResult:
    """Send events as they happen, about `rate` reader events a second, until `events` were sent (None: for ever).

    What they cause in the other families comes on top, about a tenth.

    Raises:
        ServiceError: the collector is away or refuses.
    """
    began = time.monotonic()
    start = datetime.now(UTC)
    accepted = rejected = sent = 0
    batch: list[Item] = []
    sent_others: dict[str, int] = {}
    run_seed = f"{seed}|{start.isoformat()}"
    others = Others(settings.brands, run_seed, start)
    with Poster.to_collector(settings) as poster:

        def send() -> None:
            nonlocal accepted, rejected, sent, batch
            reply = poster.post("/v1/events/user", msgspec.json.encode(batch))
            accepted, rejected, sent = accepted + reply.accepted, rejected + reply.rejected, sent + len(batch)
            batch = []
            for family, items in others.due(datetime.now(UTC)).items():
                for place in range(0, len(items), ITEMS_AT_ONCE):
                    part = items[place : place + ITEMS_AT_ONCE]
                    poster.post(f"/v1/events/{family}", msgspec.json.encode(part))
                sent_others[family] = sent_others.get(family, 0) + len(items)
            if progress is not None:
                progress(sent, events or 0)

        next_send = start
        for moment, item in stream(settings.brands, run_seed, start, rate, others.seen):
            if batch and (moment > next_send or len(batch) >= ITEMS_AT_ONCE):
                time.sleep(max(0.0, (next_send - datetime.now(UTC)).total_seconds()))
                send()
                if events is not None and sent >= events:
                    break
                # By the stream's clock: a slow answer is caught up with.
                next_send = max(moment, next_send + timedelta(seconds=TICK_SECONDS))
            batch.append(item)
            if events is not None and sent + len(batch) >= events:
                send()
                break
    return LiveResult(accepted, rejected, time.monotonic() - began, sent_others)


def stream(
    brands: dict[str, Brand],
    seed: str,
    start: datetime,
    rate: float,
    seen: Callable[[datetime, Item], None] | None = None,
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Times and items from `start` on, in order of time, without end; a function of its arguments.

    `seen` is called with each valid item, once, before it is sent.
    """
    chance = Chance(seed)
    visits = {name: Visits(Place(name, brand, chance), chance) for name, brand in brands.items()}
    names = Weighted(list(brands), [world.BRAND_SHARES.get(name, world.DEFAULT_SHARE) for name in brands])
    pause = _items_per_session(visits, names, chance) / rate
    running: list[tuple[datetime, int, Item, Iterator[tuple[datetime, Item]]]] = []
    next_session, number = start - _WARM_UP, 0
    while True:
        while not running or running[0][0] >= next_session:
            session = visits[names.choose(chance)].session(next_session, is_bot=chance.happens(SHARE_OF_BOTS))
            moment, item = next(session)
            number += 1
            heapq.heappush(running, (moment, number, item, session))
            next_session += timedelta(seconds=chance.exponential(pause))
        moment, order, item, session = heapq.heappop(running)
        following = next(session, None)
        if following is not None:
            heapq.heappush(running, (following[0], order, following[1], session))
        if moment >= start:
            if seen is not None:
                seen(moment, item)
            yield from ((moment, sent) for sent in _with_faults(item, moment, chance))


def _items_per_session(visits: dict[str, Visits], names: Weighted[str], chance: Chance) -> float:
    """The mean over some hundred sessions that are thrown away."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    played = (
        visits[names.choose(chance)].session(moment, is_bot=chance.happens(SHARE_OF_BOTS))
        for _ in range(_MEASURED_SESSIONS)
    )
    return sum(sum(1 for _ in session) for session in played) / _MEASURED_SESSIONS


def _with_faults(item: Item, moment: datetime, chance: Chance) -> Iterator[Item]:
    """The item with its time, sometimes late, sometimes twice, sometimes followed by one nobody can accept."""
    if chance.happens(SHARE_OF_LATE):
        moment -= timedelta(seconds=chance.between(60, _LATEST_SECONDS))
    item["occurred_at"] = moment.isoformat(timespec="microseconds")
    yield item
    if chance.happens(SHARE_OF_COPIES):
        yield item
    if chance.happens(SHARE_OF_MALFORMED):
        yield malformed(item, chance)
