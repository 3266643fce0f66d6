"""What a difference between a contract and a service leads to, and what is refused.

Catches: a destructive change that is carried out, a change that is planned again after it was made.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.clickhouse import clickhouse_type, partition_key, settings
from media_analytics.contracts.delta import table_properties
from media_analytics.contracts.registry import TABLES, table, topic
from media_analytics.contracts.spark import spark_type
from media_analytics.migrations.plan import (
    Change,
    Difference,
    Refusal,
    StoredSubject,
    StoredTable,
    StoredTopic,
    clickhouse_differences,
    delta_differences,
    registry_differences,
    topic_config,
    topic_differences,
)

REALTIME, BRONZE, RAW = table("realtime.user_events"), table("bronze.user_events"), topic("user.raw")
CLICKHOUSE = StoredTable(
    columns={c.name: clickhouse_type(c) for c in REALTIME.columns},
    properties={"window": settings("plain")},
    partition_key=partition_key(REALTIME),
    sorting_key=", ".join(REALTIME.sort_keys),
    retention_days=35,
)
DELTA = StoredTable(
    columns={c.name: spark_type(c.arrow_type) for c in BRONZE.columns},
    partition_columns=("appended_hour",),
    properties=table_properties(BRONZE),
)
SUBJECT = StoredSubject(latest=avro_schema(RAW), holds_ours=True, compatibility="BACKWARD")
TOPIC = StoredTopic(6, topic_config(RAW, 3))


def _without(stored: StoredTable, *names: str) -> StoredTable:
    return replace(stored, columns={n: t for n, t in stored.columns.items() if n not in names})


def _refused(found: list[Difference]) -> str:
    (refusal,) = found
    assert isinstance(refusal, Refusal)
    return str(refusal)


def _changed(found: list[Difference]) -> Change:
    (change,) = found
    assert isinstance(change, Change)
    return change


def test_equal_needs_nothing() -> None:
    assert clickhouse_differences(REALTIME, CLICKHOUSE, "plain") == []
    assert delta_differences(BRONZE, DELTA, "/lake/bronze/user_events") == []
    assert registry_differences(RAW, SUBJECT) == []
    assert topic_differences(RAW, TOPIC, 3) == []


@pytest.mark.parametrize(
    "contract", [c for c in TABLES.values() if c.store != "files"], ids=lambda c: c.full_name
)
def test_absent_tables_are_created(contract: Any) -> None:
    if contract.store == "clickhouse":
        found = clickhouse_differences(contract, None, "plain")
        assert (_changed(found).statement or "").startswith("CREATE TABLE IF NOT EXISTS")
    else:
        found = delta_differences(contract, None, "/lake/table")
        assert _changed(found).payload == {"location": "/lake/table"}


def test_a_new_optional_column_is_added() -> None:
    change = _changed(clickhouse_differences(REALTIME, _without(CLICKHOUSE, "network"), "plain"))
    assert change.what == "add column network Nullable(String)"
    change = _changed(delta_differences(BRONZE, _without(DELTA, "network"), "/lake/t"))
    assert (change.statement or "").startswith(
        "ALTER TABLE delta.`/lake/t` ADD COLUMNS (`network` string COMMENT"
    )


def test_a_new_required_column_is_refused() -> None:
    assert "'device_type'" in _refused(
        clickhouse_differences(REALTIME, _without(CLICKHOUSE, "device_type"), "plain")
    )
    assert "make it nullable" in _refused(
        delta_differences(BRONZE, _without(DELTA, "device_type"), "/lake/t")
    )


def test_a_changed_type_is_refused() -> None:
    columns = dict(CLICKHOUSE.columns) | {"position": "Nullable(Int64)"}
    text = _refused(clickhouse_differences(REALTIME, replace(CLICKHOUSE, columns=columns), "plain"))
    assert "column 'position' is Nullable(Int64), the contract says Nullable(Int32)" in text
    columns = dict(DELTA.columns) | {"position": "bigint"}
    assert "'position'" in _refused(delta_differences(BRONZE, replace(DELTA, columns=columns), "/lake/t"))


def test_a_column_that_left_the_contract_is_not_dropped() -> None:
    columns = dict(DELTA.columns) | {"old": "string"}
    assert "'old'" in _refused(delta_differences(BRONZE, replace(DELTA, columns=columns), "/lake/t"))
    columns = dict(CLICKHOUSE.columns) | {"old": "String"}
    assert "by hand" in _refused(
        clickhouse_differences(REALTIME, replace(CLICKHOUSE, columns=columns), "plain")
    )


@pytest.mark.parametrize(
    ("stored", "word"),
    [
        (replace(CLICKHOUSE, sorting_key="brand"), "ordered by"),
        (replace(CLICKHOUSE, partition_key="toYYYYMM(appended_at)"), "partitioned by"),
        (replace(CLICKHOUSE, is_replicated=True), "replicated"),
        (replace(CLICKHOUSE, retention_days=90), "keeps rows 90 days"),
    ],
)
def test_clickhouse_layout_is_not_changed(stored: StoredTable, word: str) -> None:
    assert word in _refused(clickhouse_differences(REALTIME, stored, "plain"))


def test_rows_are_kept_longer_on_request() -> None:
    change = _changed(clickhouse_differences(REALTIME, replace(CLICKHOUSE, retention_days=7), "plain"))
    assert "MODIFY TTL toDate(appended_at) + INTERVAL 35 DAY" in (change.statement or "")


def test_a_lost_deduplication_window_is_set_again() -> None:
    change = _changed(clickhouse_differences(REALTIME, replace(CLICKHOUSE, properties={}), "plain"))
    assert "MODIFY SETTING non_replicated_deduplication_window = 10000" in (change.statement or "")


def test_delta_partitions_are_not_changed() -> None:
    found = delta_differences(BRONZE, replace(DELTA, partition_columns=()), "/lake/t")
    assert "write it anew" in _refused(found)


def test_changed_properties_are_set() -> None:
    properties = dict(DELTA.properties) | {"delta.enableDeletionVectors": "true"}
    change = _changed(delta_differences(BRONZE, replace(DELTA, properties=properties), "/lake/t"))
    assert "SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'false')" in (change.statement or "")


def test_a_streamed_table_on_an_object_store_has_one_writer() -> None:
    missing, where = _without(DELTA, "network"), "s3a://lake/bronze/user_events"
    found = delta_differences(BRONZE, missing, where)
    assert any(isinstance(d, Refusal) and "--streams-stopped" in d.fix for d in found)
    assert isinstance(_changed(delta_differences(BRONZE, missing, where, streams_stopped=True)), Change)


def test_first_schema_comes_with_its_mode() -> None:
    mode, schema = registry_differences(RAW, None)
    assert isinstance(mode, Change)
    assert mode.payload == {"subject": "user.raw-value", "compatibility": "BACKWARD"}
    assert isinstance(schema, Change)
    assert schema.what == "register first version"


def test_a_new_optional_field_is_a_new_version() -> None:
    old = avro_schema(RAW)
    old["fields"] = [f for f in old["fields"] if f["name"] != "segment"]
    change = _changed(registry_differences(RAW, replace(SUBJECT, latest=old, holds_ours=False)))
    assert change.what == "register a new version (adds segment)"


def test_a_schema_that_cannot_read_older_messages_is_refused() -> None:
    old = avro_schema(RAW)
    old["fields"] = [f for f in old["fields"] if f["name"] != "brand"]
    text = _refused(registry_differences(RAW, replace(SUBJECT, latest=old, holds_ours=False)))
    assert "field 'brand' is new and has no default" in text


def test_a_rolled_back_release_registers_nothing() -> None:
    newer = avro_schema(RAW)
    newer["fields"] = [*newer["fields"], {"name": "later", "type": ["null", "string"], "default": None}]
    assert registry_differences(RAW, replace(SUBJECT, latest=newer, holds_ours=True)) == []


def test_topics_are_created_with_log_append_time() -> None:
    payload = _changed(topic_differences(RAW, None, 3)).payload
    assert payload["partitions"] == 6
    assert payload["config"] == {
        "cleanup.policy": "delete",
        "compression.type": "lz4",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2",
        "retention.bytes": "-1",
        "retention.ms": "604800000",
    }


def test_the_number_of_partitions_is_not_changed() -> None:
    assert "12 partitions" in _refused(topic_differences(RAW, replace(TOPIC, partitions=12), 3))


def test_retention_grows_and_never_shrinks_by_itself() -> None:
    shorter = replace(TOPIC, config=dict(TOPIC.config) | {"retention.ms": "3600000"})
    assert _changed(topic_differences(RAW, shorter, 3)).payload["config"] == {"retention.ms": "604800000"}
    brief = replace(RAW, retention=timedelta(days=1))
    assert "deletes messages" in _refused(topic_differences(brief, TOPIC, 3))


def test_configuration_is_brought_back() -> None:
    wrong = replace(TOPIC, config=dict(TOPIC.config) | {"message.timestamp.type": "CreateTime"})
    assert _changed(topic_differences(RAW, wrong, 3)).payload["config"] == {
        "message.timestamp.type": "LogAppendTime"
    }
