"""What Kafka, ClickHouse and the lake say about minutes of a topic.

Belongs here: the questions, bounded by time and offsets. Does not belong here: what the answers mean
(`completeness.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from media_analytics.checks.completeness import MINUTE, Letters, Place, Span, Store, StoreView, minute_of
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TOPICS, stored_in
from media_analytics.partitions import hour_of
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.lake import Lake

# Topics whose every offset must be found again in the stores their contract names.
CHECKED = tuple(topic for topic in TOPICS.values() if topic.stores)
LAYERS: Mapping[Store, str] = {"realtime": "realtime", "lake": "bronze"}
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Window:
    """Minutes `[start, end)`; how far a store has come is read up to `now`."""

    start: datetime
    end: datetime
    now: datetime


def holding(topic: str, store: Store) -> TableContract:
    """The table of a store that holds a first topic."""
    return stored_in(topic, LAYERS[store])


def realtime_view(clickhouse: ClickHouse, topic: str, window: Window) -> StoreView:
    """Rows of the topic's realtime table by minute and partition: 30-45 ms a minute on 10 million rows."""
    name = holding(topic, "realtime").full_name
    counted = clickhouse.rows(
        "SELECT toUnixTimestamp(toStartOfMinute(appended_at)) AS minute, source_partition, count() AS rows, "
        f"uniqExact(source_offset) AS places, max(source_offset) AS reached FROM {name} "
        "WHERE source_topic = {topic:String} AND appended_at >= fromUnixTimestamp({start:Int64}) "
        "GROUP BY minute, source_partition",
        {"topic": topic, "start": int(window.start.timestamp())},
        comment="completeness",
    )
    return _view(
        (datetime.fromtimestamp(m, UTC), p, rows, places, top) for m, p, rows, places, top in counted
    )


def realtime_offsets(clickhouse: ClickHouse, topic: str, span: Span) -> list[int]:
    """Offsets of a minute that ClickHouse holds."""
    found = clickhouse.rows(
        f"SELECT DISTINCT source_offset FROM {holding(topic, 'realtime').full_name} "
        "WHERE source_topic = {topic:String} AND source_partition = {partition:Int32} "
        "AND appended_at >= fromUnixTimestamp({start:Int64}) AND appended_at < fromUnixTimestamp({end:Int64})",
        {
            "topic": topic,
            "partition": span.partition,
            "start": int(span.minute.timestamp()),
            "end": int((span.minute + MINUTE).timestamp()),
        },
        comment="completeness",
    )
    return [int(row[0]) for row in found]


def lake_view(lake: Lake, log: DeltaLog, topic: str, window: Window) -> StoreView:
    """Rows of the topic's bronze table by minute and partition, from the arrival hours of the window on.

    What micro-batches write is small enough to be counted without Spark.
    """
    contract = holding(topic, "lake")
    hours = _hours(window.start, window.now)
    if contract.writer == "micro-batch":
        return _view(_counted(contract, log, hours, window.start))
    rows = lake.read(contract, partitions=hours).where(
        (F.col("source_topic") == topic) & (F.col("appended_at") >= F.lit(window.start))
    )
    counted = (
        rows.groupBy(F.date_trunc("minute", "appended_at").alias("minute"), "source_partition")
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.count_distinct("source_offset").alias("places"),
            F.max("source_offset").alias("reached"),
        )
        .select(F.unix_seconds("minute").alias("minute"), "source_partition", "rows", "places", "reached")
    )
    return _view(
        (
            datetime.fromtimestamp(r["minute"], UTC),
            r["source_partition"],
            r["rows"],
            r["places"],
            r["reached"],
        )
        for r in counted.collect()
    )


def lake_offsets(log: DeltaLog, topic: str, span: Span) -> list[int]:
    """Offsets of a minute that bronze holds."""
    contract = holding(topic, "lake")
    partition, offset = _place_columns(contract)
    rows = log.rows(contract, [partition, offset, "appended_at"], [hour_of(span.minute)])
    at = pc.field("appended_at")
    inside = (at >= span.minute) & (at < span.minute + MINUTE) & (pc.field(partition) == span.partition)
    return sorted(set(rows.filter(inside)[offset].to_pylist()))


def _place_columns(contract: TableContract) -> tuple[str, str]:
    """The columns that hold partition and offset: a bronze table has one row per coordinate."""
    partition, offset = contract.unique_key[-2:]
    return partition, offset


def _counted(
    contract: TableContract, log: DeltaLog, hours: list[str], start: datetime
) -> Iterator[tuple[datetime, int, int, int, int]]:
    partition, offset = _place_columns(contract)
    rows = log.rows(contract, [partition, offset, "appended_at"], hours)
    rows = rows.filter(pc.field("appended_at") >= start)
    minutes = pc.floor_temporal(rows["appended_at"], unit="minute")
    keyed = pa.table({"minute": minutes, "partition": rows[partition], "offset": rows[offset]})
    grouped = keyed.group_by(["minute", "partition"]).aggregate(
        [("offset", "count"), ("offset", "count_distinct"), ("offset", "max")]
    )
    names = ("minute", "partition", "offset_count", "offset_count_distinct", "offset_max")
    yield from zip(*(grouped[name].to_pylist() for name in names), strict=True)


def letters_since(kafka: KafkaLog, topic: str, since: datetime) -> Letters:
    """Letters with coordinates of `topic`. Letters follow their event, so `since` is enough."""
    found: dict[str, set[tuple[int, int]]] = {"enricher": set(), "realtime": set(), "lake": set()}
    for letter in kafka.records("dead_letters", since):
        if (
            letter["source_topic"] == topic
            and letter["source_offset"] is not None
            and letter["stage"] in found
        ):
            found[letter["stage"]].add((int(letter["source_partition"]), int(letter["source_offset"])))
    return Letters(**{stage: frozenset(places) for stage, places in found.items()})


def _view(counted: Iterable[tuple[datetime, int, int, int, int]]) -> StoreView:
    rows: dict[Place, int] = {}
    distinct: dict[Place, int] = {}
    reached: dict[int, int] = {}
    for minute, partition, count, places, top in counted:
        place = (minute_of(minute), int(partition))
        rows[place], distinct[place] = int(count), int(places)
        reached[place[1]] = max(int(top), reached.get(place[1], -1))
    return StoreView(rows, distinct, reached)


def _hours(start: datetime, end: datetime) -> list[str]:
    first = start.replace(minute=0, second=0, microsecond=0)
    return [hour_of(first + n * _HOUR) for n in range((end - first) // _HOUR + 1)]
