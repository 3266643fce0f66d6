"""Copies of lake tables: the same rows, partition by partition, or what stood before."""

import json
import threading
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from media_analytics.assets.warehouse.copies import COPIES
from media_analytics.contracts.clickhouse import create_staging_sql, staging_name
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.errors import ServiceError
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics_tests.builders.valid_rows import valid_rows
from media_analytics_tests.integration.warehouse.world import Warehouse

pytestmark = pytest.mark.integration

D10, D11, D12 = (date(2026, 3, day) for day in (10, 11, 12))
SESSIONS = table("warehouse.reader_sessions")


def counted(warehouse: Warehouse, copy: TableContract = SESSIONS) -> dict[date, int]:
    sql = f"SELECT date, sum(sessions) FROM {copy.full_name} GROUP BY date"
    return {day: int(total) for day, total in warehouse.clickhouse.rows(sql)}


@pytest.mark.parametrize("copy", COPIES, ids=lambda c: c.name)
def test_every_copy_holds_exactly_the_rows_of_its_original(copy: TableContract, warehouse: Warehouse) -> None:
    """Would catch a type, null, instant or list that ClickHouse's reading of Delta changes, and a lost row.

    The comparison is not ClickHouse's: rows are read from both sides and hashed here.
    """
    warehouse.create(copy)
    days = () if copy.partition_column is None else (D10, D12)
    empty = warehouse.load(copy, *days)
    assert (empty.differences, empty.failed, sum(empty.rows.values())) == ({}, {}, 0)
    for seed in (0, 1):
        version = warehouse.publish(copy, valid_rows(copy, days or (D10,), seed=seed), days)
        loaded = warehouse.load(copy, *days)
        assert (loaded.version, loaded.differences, loaded.failed) == (version, {}, {})
        assert warehouse.hash_in_clickhouse(copy) == warehouse.hash_in_lake(copy)
    assert warehouse.load(copy, *days).good == loaded.good, "loading twice is loading once"
    assert warehouse.hash_in_clickhouse(copy) == warehouse.hash_in_lake(copy)
    assert warehouse.tables() == {copy.name} | (warehouse.tables() - {f"{copy.name}__staging"})


def test_a_run_copies_its_dates_only_and_says_so(warehouse: Warehouse) -> None:
    """Would catch a copy of more or fewer dates than the run's, and one that is not recorded per date."""
    warehouse.create(SESSIONS)
    version = warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10, D11, D12)), (D10, D11, D12))
    result = warehouse.run(SESSIONS, D10, D11)
    assert result.success
    assert counted(warehouse) == {D10: 21, D11: 21}
    key = dg.AssetKey(list(SESSIONS.key))
    assert warehouse.instance.get_materialized_partitions(key) == {"2026-03-10", "2026-03-11"}
    assert {e.check_name: e.passed for e in result.get_asset_check_evaluations()} == {
        "contract": True,
        "parity": True,
    }
    (record,) = warehouse.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=["2026-03-11"]), limit=1
    ).records
    assert record.asset_materialization is not None
    metadata = {name: value.value for name, value in record.asset_materialization.metadata.items()}
    assert metadata["upstream_version"] == version
    assert metadata["dagster/partition_row_count"] == 3


def test_a_date_that_became_empty_is_empty_and_its_neighbours_stay(warehouse: Warehouse) -> None:
    """Would catch a replacement by no rows that keeps the old ones, and one that drops too much."""
    warehouse.create(SESSIONS)
    rows = valid_rows(SESSIONS, (D10, D11))
    warehouse.publish(SESSIONS, rows, (D10, D11))
    warehouse.load(SESSIONS, D10, D11)
    warehouse.publish(SESSIONS, rows.slice(0, 0), (D11,))
    assert warehouse.load(SESSIONS, D11, D12).good == ["2026-03-11", "2026-03-12"]
    assert counted(warehouse) == {D10: 21}


