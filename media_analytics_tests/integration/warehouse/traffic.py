"""What the lake holds of a few weeks of readers, subscribers and articles, from a seed.

Belongs here: events, and the rows of silver and gold that the reference makes of them. Does not belong here: stores.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.model import TableContract
from media_analytics_tests.builders import reference, reference_intervals
from media_analytics_tests.builders.events import MIDNIGHT, event_id, silver_event
from media_analytics_tests.builders.traffic import varied_event

Row = dict[str, Any]
DAYS = 40
FIRST = MIDNIGHT.date()
SECTIONS = ("politics", "business", "sports")


@dataclass(frozen=True)
class Span:
    """The days on which things happen: `count` of them from midnight `begin` on."""

    begin: datetime
    count: int

    def moment(self, chance: random.Random) -> datetime:
        return self.begin + timedelta(days=chance.randrange(self.count), seconds=chance.uniform(0, 86_400))


@dataclass(frozen=True)
class Traffic:
    """Events of readers and subscribers, and the catalogue."""

    readers: Sequence[Row]
    subscribers: Sequence[Row]
    catalogue: Sequence[Row]
    first: date = FIRST
    count: int = DAYS

    @classmethod
    def of(cls, seed: int, visitors: int = 120, first: date = FIRST, count: int = DAYS) -> "Traffic":
        """Traffic of `count` days from `first` on; the same seed is the same traffic."""
        chance, span = random.Random(seed), Span(datetime.combine(first, time(), UTC), count)
        numbers = iter(range(10_000_000))
        visits = [e for v in range(visitors) for e in _visits(chance, numbers, v, span)]
        subscribers = [e for c in range(40) for e in _subscriber(chance, numbers, c, span)]
        readers = visits + _before(chance, numbers, subscribers)
        return cls(readers, subscribers, _catalogue(chance, span), first, count)

    def without(self, days: Iterable[date]) -> "Traffic":
        """As if nothing had been read on some days yet."""
        left_out = set(days)
        return replace(self, readers=[e for e in self.readers if e["occurred_at"].date() not in left_out])

    def only(self, arrived: Iterable[str]) -> "Traffic":
        """As far as events with these ids go; the catalogue is there from the begin."""
        ids = set(arrived)
        return replace(
            self,
            readers=[e for e in self.readers if e["event_id"] in ids],
            subscribers=[e for e in self.subscribers if e["event_id"] in ids],
        )

    @property
    def days(self) -> list[date]:
        """Dates that any row can have."""
        return [self.first + timedelta(days=n) for n in range(self.count + 2)]

    def sessions(self) -> list[Row]:
        return reference.sessions(self.readers)

    def events(self) -> list[Row]:
        """Every event, as the live tables hold them."""
        return [{"scroll_pct": None, "referrer_source": None} | e for e in (*self.readers, *self.subscribers)]

    def intervals(self) -> list[Row]:
        return reference_intervals.subscriptions(self.subscribers)[0]

    def tables(self) -> Mapping[str, list[Row]]:
        """Rows of the lake's tables by name."""
        subscriptions = reference_intervals.reader_subscriptions(self.subscribers, self.days)
        return {
            "sessions": self.sessions(),
            "reader_sessions": reference.reader_sessions(self.readers),
            "reader_engagement": reference.reader_engagement(self.readers),
            "reader_subscriptions": subscriptions,
            "subscriptions": self.intervals(),
            "content": list(self.catalogue),
        }


def as_arrow(contract: TableContract, rows: Iterable[Row]) -> pa.Table:
    """Rows in the contract's columns; when they were loaded does not matter."""
    full = [{"loaded_at": MIDNIGHT} | row for row in rows]
    names = contract.column_names
    return pa.Table.from_pylist([{n: r.get(n) for n in names} for r in full], schema=arrow_schema(contract))


def _visits(chance: random.Random, numbers: Iterator[int], visitor: int, span: Span) -> list[Row]:
    events = []
    for _ in range(chance.choice([1, 1, 2, 4, 9])):
        now = span.moment(chance)
        for _ in range(chance.choice([1, 2, 3, 8])):
            events.append(varied_event(chance, next(numbers), now, visitor))
            now += timedelta(seconds=chance.choice([0, 20, 900, 1799, 1801]))
    return events


def _subscriber(chance: random.Random, numbers: Iterator[int], customer: int, span: Span) -> list[Row]:
    now = span.begin + timedelta(days=chance.randrange(span.count), seconds=chance.randrange(86_400))
    end = span.begin + timedelta(days=span.count)
    fields = {
        "brand": chance.choice(["bild", "welt"]),
        "customer_id": f"k{customer}",
        "visitor_id": f"c:k{customer}",
        "tier": chance.choice(["basic", "premium", None]),
        "segment": chance.choice(["a", None]),
        "is_bot": chance.random() < 0.1,
    }
    events = []
    for event_type in chance.choice(
        [
            ("subscription_start",),
            ("subscription_start", "subscription_cancel"),
            ("subscription_start", "subscription_cancel", "subscription_start"),
            ("subscription_start", "subscription_start", "subscription_cancel"),
        ]
    ):
        if now < end:
            events.append(silver_event(next(numbers), now, event_type=event_type, **fields))
        now += timedelta(days=chance.choice([0, 1, 1, 9]), hours=chance.choice([0, 5]))
    return events


def _before(chance: random.Random, numbers: Iterator[int], subscribers: Sequence[Row]) -> list[Row]:
    """Pages that subscribers looked at before they began, some of them on the day before."""
    return [
        silver_event(
            next(numbers),
            start["occurred_at"] - timedelta(minutes=minutes),
            brand=start["brand"],
            visitor_id=start["visitor_id"],
            page_key=chance.choice(["/a", "/b", "/c", None]),
            is_bot=start["is_bot"],
            scroll_pct=chance.choice([None, 20.0, 50.0, 90.0]),
            referrer_source=None,
        )
        for start in subscribers
        if start["event_type"] == "subscription_start"
        for minutes in chance.sample([1, 7, 400], chance.choice([0, 1, 2]))
    ]


def _catalogue(chance: random.Random, span: Span) -> list[Row]:
    """Two revisions of two of the three pages; the second changes section and authors."""
    rows = []
    for place, (brand, page) in enumerate((b, p) for b in ("bild", "welt") for p in ("/a", "/b")):
        begin: datetime = span.begin - timedelta(days=3)
        published = span.begin + timedelta(
            days=chance.randrange(span.count - 3), hours=chance.choice([0, 9, 20]), minutes=15
        )
        change = span.begin + timedelta(days=chance.randrange(5, span.count), hours=7)
        for revision, (since, until) in enumerate(((begin, change), (change, None))):
            rows.append(
                {
                    "brand": brand,
                    "content_id": page,
                    "event_id": event_id(90_000_000 + 10 * place + revision),
                    "event_type": "updated" if revision else "published",
                    "revision": revision,
                    "title": f"{page} {revision}",
                    "section": chance.choice(SECTIONS),
                    "authors": chance.sample(["Ada", "Grace", "Émilie"], chance.choice([0, 1, 2])),
                    "word_count": 400 + revision,
                    "is_premium": bool(revision),
                    "published_at": published,
                    "is_published": True,
                    "valid_from": since,
                    "valid_to": until,
                }
            )
    return rows
