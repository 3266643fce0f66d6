"""A small platform for micro-batches: real Kafka and registry, one lake, a Dagster instance, no Spark.

Belongs here: making topics and tables, producing records, running assets and the sensor. Does not belong here:
assertions.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from deltalake import DeltaTable, write_deltalake

from media_analytics.automation.micro_batches import tick
from media_analytics.build import MICRO_BATCHED, build_defs
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.delta import table_properties
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table, topic
from media_analytics.micro_batches.store import Store
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.micro_batches.writer import MicroBatchWriter
from media_analytics.resources.clock import Clock
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings
from media_analytics_tests.builders import streams
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient
from streaming.runtime import effects

# 2026-03-10 12:00 UTC in microseconds.
NOON = streams.NOON


@dataclass
class World:
    """One lake, one Dagster instance, fresh topics. `now` is the clock of Dagster's side."""

    settings: Settings
    instance: dg.DagsterInstance
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.kafka = KafkaLog(self.settings)
        self.registry = RegistryClient(self.settings.registry.url)

    @property
    def defs(self) -> dg.Definitions:
        """The real definitions on this world's settings and clock."""
        return build_defs(self.settings, {"clock": Clock(lambda: self.now())})

    def create_topic(self, name: str, times: str = "LogAppendTime") -> None:
        """An empty topic as the contract says, deleted first if it is there; `CreateTime` lets a test set the clock."""
        streams.delete_topics(self.settings, [name])
        admin = AdminClient(self.settings.kafka.client_config())
        config = {"message.timestamp.type": times, "retention.ms": "-1"}
        new = NewTopic(name, topic(name).partitions, 1, config=config)
        for future in admin.create_topics([new]).values():
            future.result()
        self.registry.id_for(f"{name}-value", Codec.from_file(name).schema, register=True)

    def delete_before(self, name: str, partition: int, offset: int) -> None:
        """Delete the records of a partition before an offset, as retention does."""
        admin = AdminClient(self.settings.kafka.client_config())
        for future in admin.delete_records([TopicPartition(name, partition, offset)]).values():
            future.result()

    def create_table(self, contract: TableContract) -> None:
        """An empty Delta table as the contract says; Spark creates them in an installation."""
        # This client takes Delta's own properties only; Spark takes ours too.
        properties = {k: v for k, v in table_properties(contract).items() if k.startswith("delta.")}
        DeltaTable.create(
            self.path(contract),
            arrow_schema(contract),
            partition_by=contract.partition_column,
            configuration=properties,
            mode="ignore",
        )

    def path(self, contract: TableContract) -> str:
        """Where a table is."""
        return self.settings.lake.table_path(contract.layer, contract.name)

    def rows(self, contract: TableContract) -> list[dict[str, Any]]:
        """All rows of a table."""
        return DeltaTable(self.path(contract)).to_pyarrow_table().to_pylist()

    def arrow(self, contract: TableContract) -> pa.Table:
        """The whole table."""
        return DeltaTable(self.path(contract)).to_pyarrow_table()

    def version(self, contract: TableContract) -> int:
        """The table's newest version."""
        return DeltaTable(self.path(contract)).version()

    def send(
        self,
        name: str,
        records: Iterable[Mapping[str, Any] | bytes],
        partition: int = 0,
        at: datetime | None = None,
    ) -> None:
        """Produce records of a topic, or values as they are; `at` counts only where the topic takes it."""
        codec = Codec.from_file(name)
        head = header(self.registry.id_for(f"{name}-value", codec.schema))
        producer = Producer(self.settings.kafka.client_config() | {"linger.ms": 5})
        for record in records:
            value = record if isinstance(record, bytes) else head + codec.encode(dict(record))
            millis = 0 if at is None else int(at.timestamp() * 1000)
            producer.produce(name, value, None, partition, timestamp=millis)
        assert producer.flush(60) == 0

    def letters(self) -> list[dict[str, Any]]:
        """Every dead letter."""
        codec = Codec.from_file("dead_letters")
        values = [m.value() or b"" for m in streams.read_topic(self.settings, "dead_letters")]
        return [codec.decode(value[5:]) for value in values]

    def writer(self, batched: MicroBatched, hook: effects.Hook = effects.nothing) -> MicroBatchWriter:
        """The writer of a table, as a run makes it."""
        return MicroBatchWriter(self.settings, batched, self.kafka, self.now, hook)

    def store(self, batched: MicroBatched) -> Store:
        """The table's commits."""
        return Store(self.settings, batched)

    def tick(self, cursor: str | None = None) -> dg.SensorResult:
        """One tick of the sensor."""
        resources = SimpleNamespace(**(self.defs.resources or {}))
        return tick(self.instance, resources, [module.TABLE for module in MICRO_BATCHED], cursor)

    def run(self, request: dg.RunRequest, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
        """Carry out what the sensor asked for."""
        job = self.defs.resolve_job_def("micro_batches")
        return job.execute_in_process(
            instance=self.instance,
            run_config=request.run_config,
            tags=dict(request.tags),
            asset_selection=list(request.asset_selection or []),
            raise_on_error=raise_on_error,
        )

    def backfill(self, batched: MicroBatched, hours: Sequence[str]) -> dg.ExecuteInProcessResult:
        """A run for hours (Dagster's keys) without ranges, as the page's backfill starts it."""
        tags = {
            "dagster/asset_partition_range_start": hours[0],
            "dagster/asset_partition_range_end": hours[-1],
        }
        return self.defs.resolve_job_def("micro_batches").execute_in_process(
            instance=self.instance,
            tags=tags,
            asset_selection=[dg.AssetKey(list(batched.contract.key))],
            raise_on_error=False,
        )


def content_event(number: int, **fields: Any) -> dict[str, Any]:
    """A publication of an article of `bild`."""
    return {
        "event_id": str(uuid.UUID(int=number)),
        "event_type": "published",
        "brand": "bild",
        "occurred_at": NOON + number * 1_000_000,
        "received_at": NOON + number * 1_000_000 + 500_000,
        "origin": "live",
        "customer_id": None,
        "anonymous_id": None,
        "consent": None,
        "content_id": f"a{number}",
        "title": f"Title {number}",
        "section": "politik",
        "authors": ["A. Autor"],
        "word_count": 400,
        "is_premium": False,
        "published_at": NOON,
        "revision": 1,
    } | fields


def dead_letter(number: int, **fields: Any) -> dict[str, Any]:
    """A letter of the enricher."""
    return {
        "letter_id": str(uuid.UUID(int=number)),
        "event_id": None,
        "line_number": None,
        "reason": "undecodable",
        "field": None,
        "message": "not a record",
        "source": "user.raw",
        "received_at": NOON,
        "schema_id": None,
        "source_topic": "user.raw",
        "source_partition": 0,
        "source_offset": number,
        "source_appended_at": NOON,
        "original_bytes": b"encrypted",
        "original_length": 9,
        "original_sha256": "0" * 64,
        "is_replayable": True,
        "stage": "enricher",
    } | fields


def bounds_row(world: World, batched: MicroBatched, hour: str) -> None:
    """Record the bounds of an hour that holds the whole topic."""
    name = batched.topic.name
    first, end = world.kafka.first_offsets(name), world.kafka.end_offsets(name)
    rows = [
        {
            "topic": name,
            "topic_id": world.kafka.topic(name).topic_id,
            "partition": partition,
            "hour": hour,
            "first_offset": first[partition],
            "end_offset": end[partition],
            "latest_first_offset": None,
            "latest_end_offset": None,
            "recorded_at": datetime.now(UTC),
        }
        for partition in end
    ]
    contract = table("ops.offset_bounds")
    write_deltalake(world.path(contract), pa.Table.from_pylist(rows, arrow_schema(contract)), mode="append")
