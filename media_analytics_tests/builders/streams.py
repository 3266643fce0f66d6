"""Topics, records and readings for tests of the streaming processes.

Belongs here: a valid `user.raw` record and how to vary it, producing it, reading topics back. Does not belong here:
assertions, fixtures.
"""

import functools
import json
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from media_analytics.contracts.clickhouse import create_database_sql, create_table_sql
from media_analytics.contracts.registry import TABLES, TOPICS, table
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header, unframe
from streaming.codecs.registry import RegistryClient

PARTITIONS = {contract.name: contract.partitions for contract in TOPICS.values()}
# 2026-03-10 12:00 UTC in microseconds.
NOON = 1_773_144_000_000_000
# Begin of this day, UTC, in microseconds: realtime tables forget rows 35 days after they arrived.
TODAY = int(time.time()) // 86_400 * 86_400 * 1_000_000


@dataclass(frozen=True)
class Placed:
    """Where a produced record stands."""

    partition: int
    offset: int
    event_id: str


@functools.cache
def _raw_fields() -> tuple[str, ...]:
    return tuple(field["name"] for field in Codec.from_file("user.raw").schema["fields"])


def raw_event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A live page view by an anonymous reader of `bild`."""
    event: dict[str, Any] = dict.fromkeys(_raw_fields())
    event |= {
        "event_id": str(uuid.UUID(int=number)),
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": NOON,
        "received_at": NOON + 1_000_000,
        "origin": "live",
        "anonymous_id": f"v{number % 50}",
        "visitor_id": f"a:v{number % 50}",
        "page_url": f"https://www.bild.de/politik/artikel-{number % 7}.html?utm_source=brief",
        "referrer": "https://www.google.com/search?q=wahl",
        "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/126.0.0.0 Safari/537.36",
        "ip": "83.149.9.216",
        "properties": {},
        "is_truncated": False,
    }
    return event | fields


def create_topics(settings: Settings) -> None:
    """Empty topics with log-append time, and this release's schemas."""
    admin = AdminClient(settings.kafka.client_config())
    existing = set(admin.list_topics(timeout=10).topics)
    new = [
        NewTopic(name, count, 1, config={"message.timestamp.type": "LogAppendTime"})
        for name, count in PARTITIONS.items()
        if name not in existing
    ]
    for future in admin.create_topics(new).values() if new else ():
        future.result()
    registry = RegistryClient(settings.registry.url)
    for name in PARTITIONS:
        registry.id_for(f"{name}-value", Codec.from_file(name).schema, register=True)
    registry.close()


def delete_topics(settings: Settings, names: Iterable[str] = PARTITIONS) -> None:
    """Delete topics and wait until they are gone; the groups' offsets go with them."""
    admin = AdminClient(settings.kafka.client_config())
    existing = set(admin.list_topics(timeout=10).topics) & set(names)
    for future in admin.delete_topics(list(existing)).values() if existing else ():
        future.result()
    deadline = time.monotonic() + 30
    while existing & set(admin.list_topics(timeout=10).topics):
        assert time.monotonic() < deadline, f"{existing} still there"
        time.sleep(0.1)


