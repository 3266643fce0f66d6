"""What one reader does in one visit.

Belongs here: the events of a session, as items for `/v1/events/user`. Does not belong here: when sessions start
(`day.py`), who the readers are (`readers.py`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from streaming.simulator import world
from streaming.simulator.chance import Chance, Weighted
from streaming.simulator.readers import Article, Place, Reader

Item = dict[str, Any]
_PING_SECONDS = 10.0


class Visits:
    """Plays visits on one brand."""

    def __init__(self, place: Place, chance: Chance) -> None:
        self._place = place
        self._chance = chance
        self._sources = Weighted(world.SOURCES, [s.share for s in world.SOURCES])
        self._tiers = Weighted([t for t, _ in world.TIERS], [share for _, share in world.TIERS])

    def session(self, start: datetime, *, is_bot: bool) -> Iterator[tuple[datetime, Item]]:
        """Times and items of one visit, in order."""
        if is_bot:
            yield from self._crawl(start)
        else:
            yield from self._visit(start)

    def _crawl(self, start: datetime) -> Iterator[tuple[datetime, Item]]:
        bot, now = self._place.bot(), start
        for _ in range(1 + int(self._chance.exponential(12))):
            article = self._place.article()
            yield now, self._item("page_view", bot, article, article.url, None)
            now += timedelta(seconds=self._chance.between(0.5, 20))

    def _visit(self, start: datetime) -> Iterator[tuple[datetime, Item]]:
        chance = self._chance
        reader, now = self._place.reader(), start
        source = self._sources.choose(chance)
        referrer: str | None = source.referrer
        for page in range(1 + int(chance.exponential(2.2))):
            article = self._place.article()
            url = f"{article.url}?{source.campaign}" if page == 0 and source.campaign else article.url
            for moment, item in self._page(reader, article, url, referrer, now):
                yield moment, item
                now = moment
            referrer = article.url
            now += timedelta(seconds=chance.between(1, 15))
        if reader.customer_id and chance.happens(0.03):
            yield now, self._subscription(reader)

    def _page(
        self, reader: Reader, article: Article, url: str, referrer: str | None, now: datetime
    ) -> Iterator[tuple[datetime, Item]]:
        chance = self._chance
        yield now, self._item("page_view", reader, article, url, referrer)
        scroll = 0.0
        # A third of the pages are left at once; the others are read for half a minute, on average.
        for _ in range(0 if chance.happens(0.33) else 1 + int(chance.exponential(3))):
            now += timedelta(seconds=_PING_SECONDS)
            scroll = min(100.0, scroll + chance.between(0, 30))
            ping = self._item("page_ping", reader, article, url, referrer)
            ping["engaged_seconds"] = round(chance.between(2, _PING_SECONDS), 1)
            ping["scroll_pct"] = round(scroll, 1)
            yield now, ping
        if article.has_video and chance.happens(0.4):
            video = list(self._video(reader, article, url, referrer, now))
            yield from video
            now = video[-1][0]
        for kind, probability in (
            ("click", 0.35),
            ("share", 0.03),
            ("search", 0.03),
            ("newsletter_signup", 0.005),
        ):
            if chance.happens(probability):
                now += timedelta(seconds=chance.between(1, 20))
                yield now, self._action(kind, reader, article, url, referrer)

    def _video(
        self, reader: Reader, article: Article, url: str, referrer: str | None, now: datetime
    ) -> Iterator[tuple[datetime, Item]]:
        length = 30 + self._chance.below(120)
        watched = self._chance.between(0, length * 1.6)
        for position in (0, length // 4, length // 2, 3 * length // 4, length):
            if position > watched:
                return
            kind = (
                "video_start"
                if position == 0
                else "video_complete"
                if position == length
                else "video_progress"
            )
            item = self._item(kind, reader, article, url, referrer)
            item["video_position_seconds"] = float(position)
            yield now + timedelta(seconds=position), item

    def _action(self, kind: str, reader: Reader, article: Article, url: str, referrer: str | None) -> Item:
        item = self._item(kind, reader, article, url, referrer)
        if kind == "click":
            item["position"] = self._chance.below(20)
        elif kind == "search":
            item["query"] = self._chance.one_of(world.SEARCHES)
        elif kind == "share":
            item["properties"] = {"target": self._chance.one_of(world.SHARE_TARGETS)}
        return item

    def _subscription(self, reader: Reader) -> Item:
        chance = self._chance
        kind = "subscription_cancel" if chance.happens(0.25) else "subscription_start"
        item = self._item(kind, reader, None, f"{self._place.home_url}/abo", None)
        item["tier"] = self._tiers.choose(chance)
        item["product"] = f"{self._place.name}-plus"
        return item

    def _item(
        self, kind: str, reader: Reader, article: Article | None, url: str, referrer: str | None
    ) -> Item:
        item: Item = {
            "event_id": self._chance.uuid(),
            "event_type": kind,
            "brand": self._place.name,
            "page_url": url,
            "ip": reader.ip,
            "user_agent": reader.user_agent,
        }
        if article is not None:
            item["title"] = article.title
            item["content_id"] = article.content_id
            item["section"] = article.section
        if referrer is not None:
            item["referrer"] = referrer
        if reader.customer_id is not None:
            item["customer_id"] = reader.customer_id
            item["segment"] = reader.segment
        if reader.anonymous_id is not None:
            item["anonymous_id"] = reader.anonymous_id
        if reader.consent is not None:
            item["consent"] = list(reader.consent)
        return item
