"""What the newsroom of a brand does on one day: items for `/v1/events/content`.

Belongs here: when articles appear, change, get another headline or go. Does not belong here: who reads them
(`readers.py`, `sessions.py`); articles are those that readers of the day see.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from streaming.simulator import world
from streaming.simulator.chance import Chance, Weighted
from streaming.simulator.readers import Article

Item = dict[str, Any]
# New articles of one brand on a day with the default number of events.
ARTICLES_A_DAY = 40


def content_day(
    brand: str, articles: Sequence[Article], midnight: datetime, count: int, chance: Chance
) -> list[tuple[datetime, Item]]:
    """Times and items of the day's first `count` articles and what becomes of them, in order of time."""
    hours = Weighted(range(24), world.NEWSROOM_HOURS)
    end = midnight + timedelta(days=1)
    timed: list[tuple[datetime, Item]] = []
    for article in articles[:count]:
        start = midnight + timedelta(hours=hours.choose(chance), seconds=chance.between(0, 3600))
        timed += [(moment, item) for moment, item in _life(brand, article, start, chance) if moment < end]
    timed.sort(key=lambda pair: (pair[0], pair[1]["event_id"]))
    return timed


def _life(brand: str, article: Article, start: datetime, chance: Chance) -> Iterator[tuple[datetime, Item]]:
    """One article from its publication on. A third of the headlines is changed; readers remember the last."""
    is_renamed = chance.happens(0.35)
    text = {
        "title": f"{chance.one_of(world.WORDS).capitalize()}: {article.title}"
        if is_renamed
        else article.title,
        "section": article.section,
        "authors": [chance.one_of(world.AUTHORS) for _ in range(1 + chance.below(2))],
        "word_count": 120 + int(chance.exponential(400)),
        "is_premium": chance.happens(0.25),
        "published_at": start.isoformat(timespec="microseconds"),
    }
    moment, revision = start, 1

    def change(kind: str) -> tuple[datetime, Item]:
        item = {
            "event_id": chance.uuid(),
            "event_type": kind,
            "brand": brand,
            "content_id": article.content_id,
            "revision": revision,
        }
        return moment, item | text

    yield change("published")
    for _ in range(int(chance.exponential(1.2))):
        moment, revision = moment + timedelta(minutes=chance.between(5, 150)), revision + 1
        text["word_count"] = int(str(text["word_count"])) + chance.below(80)
        yield change("updated")
    if is_renamed:
        moment, revision = moment + timedelta(minutes=chance.between(10, 120)), revision + 1
        text["title"] = article.title
        yield change("headline_changed")
    if chance.happens(0.03):
        moment, revision = moment + timedelta(minutes=chance.between(30, 600)), revision + 1
        yield change("unpublished")
