"""Spark, Delta, ClickHouse and Dagster forms of every contract, and what every contract must have."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import StructField, StructType

from media_analytics.contracts import clickhouse, dagster, delta
from media_analytics.contracts.audit import arrow_schema, schema_difference
from media_analytics.contracts.model import Contract, Freshness, Full, TableContract
from media_analytics.contracts.registry import TABLES, TOPICS, table, topic
from media_analytics.contracts.spark import spark_schema
from media_analytics.errors import ContractError
from media_analytics.migrations import lake_tables

CONTRACTS: list[Contract] = [*TABLES.values(), *TOPICS.values()]
DELTA = [c for c in TABLES.values() if c.store == "delta"]
REALTIME = table("realtime.user_events")


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    chdb = pytest.importorskip("chdb")
    connection = chdb.connect(":memory:")
    yield connection
    connection.close()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.full_name)
def test_spark_types_are_the_arrow_types(contract: Contract) -> None:
    found = {f.name: (f.dataType, f.nullable) for f in spark_schema(contract).fields}
    want = {
        f.name: (from_arrow_type(f.type, prefer_timestamp_ntz=True), f.nullable)
        for f in arrow_schema(contract)
    }
    assert found == want


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.full_name)
def test_every_contract_says_what_the_graph_needs(contract: Contract) -> None:
    names = set(contract.column_names)
    assert contract.freshness.fail <= 3 * contract.refresh_interval
    assert contract.owner.startswith("team:")
    assert set(contract.unique_key) <= names
    assert all(c.description.endswith(".") for c in contract.columns)
    if isinstance(contract, TableContract):
        assert contract.unique_key
        assert set(contract.sort_keys) <= names
        if isinstance(contract.partitioning, Full):
            assert contract.layer in ("silver", "bronze", "quarantine", "warehouse")
            assert contract.partitioning.reason
        else:
            assert contract.partitioning.column in names
        assert contract.partition_column is None or contract.partition_column in names


@pytest.mark.parametrize("name", [n for n in TABLES if n.startswith("gold.reader_")])
def test_every_measure_of_reader_gold_stands_twice(name: str) -> None:
    columns = {c.name: c for c in table(name).columns}
    dimensions = {*table(name).unique_key, "title"}
    measures = [n for n in columns if not n.endswith("_human") and n not in dimensions]
    assert {n for n in columns if n.endswith("_human")} == {f"{n}_human" for n in measures}
    for measure in measures:
        twin = columns[f"{measure}_human"]
        assert (twin.arrow_type, twin.nullable) == (columns[measure].arrow_type, columns[measure].nullable)


def test_a_ratio_may_be_null_and_a_count_may_not() -> None:
    columns = {c.name: c for c in table("gold.reader_sessions").columns}
    assert columns["bounce_rate"].nullable
    assert columns["duration_seconds_p95_human"].nullable
    assert not columns["bounces_human"].nullable


@pytest.mark.parametrize("contract", DELTA, ids=lambda c: c.full_name)
def test_delta_keeps_features_off_that_other_readers_lack(contract: TableContract) -> None:
    properties = delta.table_properties(contract)
    assert properties["delta.enableDeletionVectors"] == "false"
    assert properties["delta.columnMapping.mode"] == "none"
    statistics = properties["delta.dataSkippingStatsColumns"].split(",")
    assert set(statistics) <= set(contract.column_names) - {contract.partition_column}
    assert set(contract.sort_keys) - {contract.partition_column} <= set(statistics)


def test_schema_difference_names_each_column() -> None:
    contract = table("ops.session_dates")
    fields = list(spark_schema(contract).fields)
    assert schema_difference(contract, StructType(fields[::-1])) == []
    wrong = StructType(
        [*fields[1:3], StructField("loaded_at", fields[0].dataType), StructField("extra", fields[2].dataType)]
    )
    assert schema_difference(contract, wrong) == [
        "session_date: missing, expected date",
        "extra: bigint is not in the contract",
        "loaded_at: date, expected timestamp",
    ]


def test_clickhouse_creates_what_the_contract_says(engine: Any) -> None:
    engine.query(clickhouse.create_database_sql(REALTIME))
    engine.query(clickhouse.create_table_sql(REALTIME))
    where = "database = 'realtime' AND table = 'user_events'"
    sql = f"SELECT name, type FROM system.columns WHERE {where} ORDER BY position"
    rows = [tuple(line.split("\t")) for line in str(engine.query(sql, "TSVRaw")).strip().split("\n")]
    assert rows == [(c.name, clickhouse.clickhouse_type(c)) for c in REALTIME.columns]


def test_the_replicated_variant_differs_in_engine_cluster_and_window_only() -> None:
    plain = clickhouse.create_table_sql(REALTIME).splitlines()
    replicated = clickhouse.create_table_sql(REALTIME, "replicated").splitlines()
    changed = [b for a, b in zip(plain, replicated, strict=True) if a != b]
    assert len(changed) == 3
    assert "ON CLUSTER '{cluster}'" in changed[0]
    assert "ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')" in changed[1]
    assert changed[2] == "SETTINGS replicated_deduplication_window = 10000"


def test_a_table_has_ddl_of_its_own_store_only() -> None:
    with pytest.raises(ContractError, match="not in ClickHouse"):
        clickhouse.create_table_sql(table("silver.events"))
    with pytest.raises(ContractError, match="not in Delta"):
        lake_tables.create(REALTIME, "/lake")


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.full_name)
def test_dagster_takes_the_metadata(contract: Contract) -> None:
    spec = dg.AssetSpec(
        [contract.layer, contract.name], owners=[contract.owner], metadata=dagster.metadata(contract)
    )
    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [c.name for c in schema.columns] == list(contract.column_names)
    assert [c.constraints.nullable for c in schema.columns] == [c.nullable for c in contract.columns]


def test_personal_data_is_marked() -> None:
    marked = {c.name for c in topic("user.raw").columns if c.personal_data}
    assert {"customer_id", "anonymous_id", "visitor_id", "ip", "user_agent"} <= marked
    tags = {c.name: c.tags for c in dagster.column_schema(topic("user.raw")).columns}
    assert tags["ip"] == {"personal_data": "network_address"}


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ContractError, match=r"silver\.events"):
        table("silver.event")
    with pytest.raises(ContractError, match=r"user\.raw"):
        topic("user.row")


def test_freshness_in_the_wrong_order_is_refused() -> None:
    right = table("silver.events").freshness
    with pytest.raises(ContractError, match="warn < fail"):
        Freshness(warn=right.fail, fail=right.warn)


def test_a_type_without_form_is_refused() -> None:
    with pytest.raises(ContractError, match=r"rules\.py"):
        delta.spark_type(pa.decimal128(10, 2))