class Raw:
    """Produces `user.raw` records as the collector does."""

    def __init__(self, settings: Settings) -> None:
        self.codec = Codec.from_file("user.raw")
        registry = RegistryClient(settings.registry.url)
        self.header = header(registry.id_for("user.raw-value", self.codec.schema))
        registry.close()
        self._producer = Producer(settings.kafka.client_config() | {"linger.ms": 5, "acks": "all"})
        self.acknowledged: list[Placed] = []

    def send(self, events: Sequence[dict[str, Any]], partition: int | None = None) -> list[Placed]:
        """Produce and wait for the acknowledgements; partition by event number unless given."""
        places: list[list[Placed]] = [[] for _ in events]
        for event, place in zip(events, places, strict=True):
            where = partition if partition is not None else uuid.UUID(event["event_id"]).int % 6
            value = self.header + self.codec.encode(event)
            self.send_bytes(value, where, event["visitor_id"], place, event["event_id"])
        assert self._producer.flush(60) == 0
        # Acknowledgements of several partitions arrive in any order.
        placed = [place[0] for place in places]
        self.acknowledged += placed
        return placed

    def send_bytes(
        self, value: bytes, partition: int, key: str | None, placed: list[Placed], event_id: str = ""
    ) -> None:
        """Queue one value as it is; `placed` gets its place once acknowledged."""

        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            placed.append(Placed(message.partition(), message.offset(), event_id))

        while True:
            try:
                self._producer.produce("user.raw", value, key, partition, on_delivery=delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def flush(self) -> None:
        """Wait for all acknowledgements."""
        assert self._producer.flush(60) == 0


def read_topic(settings: Settings, topic: str, isolation: str = "read_committed") -> list[Message]:
    """All messages of a topic up to its end."""
    consumer = Consumer(
        settings.kafka.client_config()
        | {
            "group.id": f"test-{uuid.uuid4()}",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "auto.offset.reset": "error",
        }
    )
    try:
        count = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        starts = []
        for partition in range(count):
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            starts.append(TopicPartition(topic, partition, low))
        consumer.assign(starts)
        found: list[Message] = []
        ended: set[int] = set()
        deadline = time.monotonic() + 60
        while len(ended) < count:
            assert time.monotonic() < deadline, f"{topic}: end of {count - len(ended)} partitions not reached"
            for message in consumer.consume(5000, 0.2):
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise AssertionError(message.error().str())
        return found
    finally:
        consumer.close()


def records(settings: Settings, topic: str) -> list[dict[str, Any]]:
    """Decoded records of a topic; fields that this release does not know are left out."""
    codec = Codec.from_file(topic)
    registry = RegistryClient(settings.registry.url)
    found = []
    for message in read_topic(settings, topic):
        schema_id, datum = unframe(message.value())
        found.append(codec.decode_as(datum, schema_id, registry.schema_by_id(schema_id)))
    registry.close()
    return found


def topic_id(settings: Settings, topic: str) -> str:
    """Kafka's id of a topic."""
    # The client must outlive its futures.
    admin = AdminClient(settings.kafka.client_config())
    found = admin.describe_topics(TopicCollection([topic]))
    return str(found[topic].result().topic_id)


class Store:
    """Queries on the serving store as the platform's user."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.Client(
            base_url=settings.clickhouse.url,
            trust_env=False,
            timeout=60,
            headers={
                "X-ClickHouse-User": settings.clickhouse.user,
                "X-ClickHouse-Key": settings.clickhouse.password.get_secret_value(),
            },
        )

    def command(self, sql: str) -> None:
        """Run a statement."""
        answer = self._http.post("/", content=sql.encode())
        assert answer.is_success, answer.text

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query."""
        answer = self._http.post("/", content=f"{sql} FORMAT JSONEachRow".encode())
        assert answer.is_success, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def coordinates(self, name: str = "realtime.user_events") -> list[tuple[int, int, str]]:
        """Partition, offset and event id of every row of a table, in order."""
        found = self.rows(
            f"SELECT source_partition AS p, source_offset AS o, event_id AS e FROM {name} ORDER BY p, o"
        )
        return [(row["p"], int(row["o"]), row["e"]) for row in found]


def create_tables(settings: Settings) -> None:
    """Every table of ClickHouse, empty, as its contract says."""
    for contract in TABLES.values():
        if contract.store == "clickhouse":
            create_table(settings, contract.full_name)


def create_table(settings: Settings, name: str = "realtime.user_events") -> None:
    """An empty table, as its contract says."""
    store = Store(settings)
    store.command(create_database_sql(table(name)))
    store.command(f"DROP TABLE IF EXISTS {name} SYNC")
    store.command(create_table_sql(table(name)))
