"""What the stores hold, each number by a query of the store it names.

Belongs here: the queries of the summary that `media-analytics run` prints and `--explain` shows. Does not
belong here: sending input, waiting, running assets.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

import clickhouse_connect
from pyspark.sql import SparkSession

from media_analytics.checks.completeness_stores import holding
from media_analytics.contracts.model import CheckedStore, TopicContract
from media_analytics.contracts.registry import TABLES
from media_analytics.contracts.topics import families
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.spark import connect
from media_analytics.settings import Settings

# Partition -> first offset and the offset after the last one.
Ranges = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Figure:
    """One line of the summary. `query` is what was asked of `store`, word for word."""

    section: str
    name: str
    value: str
    store: str
    query: str


class Stores:
    """Open connections to every store the summary reads."""

    def __init__(self, settings: Settings) -> None:
        """Connect to ClickHouse and Spark; Kafka connects when asked."""
        self._settings = settings
        self._kafka = KafkaLog(settings)
        self.spark: SparkSession = connect(settings)
        self.clickhouse = clickhouse_connect.get_client(
            dsn=settings.clickhouse.url,
            username=settings.clickhouse.reader_user,
            password=settings.clickhouse.reader_password.get_secret_value(),
        )

    def lake(self, layer: str, name: str) -> str:
        """The table as Spark SQL names it."""
        return f"delta.`{self._settings.lake.table_path(layer, name)}`"

    def topic_ends(self, topic: str) -> dict[int, int]:
        """End offset of each partition."""
        return self._kafka.end_offsets(topic)

    def topic_offsets(self, topic: str) -> int:
        """Offsets the topic holds: the sum of end minus first over its partitions."""
        return sum(self._kafka.end_offsets(topic).values()) - sum(self._kafka.first_offsets(topic).values())

    def readable_records(self, topic: str) -> int:
        """Records a read_committed consumer can read; transactions leave gaps in the offsets."""
        return self._kafka.count(topic)

    def coordinates(self, topic: TopicContract, store: CheckedStore, ranges: Ranges) -> int:
        """Distinct coordinates of a first topic within the ranges that a store holds."""
        table, wanted = holding(topic.name, store), _within(topic.name, ranges)
        if store == "realtime":
            counted = f"uniqExact(source_partition, source_offset) FROM {table.full_name}"
            return int(self.clickhouse.query(f"SELECT {counted} WHERE {wanted}").result_rows[0][0])
        counted = f"count(DISTINCT source_partition, source_offset) FROM {self.lake(table.layer, table.name)}"
        return int(self.spark.sql(f"SELECT {counted} WHERE {wanted}").collect()[0][0])

    def dead_letter_coordinates(self, topic: str, ranges: Ranges, since: datetime) -> dict[CheckedStore, int]:
        """Coordinates within the ranges that never reach a store, because a stage before it made a dead letter."""
        letters: dict[str, set[tuple[int, int]]] = {"enricher": set(), "realtime": set(), "lake": set()}
        for record in self._kafka.records("dead_letters", since):
            partition, offset = record["source_partition"], record["source_offset"]
            if record["source_topic"] == topic and record["stage"] in letters and partition in ranges:
                first, end = ranges[partition]
                if first <= offset < end:
                    letters[record["stage"]].add((partition, offset))
        return {store: len(letters["enricher"] | letters[store]) for store in get_args(CheckedStore)}


def _within(topic: str, ranges: Ranges) -> str:
    """SQL condition, the same in both dialects."""
    parts = (
        f"(source_partition = {p} AND source_offset >= {first} AND source_offset < {end})"
        for p, (first, end) in sorted(ranges.items())
    )
    return f"source_topic = '{topic}' AND ({' OR '.join(parts)})"


def figures(stores: Stores) -> Iterator[Figure]:
    """Every line of the summary, in print order."""
    yield from _stage_counts(stores)
    yield from _events(stores)
    yield from _readers(stores)
    yield from _proof(stores)


def _stage_counts(stores: Stores) -> Iterator[Figure]:
    section = "events per stage"
    offsets = "sum over partitions of (end offset - first offset)"
    yield Figure(
        section, "user.raw", f"{stores.topic_offsets('user.raw'):,}", "Kafka", f"{offsets} of user.raw"
    )
    readable = "count of records a read_committed consumer reads from first to end offset"
    for topic in ("user.latest", "dead_letters"):
        yield Figure(section, topic, f"{stores.readable_records(topic):,}", "Kafka", f"{readable} of {topic}")
    yield _clickhouse(stores, section, "realtime.user_events", "SELECT count() FROM realtime.user_events")
    for layer, name in (("bronze", "user_events"), ("silver", "events")):
        yield _spark(stores, section, f"{layer}.{name}", f"SELECT count(*) FROM {stores.lake(layer, name)}")
    yield from _families(stores, offsets)


def _families(stores: Stores, offsets: str) -> Iterator[Figure]:
    """Topics of the other families that hold anything, and the tables that hold them."""
    for topic in families.CONTRACTS:
        count = stores.topic_offsets(topic.name)
        if not count:
            continue
        section = f"{topic.family} events"
        yield Figure(section, topic.name, f"{count:,}", "Kafka", f"{offsets} of {topic.name}")
        for table in TABLES.values():
            if table.source != topic.name:
                continue
            if table.store == "clickhouse":
                query = f"SELECT count() FROM {table.full_name}"
                yield _clickhouse(stores, section, table.full_name, query)
            else:
                query = f"SELECT count(*) FROM {stores.lake(table.layer, table.name)}"
                yield _spark(stores, section, table.full_name, query)


def _events(stores: Stores) -> Iterator[Figure]:
    events = stores.lake("silver", "events")
    yield _spark(
        stores,
        "events",
        "by HTTP status",
        f"SELECT http_status, count(*) FROM {events} WHERE http_status IS NOT NULL "
        "GROUP BY 1 ORDER BY 2 DESC LIMIT 8",
    )
    yield _spark(
        stores, "events", "by date", f"SELECT date, count(*) FROM {events} GROUP BY 1 ORDER BY 1 DESC LIMIT 8"
    )
    yield _spark(
        stores, "events", "by brand", f"SELECT brand, count(*) FROM {events} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    yield _spark(stores, "events", "page views", f"SELECT count_if(event_type = 'page_view') FROM {events}")


def _readers(stores: Stores) -> Iterator[Figure]:
    sessions, pages = stores.lake("silver", "sessions"), stores.lake("gold", "reader_engagement")
    yield _spark(stores, "readers", "sessions", f"SELECT count(*) FROM {sessions}")
    yield _spark(
        stores,
        "readers",
        "bot share of sessions",
        f"SELECT concat(round(100 * avg(CAST(is_bot AS INT)), 1), ' %') FROM {sessions}",
    )
    yield _spark(
        stores,
        "readers",
        "top pages by page views",
        f"SELECT page_key, sum(page_views) FROM {pages} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
    )


def _proof(stores: Stores) -> Iterator[Figure]:
    completeness = stores.lake("ops", "completeness")
    # Letters are counted with the dead letters; when their own minutes are judged depends on the moment.
    events = "topic <> 'dead_letters'"
    for name, expression in (
        ("closed minutes x partitions checked", f"count_if({events})"),
        ("records in Kafka", f"sum(if({events}, kafka_count, 0))"),
        ("missing, both stores", "sum(coalesce(missing_realtime, 0) + coalesce(missing_lake, 0))"),
        ("duplicates, both stores", "sum(coalesce(duplicates_realtime, 0) + coalesce(duplicates_lake, 0))"),
    ):
        yield _spark(stores, "completeness", name, f"SELECT {expression} FROM {completeness}")


def _clickhouse(stores: Stores, section: str, name: str, query: str) -> Figure:
    return Figure(section, name, _text(stores.clickhouse.query(query).result_rows), "ClickHouse", query)


def _spark(stores: Stores, section: str, name: str, query: str) -> Figure:
    return Figure(
        section, name, _text([tuple(r) for r in stores.spark.sql(query).collect()]), "Delta by Spark", query
    )


def _text(rows: Sequence[Sequence[Any]]) -> str:
    """One value as it is; rows of (name, number) as `name number, name number`."""
    if len(rows) == 1 and len(rows[0]) == 1:
        return _number(rows[0][0])
    return "\n".join(f"{_number(row[-1])}  {row[0]}" for row in rows) or "none"


def _number(value: Any) -> str:
    if value is None:
        return "0"
    return f"{value:,}" if isinstance(value, int) else str(value)