def test_a_date_that_differs_keeps_what_it_had_and_the_others_are_published(warehouse: Warehouse) -> None:
    """Would catch a comparison of ClickHouse with itself: here only the Delta log knows another count."""
    warehouse.create(SESSIONS)
    warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10, D11)), (D10, D11))
    assert warehouse.run(SESSIONS, D10, D11).success
    version = warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10, D11), seed=1), (D10, D11))
    log = warehouse.log_file(SESSIONS, version)
    lines = []
    for action in map(json.loads, log.read_text("utf-8").splitlines()):
        if action.get("add", {}).get("partitionValues") == {"date": "2026-03-11"}:
            action["add"]["stats"] = json.dumps(json.loads(action["add"]["stats"]) | {"numRecords": 4})
        lines.append(json.dumps(action))
    log.write_text("\n".join(lines), "utf-8")
    result = warehouse.run(SESSIONS, D10, D11)
    assert not result.success
    assert counted(warehouse) == {D10: 24, D11: 21}
    checks = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert (checks["contract"].passed, checks["parity"].passed) == (True, False)
    assert checks["parity"].metadata["differences"].value == {
        "2026-03-11: rows of the Delta log": "4 in Delta, 3 staged"
    }


def test_a_date_that_breaks_the_contract_keeps_what_it_had(warehouse: Warehouse) -> None:
    """Would catch rows that reach a mart although a rule of their table refuses them."""
    warehouse.create(SESSIONS)
    warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10, D11)), (D10, D11))
    assert warehouse.run(SESSIONS, D10, D11).success
    rows = valid_rows(SESSIONS, (D10, D11), seed=2)
    bad = pc.if_else(pc.equal(rows["date"], pa.scalar(D10)), -1, rows["bounces_human"])
    column = rows.column_names.index("bounces_human")
    warehouse.publish(SESSIONS, rows.set_column(column, "bounces_human", bad), (D10, D11))
    result = warehouse.run(SESSIONS, D10, D11)
    assert not result.success
    assert counted(warehouse) == {D10: 21, D11: 27}
    checks = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert not checks["contract"].passed
    assert list(checks["contract"].metadata["failed_rules"].value) == [
        "2026-03-10: bounces_human: greater_than_or_equal_to(0): 3"
    ]
    failed = [e for e in result.all_events if e.is_step_failure]
    assert "2026-03-10" in str(failed[0].step_failure_data.user_failure_data)


def test_what_a_killed_run_left_does_not_reach_the_copy(warehouse: Warehouse) -> None:
    """Would catch a staging table that still holds the rows of a run that ended between insert and publish."""
    warehouse.create(SESSIONS)
    warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10,)), (D10,))
    warehouse.load(SESSIONS, D10)
    warehouse.clickhouse.run(create_staging_sql(SESSIONS))
    warehouse.clickhouse.run(f"INSERT INTO {staging_name(SESSIONS)} SELECT * FROM {SESSIONS.full_name}")
    warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10,), seed=1), (D10,))
    assert warehouse.load(SESSIONS, D10).good == ["2026-03-10"]
    assert counted(warehouse) == {D10: 24}
    assert f"{SESSIONS.name}__staging" not in warehouse.tables()


def test_readers_see_a_partition_before_or_after_never_between(warehouse: Warehouse) -> None:
    """Would catch delete-then-insert: a reader would count nothing, or both."""
    warehouse.create(SESSIONS)
    seen: set[int] = set()
    stop = threading.Event()

    def watch() -> None:
        reader = ClickHouse(warehouse.settings, as_reader=True)
        while not stop.is_set():
            seen.add(int(reader.rows(f"SELECT sum(sessions) FROM {SESSIONS.full_name}")[0][0]))

    warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10,)), (D10,))
    warehouse.load(SESSIONS, D10)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for seed in (1, 0, 1, 0, 1):
            warehouse.publish(SESSIONS, valid_rows(SESSIONS, (D10,), seed=seed), (D10,))
            warehouse.load(SESSIONS, D10)
    finally:
        stop.set()
        watcher.join(30)
    assert seen == {21, 24}


def test_the_reader_cannot_reach_the_lake(warehouse: Warehouse) -> None:
    """Would catch personal data of bronze and silver open to everyone who may read a dashboard's store."""
    warehouse.create(SESSIONS)
    reader = ClickHouse(warehouse.settings, as_reader=True)
    path = warehouse.path(SESSIONS)
    for sql in (
        f"SELECT count() FROM deltaLakeLocal('{path}')",
        f"SELECT * FROM deltaLake('{path}')",
        f"DESCRIBE TABLE deltaLakeLocal('{path}')",
        f"INSERT INTO {SESSIONS.full_name} SELECT * FROM deltaLakeLocal('{path}')",
        f"ALTER TABLE {SESSIONS.full_name} DROP PARTITION '2026-03-10'",
    ):
        with pytest.raises(ServiceError, match=r"ACCESS_DENIED|READONLY"):
            reader.rows(sql)
