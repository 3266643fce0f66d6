"""Contracts applied to the real registry, broker, lake and serving store.

One test adds an optional field while messages of old producers go on; the sum of both is in each store.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from fastavro import parse_schema, schemaless_writer
from pyspark.sql import SparkSession

from media_analytics.contracts.audit import schema_difference
from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.model import Contract, TableContract, TopicContract
from media_analytics.contracts.registry import TABLES, TOPICS, table, topic
from media_analytics.contracts.rules import Text, column
from media_analytics.contracts.spark import spark_schema
from media_analytics.errors import ContractError, ServiceError
from media_analytics.migrations.apply import Plan, apply, plan
from media_analytics.settings import Settings
from media_analytics_tests.builders.frames import good_value
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

FIELD = "newsletter_name"


@dataclass(frozen=True)
class _Stack:
    settings: Settings
    spark: SparkSession

    def clickhouse(self, sql: str, data: bytes = b"", **parameters: str) -> str:
        serving = self.settings.clickhouse
        headers = {"X-ClickHouse-User": serving.user, "X-ClickHouse-Key": serving.password.get_secret_value()}
        with httpx.Client(trust_env=False, timeout=60, headers=headers) as client:
            answer = client.post(serving.url, params={"query": sql, **parameters}, content=data)
        assert answer.status_code == 200, answer.text
        return answer.text

    def apply(self, tables: list[TableContract], topics: list[TopicContract]) -> Plan:
        by_table, by_topic = {t.full_name: t for t in tables}, {t.name: t for t in topics}
        return apply(self.settings, print, by_table, by_topic)


@pytest.fixture(scope="module")
def stack(
    kafka: Embedded, registry: Embedded, clickhouse: Embedded, spark: Embedded, spark_session: SparkSession
) -> Iterator[_Stack]:
    assert kafka is registry is clickhouse is spark
    yield _Stack(kafka.settings, spark_session)


def _extended(contract: Any, name: str) -> Any:
    """The same contract under another name, with one more optional field."""
    new = column("Newsletter the reader came from.", nullable=True, longest=256)
    members = {"__annotations__": {FIELD: Text}, FIELD: new, "__doc__": contract.model.__doc__}
    return replace(contract, name=name, model=type("Extended", (contract.model,), members))


def _message(contract: TopicContract, schema_id: int, offset: int, **values: Any) -> bytes:
    record: dict[str, Any] = {c.name: good_value(contract, c, 0) for c in contract.columns}
    record |= {
        "properties": {"key": "value"},
        "source_offset": offset,
        "appended_at": datetime.now(UTC),
        **values,
    }
    buffer = BytesIO()
    schemaless_writer(buffer, parse_schema(avro_schema(contract)), record)
    return struct.pack(">bI", 0, schema_id) + buffer.getvalue()


def _schema_id(settings: Settings, contract: TopicContract) -> int:
    url = f"{settings.registry.url}/subjects/{contract.subject}"
    with httpx.Client(trust_env=False) as client:
        answer = client.post(url, json={"schema": json.dumps(avro_schema(contract)), "schemaType": "AVRO"})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_everything_is_created_once(stack: _Stack) -> None:
    lines: list[str] = []
    apply(stack.settings, lines.append)
    assert plan(stack.settings) == Plan((), ())
    lines.clear()
    apply(stack.settings, lines.append)
    assert lines == ["contracts: nothing to change"]
    for contract in (c for c in TABLES.values() if c.store == "delta"):
        path = stack.settings.lake.table_path(contract.layer, contract.name)
        assert schema_difference(contract, stack.spark.read.format("delta").load(path).schema) == []
    columns = stack.clickhouse(
        "SELECT name FROM system.columns WHERE database = 'realtime' AND table = 'user_events'"
    )
    assert columns.split() == list(TABLES["realtime.user_events"].column_names)
    for contract in TOPICS.values():
        assert _schema_id(stack.settings, contract) > 0


def test_readers_come_before_writers(stack: _Stack) -> None:
    tables = [
        replace(table(name), name="ordered_events") for name in ("realtime.user_events", "bronze.user_events")
    ]
    made = stack.apply(tables, [replace(topic("user.latest"), name="ordered.latest")])
    order = [change.service for change in made.changes]
    assert order == ["clickhouse", "delta", "registry", "registry", "kafka"]


def test_an_optional_field_flows_while_old_producers_go_on(stack: _Stack) -> None:
    old_topic = replace(topic("user.latest"), name="flow.latest")
    old_tables = [
        replace(table(name), name="flow_events") for name in ("realtime.user_events", "bronze.user_events")
    ]
    stack.apply(old_tables, [old_topic])
    old_id = _schema_id(stack.settings, old_topic)
    before = [_message(old_topic, old_id, offset) for offset in range(3)]
    _insert(stack, before)

    new_topic = _extended(old_topic, old_topic.name)
    new_tables = [_extended(contract, contract.name) for contract in old_tables]
    made = stack.apply(new_tables, [new_topic])
    assert [c.what for c in made.changes] == [
        f"add column {FIELD} Nullable(String)",
        f"add column {FIELD} string",
        f"register a new version (adds {FIELD})",
    ]
    assert plan(stack.settings, {t.full_name: t for t in new_tables}, {new_topic.name: new_topic}) == Plan(
        (), ()
    )

    # The old producer still finds its schema, and its messages stand beside the new ones.
    assert _schema_id(stack.settings, old_topic) == old_id
    new_id = _schema_id(stack.settings, new_topic)
    assert new_id != old_id
    mixed = [
        _message(old_topic, old_id, 3),
        _message(new_topic, new_id, 4, **{FIELD: "morning"}),
        _message(old_topic, old_id, 5),
    ]
    produced = _produced_and_read(stack, new_topic.name, mixed)
    assert produced == mixed
    _insert(stack, produced)
    rows = stack.clickhouse(f"SELECT source_offset, {FIELD} FROM realtime.flow_events ORDER BY source_offset")
    assert [line.split("\t") for line in rows.strip().split("\n")] == [
        ["0", "\\N"], ["1", "\\N"], ["2", "\\N"], ["3", "\\N"], ["4", "morning"], ["5", "\\N"],
    ]  # fmt: skip

    _append(stack, old_tables[1], 3)
    _append(stack, new_tables[1], 4, **{FIELD: "morning"})
    path = stack.settings.lake.table_path("bronze", "flow_events")
    lake = stack.spark.read.format("delta").load(path).select("source_offset", FIELD).orderBy("source_offset")
    assert [tuple(row) for row in lake.collect()] == [(3, None), (4, "morning")]
    assert schema_difference(new_tables[1], stack.spark.read.format("delta").load(path).schema) == []


def test_a_refused_difference_changes_nothing(stack: _Stack) -> None:
    realtime = replace(table("realtime.user_events"), name="refused_events")
    letters = replace(topic("dead_letters"), name="refused.letters")
    stack.apply([realtime], [letters])
    narrower = replace(letters, partitions=3)
    wider = _extended(realtime, realtime.name)
    with pytest.raises(ContractError, match="has 1 partitions, the contract says 3"):
        stack.apply([wider], [narrower])
    left = stack.clickhouse(
        f"SELECT count() FROM system.columns WHERE table = 'refused_events' AND name = '{FIELD}'"
    )
    assert left.strip() == "0"


def test_an_absent_service_is_named_with_its_setting(stack: _Stack, spark: Embedded) -> None:
    nobody = spark.settings_with(REGISTRY__URL="http://127.0.0.1:9/apis/ccompat/v7")
    with pytest.raises(ServiceError, match="MEDIA_ANALYTICS_REGISTRY__URL"):
        plan(nobody)


def _insert(stack: _Stack, messages: list[bytes]) -> None:
    """As the sink does: framed messages straight into the table, schemas by id from the registry."""
    stack.clickhouse(
        "INSERT INTO realtime.flow_events FORMAT AvroConfluent",
        b"".join(messages),
        format_avro_schema_registry_url=stack.settings.registry.url,
        input_format_avro_allow_missing_fields="1",
        async_insert="0",
    )


def _append(stack: _Stack, contract: Contract, offset: int, **values: Any) -> None:
    row = {c.name: good_value(contract, c, 0) for c in contract.columns}
    row |= {"properties": {"key": "value"}, "source_offset": offset, **values}
    frame = stack.spark.createDataFrame(
        [tuple(row[n] for n in contract.column_names)], spark_schema(contract)
    )
    path = stack.settings.lake.table_path("bronze", "flow_events")
    frame.write.format("delta").mode("append").save(path)


def _produced_and_read(stack: _Stack, name: str, values: list[bytes]) -> list[bytes]:
    config = stack.settings.kafka.client_config()
    producer = Producer(config)
    for value in values:
        producer.produce(name, value, partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer(
        config | {"group.id": "flow", "auto.offset.reset": "error", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(name, 0, 0)])
    read = consumer.consume(len(values), 30)
    consumer.close()
    assert all(message.error() is None for message in read)
    return [message.value() for message in read]
