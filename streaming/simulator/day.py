"""One simulated day of all brands, in the order it is sent.

Belongs here: when sessions start, how many events a brand has, and the faults every real stream has: copies, late
events, items no collector can accept. Does not belong here: sending. The day is a function of seed, date, number of
events and brands, and of nothing else.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from media_analytics.settings import Brand
from streaming.simulator import world
from streaming.simulator.chance import Chance, Weighted
from streaming.simulator.readers import Place
from streaming.simulator.sessions import Item, Visits

SHARE_OF_BOTS = 0.06
SHARE_OF_COPIES = 0.01
SHARE_OF_LATE = 0.01
SHARE_OF_MALFORMED = 0.005
# Late events happened this long before the day began, at most.
_LATEST_HOURS = 30.0


@dataclass
class Day:
    """Items in sending order, and what is among them.

    `events` is the number of different valid events; `copies` come on top with the same event id, `malformed` items are
    rejected by the collector. `late` events are among `events`: they happened on an earlier date. `timed` are the valid
    items with the time at which they are sent.
    """

    items: list[Item] = field(default_factory=list)
    events: int = 0
    copies: int = 0
    late: int = 0
    malformed: int = 0
    events_by_brand: dict[str, int] = field(default_factory=dict)
    timed: list[tuple[datetime, Item]] = field(default_factory=list)


def make_day(seed: int, day: date, events: int, brands: Mapping[str, Brand]) -> Day:
    """The day with exactly `events` different valid events."""
    midnight = datetime.combine(day, time(0), UTC)
    timed: list[tuple[datetime, Item]] = []
    made = Day(events=events)
    for name, count in _quotas(events, brands).items():
        chance = Chance(f"{seed}|{day.isoformat()}|{name}")
        timed += _brand_day(name, brands[name], count, midnight, chance)
        made.events_by_brand[name] = count
    timed.sort(key=lambda pair: (pair[0], pair[1]["event_id"]))
    made.timed = timed
    _add_faults(made, timed, midnight, Chance(f"{seed}|{day.isoformat()}|faults"))
    return made


def _quotas(events: int, brands: Mapping[str, Brand]) -> dict[str, int]:
    """Events of each brand in proportion to its share; the sum is exact."""
    shares = {name: world.BRAND_SHARES.get(name, world.DEFAULT_SHARE) for name in sorted(brands)}
    total = sum(shares.values())
    quotas: dict[str, int] = {}
    passed, given = 0.0, 0
    for name, share in shares.items():
        passed += share
        quotas[name] = round(events * passed / total) - given
        given += quotas[name]
    return quotas


def _brand_day(
    name: str, brand: Brand, count: int, midnight: datetime, chance: Chance
) -> list[tuple[datetime, Item]]:
    visits = Visits(Place(name, brand, chance), chance)
    hours = Weighted(range(24), world.DIURNAL)
    end = midnight + timedelta(days=1)
    timed: list[tuple[datetime, Item]] = []
    while len(timed) < count:
        start = midnight + timedelta(hours=hours.choose(chance), seconds=chance.between(0, 3600))
        session = visits.session(start, is_bot=chance.happens(SHARE_OF_BOTS))
        # A visit that would go on after midnight ends there.
        timed += [(moment, item) for moment, item in session if moment < end]
    return timed[:count]


def _add_faults(made: Day, timed: list[tuple[datetime, Item]], midnight: datetime, chance: Chance) -> None:
    """Put times into the items, make some late, and mix copies and malformed items in."""
    extra: list[tuple[float, Item]] = []
    for place, (moment, item) in enumerate(timed):
        if chance.happens(SHARE_OF_LATE):
            # A phone that was offline: it happened on an earlier day and is sent now.
            moment = midnight - timedelta(hours=chance.between(0.1, _LATEST_HOURS))
            made.late += 1
        item["occurred_at"] = moment.isoformat(timespec="microseconds")
        if chance.happens(SHARE_OF_COPIES):
            # A client that saw no answer sends again a little later.
            extra.append((place + chance.between(1, 500), item))
            made.copies += 1
        if chance.happens(SHARE_OF_MALFORMED):
            extra.append((place + chance.fraction(), malformed(item, chance)))
            made.malformed += 1
    extra.sort(key=lambda pair: pair[0])
    places = [place for place, _ in extra]
    next_extra = 0
    for place, (_, item) in enumerate(timed):
        upto = bisect_left(places, place, next_extra)
        made.items += [faulty for _, faulty in extra[next_extra:upto]]
        next_extra = upto
        made.items.append(item)
    made.items += [faulty for _, faulty in extra[next_extra:]]


def malformed(item: Item, chance: Chance) -> dict[str, Any]:
    """An item that breaks exactly one rule."""
    broken = {**item, "event_id": chance.uuid()}
    change: dict[str, Any] = chance.one_of(
        (
            {"event_type": "page_viewed"},
            {"brand": "daily_planet"},
            {"occurred_at": "yesterday"},
            {"occurred_at": "1970-01-01T00:00:00Z"},
            {"ip": "999.1.2.3"},
            {"position": "first"},
            {"user_agent": "x" * 3000},
            {"scroll_pct": 250.0},
            {"consent": ["everything"]},
            {"event_id": "not-a-uuid"},
        )
    )
    return broken | change
