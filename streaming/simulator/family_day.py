"""One simulated day of the other families, in the order it is sent.

Belongs here: which items a day of readers causes, and the faults every real stream has. Does not belong here: sending.
The items are a function of the seed and the reader's day; making them changes nothing of that day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from media_analytics.settings import Brand
from streaming.simulator.accounts import Accounts
from streaming.simulator.chance import Chance
from streaming.simulator.day import SHARE_OF_COPIES, SHARE_OF_MALFORMED, Day
from streaming.simulator.newsroom import ARTICLES_A_DAY, Item, content_day
from streaming.simulator.readers import Place

FAMILIES = ("content", "session", "security", "compliance", "interactions")
# A day with fewer events has fewer articles, too.
_EVENTS_OF_A_DAY = 50_000


@dataclass
class FamilyDay:
    """Items of one family in sending order: `events` different valid ones, `copies` of some, `malformed` ones."""

    items: list[Item] = field(default_factory=list)
    events: int = 0
    copies: int = 0
    malformed: int = 0


def make_families(seed: int, day: date, readers: Day, brands: Mapping[str, Brand]) -> dict[str, FamilyDay]:
    """The day of every family but `user`."""
    timed: dict[str, list[tuple[datetime, Item]]] = {family: [] for family in FAMILIES}
    midnight = datetime.combine(day, time(0), UTC)
    share = min(1.0, readers.events / _EVENTS_OF_A_DAY)
    for name in sorted(brands):
        # The same chance as the reader's day: the same articles.
        articles = Place(name, brands[name], Chance(f"{seed}|{day.isoformat()}|{name}")).newest
        count = max(1, round(ARTICLES_A_DAY * share))
        chance = Chance(f"{seed}|{day.isoformat()}|{name}|newsroom")
        timed["content"] += content_day(name, articles, midnight, count, chance)
    accounts = Accounts(f"{seed}|{day.isoformat()}")
    for moment, cause in readers.timed:
        for family, at, item in accounts.after(moment, cause):
            timed[family].append((at, item))
    return {
        family: _family_day(found, Chance(f"{seed}|{day.isoformat()}|{family}|faults"))
        for family, found in timed.items()
    }


def _family_day(timed: list[tuple[datetime, Item]], chance: Chance) -> FamilyDay:
    made = FamilyDay(events=len(timed))
    for moment, item in sorted(timed, key=lambda pair: (pair[0], pair[1]["event_id"])):
        item["occurred_at"] = moment.isoformat(timespec="microseconds")
        made.items.append(item)
        if chance.happens(SHARE_OF_COPIES):
            made.items.append(item)
            made.copies += 1
        if chance.happens(SHARE_OF_MALFORMED):
            made.items.append(malformed(item, chance))
            made.malformed += 1
    return made


def malformed(item: Item, chance: Chance) -> dict[str, Any]:
    """An item that breaks exactly one rule of every family."""
    change: dict[str, Any] = chance.one_of(
        (
            {"event_type": "Nothing We Know"},
            {"brand": "daily_planet"},
            {"occurred_at": "yesterday"},
            {"occurred_at": "1970-01-01T00:00:00Z"},
            {"consent": ["everything"]},
            {"event_id": "not-a-uuid"},
            {"colour": "red"},
        )
    )
    return {**item, "event_id": chance.uuid()} | change
