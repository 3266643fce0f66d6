"""The other families beside a live stream of readers.

Belongs here: what readers and newsroom cause now, kept until its time comes. Does not belong here: readers (`live.py`),
a past day (`family_day.py`).
"""

import heapq
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from itertools import count

from media_analytics.settings import Brand
from streaming.simulator.accounts import Accounts
from streaming.simulator.chance import Chance
from streaming.simulator.newsroom import ARTICLES_A_DAY, Item, content_day
from streaming.simulator.readers import Place


class Others:
    """Items of the other families from `start` on; a function of its arguments and of the items it is shown."""

    def __init__(self, brands: Mapping[str, Brand], seed: str, start: datetime) -> None:
        self._accounts = Accounts(seed)
        self._content = _content(brands, seed, start)
        self._waiting: list[tuple[datetime, int, str, Item]] = []
        self._number = count()
        self._wait("content", *next(self._content))

    def seen(self, moment: datetime, cause: Item) -> None:
        """A reader's event happened."""
        for family, at, item in self._accounts.after(moment, cause):
            self._wait(family, at, item)

    def due(self, now: datetime) -> dict[str, list[Item]]:
        """Items that happened by `now`, by family, each once."""
        found: dict[str, list[Item]] = {}
        while self._waiting and self._waiting[0][0] <= now:
            moment, _, family, item = heapq.heappop(self._waiting)
            item["occurred_at"] = moment.isoformat(timespec="microseconds")
            found.setdefault(family, []).append(item)
            if family == "content":
                self._wait("content", *next(self._content))
        return found

    def _wait(self, family: str, moment: datetime, item: Item) -> None:
        heapq.heappush(self._waiting, (moment, next(self._number), family, item))


def _content(brands: Mapping[str, Brand], seed: str, start: datetime) -> Iterator[tuple[datetime, Item]]:
    """What the newsrooms do, day after day; their articles are those of the stream of the same seed."""
    chance = Chance(seed)
    places = {name: Place(name, brand, chance) for name, brand in brands.items()}
    midnight = datetime.combine(start.date(), time(0), UTC)
    while True:
        timed: list[tuple[datetime, Item]] = []
        for name, place in places.items():
            newsroom = Chance(f"{seed}|{midnight.date().isoformat()}|{name}|newsroom")
            timed += content_day(name, place.newest, midnight, ARTICLES_A_DAY, newsroom)
        timed.sort(key=lambda pair: (pair[0], pair[1]["event_id"]))
        yield from (pair for pair in timed if pair[0] >= start)
        midnight += timedelta(days=1)
