"""Completeness: every offset of a closed minute is one row in each store, or a dead letter.

Belongs here: the pure logic: which minutes hold which offsets, what a minute's row says, when a minute is closed, what
is wrong. Does not belong here: asking Kafka, ClickHouse or the lake (`completeness_stores.py`), writing the table.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

MINUTE = timedelta(minutes=1)
# A minute can be judged when it ended this long ago.
SETTLED = timedelta(seconds=60)
# A minute that is not closed by then is itself a failure.
OVERDUE = timedelta(minutes=15)
SHOWN_OFFSETS = 20

Store = Literal["realtime", "lake"]
Place = tuple[datetime, int]  # minute, partition
OffsetsAt = Callable[[datetime], Mapping[int, int]]


@dataclass(frozen=True)
class Span:
    """The offsets one minute holds in one partition, both ends included."""

    minute: datetime
    partition: int
    first: int
    last: int
    # How many of the offsets are messages; None: all of them.
    messages: int | None = None

    @property
    def place(self) -> Place:
        """Minute and partition."""
        return (self.minute, self.partition)

    @property
    def count(self) -> int:
        """Messages; offsets of topics we produce without transactions are contiguous."""
        return self.last - self.first + 1 if self.messages is None else self.messages


@dataclass(frozen=True)
class StoreView:
    """What a store holds: rows and distinct coordinates by minute and partition, and how far it has come.

    `reached` is the largest offset by partition among rows and letters of this store; stores keep a partition's order.
    """

    rows: Mapping[Place, int] = field(default_factory=dict)
    distinct: Mapping[Place, int] = field(default_factory=dict)
    reached: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Letters:
    """Coordinates that became dead letters, once each, by the stage that could not use them."""

    enricher: frozenset[tuple[int, int]] = frozenset()  # partition, offset
    realtime: frozenset[tuple[int, int]] = frozenset()
    lake: frozenset[tuple[int, int]] = frozenset()

    def within(self, stage: str, span: Span) -> int:
        """How many of a stage's letters lie in a span."""
        letters: frozenset[tuple[int, int]] = getattr(self, stage)
        return sum(1 for p, o in letters if p == span.partition and span.first <= o <= span.last)


@dataclass(frozen=True)
class Judged:
    """A minute's row and whether every store has closed it."""

    span: Span
    row: Mapping[str, Any]
    open_stores: tuple[Store, ...]
    is_overdue: bool

    @property
    def is_closed(self) -> bool:
        """Every store has committed or dead-lettered all of it."""
        return not self.open_stores

    @property
    def problems(self) -> tuple[str, ...]:
        """Names of columns that are not 0 although they must be, and stores that took too long."""
        wrong = [n for n, v in self.row.items() if n.startswith(("missing_", "duplicates_")) and v]
        late = [f"not closed in {store}" for store in self.open_stores]
        return tuple(late if self.is_overdue else []) + tuple(
            wrong if self.is_closed or self.is_overdue else []
        )


def minute_of(instant: datetime) -> datetime:
    """Start of the minute, UTC."""
    return instant.astimezone(UTC).replace(second=0, microsecond=0)


def last_settled(now: datetime) -> datetime:
    """End of the newest minute that ended 60 s ago: minutes before it can be judged."""
    return minute_of(now - SETTLED)


def spans(start: datetime, end: datetime, offsets_at: OffsetsAt) -> list[Span]:
    """The offsets of every minute in `[start, end)` that saw a record.

    `offsets_at` gives, per partition, the first offset appended at or after an instant. Quiet stretches are halved
    away: the number of questions grows with the minutes that saw records, not with the time that passed.
    """
    if start >= end:
        return []
    return _between(start, end, dict(offsets_at(start)), dict(offsets_at(end)), offsets_at)


def counted_spans(records: Iterable[tuple[int, int, datetime]]) -> list[Span]:
    """The spans of a topic whose offsets have gaps, from its records: partition, offset, append time."""
    found: dict[Place, list[int]] = {}
    for partition, offset, appended_at in records:
        found.setdefault((minute_of(appended_at), partition), []).append(offset)
    return [
        Span(minute, partition, min(offsets), max(offsets), len(offsets))
        for (minute, partition), offsets in sorted(found.items())
    ]


