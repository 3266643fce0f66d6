"""The peer and the limit of the sink: `python -m media_analytics_tests.benchmarks.sink_readers peer|limit TABLE`.

Both read the ranges that are named on standard input (JSON: partition to first and end offset), a line each, with the
sink's own consumer settings, insert at most as many rows at once as the sink, and answer with their CPU-seconds.

`peer` is what a team would write with the usual libraries: Confluent's AvroDeserializer, clickhouse-connect's `insert`
of rows. `limit` looks at nothing: it joins the values it reads and sends them as they are.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator

import clickhouse_connect
from confluent_kafka import Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from media_analytics.settings import Settings, load_settings
from streaming.runtime import clients
from streaming.sinks.gateway import Gateway
from streaming.sinks.process import MOST_ROWS

TOPIC = "user.latest"
_CHUNK = 5000
Insert = Callable[[list[Message], str], None]


def peer(settings: Settings, table: str) -> Insert:
    """Decode, make rows, insert rows."""
    registry = SchemaRegistryClient({"url": settings.registry.url})
    decode = AvroDeserializer(registry)
    context = SerializationContext(TOPIC, MessageField.VALUE)
    client = clickhouse_connect.get_client(
        dsn=settings.clickhouse.url,
        username=settings.clickhouse.user,
        password=settings.clickhouse.password.get_secret_value(),
    )

    described = client.query(f"DESCRIBE TABLE {table}").result_rows
    lists = {name for name, kind, *_ in described if kind.startswith("Array")}

    def insert(messages: list[Message], token: str) -> None:
        records = [decode(message.value(), context) for message in messages]
        names = list(records[0])
        # A null list is an empty one in ClickHouse (decision 0008).
        client.insert(
            table,
            [
                [[] if name in lists and record[name] is None else record[name] for name in names]
                for record in records
            ],
            column_names=names,
            settings={"insert_deduplication_token": token},
        )

    return insert


def limit(settings: Settings, table: str) -> Insert:
    """The same bytes, as they come."""
    gateway = Gateway(settings.clickhouse, table, settings.registry.url, "limit")
    columns = list(gateway.columns())

    def insert(messages: list[Message], token: str) -> None:
        gateway.insert([message.value() or b"" for message in messages], columns, token)

    return insert


def messages_of(
    settings: Settings, group: str, ranges: dict[int, tuple[int, int]]
) -> Iterator[list[Message]]:
    """Everything of the ranges, in parts of at most `MOST_ROWS`."""
    consumer = clients.consumer(settings.kafka, group, "0", clients.Errors(group, logging.getLogger(group)))
    consumer.assign([TopicPartition(TOPIC, p, first) for p, (first, _) in ranges.items()])
    left = sum(end - first for first, end in ranges.values())
    part: list[Message] = []
    while left:
        found = [m for m in consumer.consume(_CHUNK, 0.05) if m.error() is None]
        part += found
        left -= len(found)
        if len(part) >= MOST_ROWS or (part and not left):
            yield part
            part = []
    consumer.close()


def main() -> None:
    """Answer one range a line."""
    settings = load_settings(os.environ)
    group = sys.argv[1]
    insert = {"peer": peer, "limit": limit}[group](settings, sys.argv[2])
    print("ready", flush=True)
    for line in sys.stdin:
        ranges = {int(p): (first, end) for p, (first, end) in json.loads(line).items()}
        before = time.process_time()
        for number, part in enumerate(messages_of(settings, group, ranges)):
            insert(part, f"{group}-{ranges}-{number}")
        print(time.process_time() - before, flush=True)


if __name__ == "__main__":
    main()
