"""One completeness check: from the stores to rows of ops.completeness.

Belongs here: where a check starts and ends, what it writes, what it reports. Does not belong here: the arithmetic
(`completeness.py`), single questions to stores (`completeness_stores.py`), when it runs (`automation/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from media_analytics.checks import completeness_stores as stores
from media_analytics.checks.completeness import (
    MINUTE,
    Judged,
    Letters,
    Span,
    Store,
    StoreView,
    absent_offsets,
    as_ranges,
    closed_through,
    counted_spans,
    judge,
    last_settled,
    minute_of,
    spans,
)
from media_analytics.contracts.model import TopicContract
from media_analytics.contracts.registry import table
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog, appended_at
from media_analytics.resources.lake import Lake
from media_analytics.settings import Settings

CONTRACT = table("ops.completeness")
# Red minutes of the last hour are counted again at every check; older ones with the daily recheck.
SECOND_LOOK = timedelta(hours=1)
NAMED_MINUTES = 5
_DAY = timedelta(days=1)
_MUST_BE_ZERO = ("missing_realtime", "missing_lake", "duplicates_realtime", "duplicates_lake")


@dataclass(frozen=True)
class Stores:
    """The three places that must agree."""

    settings: Settings
    kafka: KafkaLog
    clickhouse: ClickHouse
    lake: Lake
    log: DeltaLog


@dataclass(frozen=True)
class Report:
    """What one check found. `judged` are the minutes whose rows are to be written, oldest first."""

    topic: str
    judged: tuple[Judged, ...]
    waiting: tuple[Judged, ...]
    closed_through: Mapping[str, datetime]
    checked_offsets: Mapping[int, int]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """Rows of ops.completeness."""
        return [j.row for j in self.judged]

    @property
    def dates(self) -> list[date]:
        """Dates of the rows."""
        return sorted({j.span.minute.date() for j in self.judged})


def check_new_minutes(where: Stores, topic: TopicContract, now: datetime) -> Report:
    """Judge every minute since the newest recorded one, and red ones of the last hour again."""
    topic_id = where.kafka.topic(topic.name).topic_id
    recorded = recorded_through(where.log, topic.name, topic_id, now)
    start = recorded or _earliest(where.settings, topic, now)
    first_red = _oldest_red(where.log, topic.name, topic_id, now - SECOND_LOOK, now)
    return check_between(where, topic, min(filter(None, (start, first_red))), now)


def check_dates(where: Stores, topic: TopicContract, dates: Sequence[date], now: datetime) -> Report:
    """Judge all minutes of `dates` that Kafka still holds, recorded or not."""
    start = max(datetime.combine(min(dates), time(), UTC), _earliest(where.settings, topic, now))
    return check_between(where, topic, start, now, datetime.combine(max(dates), time(), UTC) + _DAY)


def check_between(
    where: Stores, topic: TopicContract, start: datetime, now: datetime, until: datetime | None = None
) -> Report:
    """Judge the minutes from `start` to the newest settled one, or to `until`."""
    settled = last_settled(now)
    end = min(settled, until or settled)
    state = where.kafka.topic(topic.name)
    found = _spans(where.kafka, topic, start, end)
    if not found:
        return Report(
            topic.name, (), (), dict.fromkeys(topic.stores, end), where.kafka.offsets_at(topic.name, end)
        )
    window = stores.Window(found[0].minute, end, now)
    views: dict[Store, StoreView] = {}
    # Letters before rows: a letter written between the two questions is then missing, never counted twice.
    letters = stores.letters_since(where.kafka, topic.name, window.start)
    if "realtime" in topic.stores:
        views["realtime"] = stores.realtime_view(where.clickhouse, topic.name, window)
    if "lake" in topic.stores:
        views["lake"] = stores.lake_view(where.lake, where.log, topic.name, window)
    judged = judge(found, topic.name, state.topic_id, views, letters, now)
    first_open = min((j.span.minute for j in judged if j.open_stores and not j.is_overdue), default=end)
    done = tuple(j for j in judged if j.span.minute < first_open)
    return Report(
        topic=topic.name,
        judged=done,
        waiting=tuple(j for j in judged if j.span.minute >= first_open),
        closed_through={store: closed_through(judged, end, store) for store in topic.stores},
        checked_offsets=where.kafka.offsets_at(topic.name, first_open),
        absent=_name_absent(where, topic.name, done, letters),
    )


def _spans(kafka: KafkaLog, topic: TopicContract, start: datetime, end: datetime) -> list[Span]:
    if topic.is_contiguous:
        return spans(start, end, lambda instant: kafka.offsets_at(topic.name, instant))
    if start >= end:
        return []
    messages = kafka.messages(
        topic.name, kafka.offsets_at(topic.name, start), kafka.offsets_at(topic.name, end)
    )
    return counted_spans((m.partition() or 0, m.offset() or 0, appended_at(m)) for m in messages)


def recorded_through(log: DeltaLog, topic: str, topic_id: str, now: datetime) -> datetime | None:
    """The minute after the newest recorded one; None when nothing of this topic is recorded in the last 8 days."""
    newest = pc.max(_recent(log, now, topic, topic_id)["minute"]).as_py()
    return None if newest is None else newest.astimezone(UTC) + MINUTE


def standing_problems(log: DeltaLog, now: datetime) -> tuple[int, int, int]:
    """Minutes recorded in the last 8 days, how many of them are red, and messages they hold."""
    rows = _recent(log, now)
    return rows.num_rows, rows.filter(_is_red()).num_rows, pc.sum(rows["kafka_count"]).as_py() or 0


def settles_at(kafka: KafkaLog, topic: str) -> datetime | None:
    """When the minute of the newest record can be judged; None for an empty topic."""
    newest = kafka.newest_append(topic)
    return None if newest is None else minute_of(newest) + 2 * MINUTE


def _is_red() -> pc.Expression:
    red = pc.scalar(False)
    for name in _MUST_BE_ZERO:
        red = red | pc.coalesce(pc.field(name) != 0, pc.scalar(False))
    return red


def _recent(log: DeltaLog, now: datetime, topic: str | None = None, topic_id: str | None = None) -> pa.Table:
    columns = ["minute", "topic", "topic_id", "kafka_count", *_MUST_BE_ZERO]
    rows = log.rows(CONTRACT, columns, _days_before(now))
    if topic is None:
        return rows
    return rows.filter((pc.field("topic") == topic) & (pc.field("topic_id") == topic_id))


def _oldest_red(log: DeltaLog, topic: str, topic_id: str, since: datetime, now: datetime) -> datetime | None:
    rows = _recent(log, now, topic, topic_id).filter(_is_red() & (pc.field("minute") >= since))
    oldest = pc.min(rows["minute"]).as_py()
    return None if oldest is None else oldest.astimezone(UTC)


def _days_before(now: datetime) -> list[str]:
    return [(now.astimezone(UTC).date() - n * _DAY).isoformat() for n in range(9)]


def _earliest(settings: Settings, topic: TopicContract, now: datetime) -> datetime:
    """Before this instant Kafka may have deleted records, so a minute could not be judged."""
    kept = minute_of(now - topic.retention) + MINUTE
    return max(kept, datetime.combine(settings.arrival_start, time(), UTC))


def _name_absent(where: Stores, topic: str, judged: Sequence[Judged], letters: Letters) -> dict[str, str]:
    """The offsets that red minutes miss, for the newest few."""
    red = [
        (j, store) for j in judged for store in ("realtime", "lake") if (j.row[f"missing_{store}"] or 0) > 0
    ]
    named: dict[str, str] = {}
    for j, store in red[-NAMED_MINUTES:]:
        if store == "realtime":
            missing = absent_offsets(
                j.span, stores.realtime_offsets(where.clickhouse, topic, j.span), letters, "realtime"
            )
        else:
            missing = absent_offsets(j.span, stores.lake_offsets(where.log, topic, j.span), letters, "lake")
        named[f"{j.span.minute:%Y-%m-%dT%H:%M} partition {j.span.partition} {store}"] = as_ranges(missing)
    return named