def _between(
    start: datetime, end: datetime, first: Mapping[int, int], after: Mapping[int, int], offsets_at: OffsetsAt
) -> list[Span]:
    moved = [p for p in sorted(after) if after[p] > first.get(p, 0)]
    if not moved:
        return []
    minutes = (end - start) // MINUTE
    if minutes <= 1:
        return [Span(start, p, first.get(p, 0), after[p] - 1) for p in moved]
    middle = start + minutes // 2 * MINUTE
    at_middle = dict(offsets_at(middle))
    return _between(start, middle, first, at_middle, offsets_at) + _between(
        middle, end, at_middle, after, offsets_at
    )


def judge(
    all_spans: Iterable[Span],
    topic: str,
    topic_id: str,
    stores: Mapping[Store, StoreView],
    letters: Letters,
    now: datetime,
    erased: Mapping[Place, int] | None = None,
) -> list[Judged]:
    """One row per minute and partition. A store the topic's contract does not name has null columns."""
    return [
        _judge(span, topic, topic_id, stores, letters, now, (erased or {}).get(span.place, 0))
        for span in all_spans
    ]


def _judge(
    span: Span,
    topic: str,
    topic_id: str,
    stores: Mapping[Store, StoreView],
    letters: Letters,
    now: datetime,
    erased: int,
) -> Judged:
    unusable = letters.within("enricher", span)
    row: dict[str, Any] = {
        "date": span.minute.date(),
        "minute": span.minute,
        "topic": topic,
        "partition": span.partition,
        "topic_id": topic_id,
        "first_offset": span.first,
        "last_offset": span.last,
        "kafka_count": span.count,
        "dead_letters_enricher": unusable,
        "erased": erased,
        "checked_at": now,
    }
    open_stores: list[Store] = []
    names: Sequence[Store] = ("realtime", "lake")
    for name in names:
        columns: dict[str, Any] = dict.fromkeys(
            (
                f"{name}_count",
                f"{name}_distinct",
                f"dead_letters_{name}",
                f"missing_{name}",
                f"duplicates_{name}",
            )
        )
        view = stores.get(name)
        if view is not None:
            rows, distinct = view.rows.get(span.place, 0), view.distinct.get(span.place, 0)
            own = letters.within(name, span)
            columns = {
                f"{name}_count": rows,
                f"{name}_distinct": distinct,
                f"dead_letters_{name}": own,
                f"missing_{name}": span.count - distinct - unusable - own - erased,
                f"duplicates_{name}": rows - distinct,
            }
            if not has_reached(span, view, letters, name):
                open_stores.append(name)
        row |= columns
    late = bool(open_stores) and now >= span.minute + MINUTE + OVERDUE
    return Judged(span, row, tuple(open_stores), late)


def has_reached(span: Span, view: StoreView, letters: Letters, stage: Store) -> bool:
    """Whether the store has committed or dead-lettered everything up to the span's last offset.

    Per partition all processes keep the order of the first topic, so one coordinate at or after the last proves it.
    """
    dead = (*letters.enricher, *getattr(letters, stage))
    reached = max(
        [
            view.reached.get(span.partition, -1),
            *(offset for partition, offset in dead if partition == span.partition),
        ]
    )
    return bool(reached >= span.last)


def absent_offsets(span: Span, present: Iterable[int], letters: Letters, stage: Store) -> list[int]:
    """The span's offsets that are neither rows nor letters: what a red check names."""
    dead = {o for p, o in (*letters.enricher, *getattr(letters, stage)) if p == span.partition}
    there = set(present) | dead
    return [offset for offset in range(span.first, span.last + 1) if offset not in there]


def as_ranges(offsets: Sequence[int], limit: int = SHOWN_OFFSETS) -> str:
    """`3, 7-9, ...`: sorted offsets as text, at most `limit` ranges."""
    ranges: list[list[int]] = []
    for offset in sorted(offsets):
        if ranges and offset == ranges[-1][1] + 1:
            ranges[-1][1] = offset
        else:
            ranges.append([offset, offset])
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in ranges[:limit]]
    return ", ".join(shown) + (f" and {len(ranges) - limit} more" if len(ranges) > limit else "")


def closed_through(judged: Sequence[Judged], settled: datetime, store: Store) -> datetime:
    """Every minute before this instant is closed for the store."""
    still_open = [j.span.minute for j in judged if store in j.open_stores]
    return min([settled, *still_open])
