"""What the stores hold, each number by a query of the store it names.

Belongs here: the queries of the summary that `media-analytics run` prints and `--explain` shows. Does not
belong here: sending input, waiting, running assets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import clickhouse_connect
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from pyspark.sql import SparkSession

from media_analytics.errors import ServiceError
from media_analytics.resources.spark import connect
from media_analytics.settings import Settings


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
        self.spark: SparkSession = connect(settings)
        self.clickhouse = clickhouse_connect.get_client(
            dsn=settings.clickhouse.url,
            username=settings.clickhouse.reader_user,
            password=settings.clickhouse.reader_password.get_secret_value(),
        )

    def lake(self, layer: str, name: str) -> str:
        """The table as Spark SQL names it."""
        return f"delta.`{self._settings.lake.table_path(layer, name)}`"

    def topic_offsets(self, topic: str) -> int:
        """Offsets the topic holds: the sum of end minus first over its partitions."""
        consumer = self._consumer()
        try:
            return sum(
                high - low
                for low, high in (
                    consumer.get_watermark_offsets(p, timeout=10) for p in self._partitions(consumer, topic)
                )
            )
        finally:
            consumer.close()

    def readable_records(self, topic: str) -> int:
        """Records a read_committed consumer can read; transactions leave gaps in the offsets."""
        consumer = self._consumer()
        try:
            parts = self._partitions(consumer, topic)
            nonempty = [p for p in parts if _width(consumer, p) > 0]
            consumer.assign([TopicPartition(topic, p.partition, OFFSET_BEGINNING) for p in nonempty])
            pending = {p.partition for p in nonempty}
            count = 0
            while pending:
                messages = consumer.consume(10_000, timeout=10)
                if not messages:
                    raise ServiceError(
                        f"topic {topic} did not deliver within 10 s; see `media-analytics logs kafka`"
                    )
                for message in messages:
                    error = message.error()
                    if error is None:
                        count += 1
                    elif error.code() == KafkaError._PARTITION_EOF:
                        pending.discard(message.partition())
                    else:
                        raise ServiceError(f"topic {topic} cannot be read: {error}")
            return count
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        return Consumer(
            self._settings.kafka.client_config()
            | {
                "group.id": "media-analytics-summary",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )

    @staticmethod
    def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
        metadata = consumer.list_topics(topic, timeout=10).topics[topic]
        return [TopicPartition(topic, p) for p in sorted(metadata.partitions)]


def _width(consumer: Consumer, partition: TopicPartition) -> int:
    low, high = consumer.get_watermark_offsets(partition, timeout=10)
    return int(high - low)


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
    for name, expression in (
        ("closed minutes x partitions checked", "count(*)"),
        ("records in Kafka", "sum(kafka_count)"),
        ("missing, both stores", "sum(missing_realtime + missing_lake)"),
        ("duplicates, both stores", "sum(duplicates_realtime + duplicates_lake)"),
    ):
        yield _spark(stores, "completeness", name, f"SELECT {expression} FROM {completeness}")


def _clickhouse(stores: Stores, section: str, name: str, query: str) -> Figure:
    return Figure(section, name, _text(stores.clickhouse.query(query).result_rows), "ClickHouse", query)


def _spark(stores: Stores, section: str, name: str, query: str) -> Figure:
    return Figure(
        section, name, _text([tuple(r) for r in stores.spark.sql(query).collect()]), "Delta by Spark", query
    )


def _text(rows: list[tuple[Any, ...]]) -> str:
    """One value as it is; rows of (name, number) as `name number, name number`."""
    if len(rows) == 1 and len(rows[0]) == 1:
        return _number(rows[0][0])
    return "\n".join(f"{_number(row[-1]):>8}  {row[0]}" for row in rows) or "none"


def _number(value: Any) -> str:
    if value is None:
        return "0"
    return f"{value:,}" if isinstance(value, int) else str(value)
