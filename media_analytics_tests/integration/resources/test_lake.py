"""The lake: staged, published in one commit, written by one process."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics.errors import ContractError
from media_analytics.migrations import lake_tables
from media_analytics.resources.lake import Lake, partition_predicate
from media_analytics.settings import Settings
from media_analytics_tests.builders.events import at, silver_event
from media_analytics_tests.integration.transforms.frames import silver_frame

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
EVENTS = table("silver.events")
TENTH, ELEVENTH, TWELFTH = "2026-03-10", "2026-03-11", "2026-03-12"


@pytest.fixture
def lake(spark_session: SparkSession, make_settings: Callable[..., Settings], tmp_path: Path) -> Lake:
    made = Lake(make_settings(LAKE__URL=str(tmp_path / "lake")), spark_session)
    lake_tables.create(EVENTS, made.path(EVENTS))
    return made


def rows(*days: int, title: str | None = None) -> list[dict[str, Any]]:
    return [silver_event(100 * day + n, at(f"{day} 12:0{n}"), title=title) for day in days for n in range(3)]


def publish(lake: Lake, found: list[dict[str, Any]], partitions: list[str], run_id: str) -> int:
    staged = lake.stage(EVENTS, silver_frame(lake.spark, found), run_id)
    version = lake.publish(EVENTS, staged, partitions)
    lake.delete_staging(staged)
    return version


def test_only_the_named_partitions_change_in_one_commit(lake: Lake) -> None:
    """Good partitions of a run are published although a bad one was staged with them."""
    first = publish(lake, rows(10, 11), [TENTH, ELEVENTH], "run-1")
    staged = lake.stage(EVENTS, silver_frame(lake.spark, rows(10, 11, title="new")), "run-2")
    assert staged.rows == {TENTH: 3, ELEVENTH: 3}
    assert lake.version(EVENTS) == first
    second = lake.publish(EVENTS, staged, [ELEVENTH])
    assert second == first + 1
    titles = {(r["date"], r["title"]) for r in lake.read(EVENTS).select("date", "title").collect()}
    assert titles == {(date(2026, 3, 10), None), (date(2026, 3, 11), "new")}
    assert '"run_id": "run-2"' in lake.history(EVENTS, 1)[0]["userMetadata"]
    lake.delete_staging(staged)
    assert not Path(staged.path).exists()


def test_partition_without_rows_becomes_empty(lake: Lake) -> None:
    publish(lake, rows(10, 11), [TENTH, ELEVENTH], "run-1")
    publish(lake, rows(11), [TENTH, ELEVENTH, TWELFTH], "run-2")
    assert lake.row_counts(EVENTS) == {ELEVENTH: 3}


def test_row_hash_ignores_order_and_provenance_and_nothing_else(lake: Lake) -> None:
    found = rows(10)
    publish(lake, found, [TENTH], "run-1")
    one = lake.row_hash(EVENTS, [TENTH])
    later = [r | {"loaded_at": r["loaded_at"] + timedelta(hours=1)} for r in reversed(found)]
    publish(lake, later, [TENTH], "run-2")
    assert lake.row_hash(EVENTS, [TENTH]) == one
    publish(lake, [found[0] | {"bytes_sent": 1}, *found[1:]], [TENTH], "run-3")
    assert lake.row_hash(EVENTS, [TENTH]) != one


def test_append_with_a_transaction_happens_once(lake: Lake) -> None:
    frame = silver_frame(lake.spark, rows(10))
    for _ in range(2):
        lake.append(EVENTS, frame, txn=("test", 7))
    assert lake.row_counts(EVENTS) == {TENTH: 3}
    lake.append(EVENTS, silver_frame(lake.spark, rows(11)), txn=("test", 8))
    assert lake.row_counts(EVENTS) == {TENTH: 3, ELEVENTH: 3}


@pytest.mark.parametrize("name", ["bronze.user_events", "ops.user_events_dates", "realtime.user_events"])
def test_table_of_another_writer_is_refused(lake: Lake, name: str) -> None:
    contract = table(name)
    for write in (
        lambda: lake.stage(contract, silver_frame(lake.spark, []), "run"),
        lambda: lake.append(contract, silver_frame(lake.spark, [])),
        lambda: lake.merge(contract, silver_frame(lake.spark, [])),
    ):
        with pytest.raises(ContractError, match="maintenance_requests"):
            write()


def test_columns_must_be_the_contract(lake: Lake) -> None:
    frame = silver_frame(lake.spark, rows(10))
    with pytest.raises(ContractError, match=r"missing columns \['brand'\]"):
        lake.stage(EVENTS, frame.drop("brand"), "run")
    with pytest.raises(ContractError, match=r"unknown columns \['extra'\]"):
        lake.stage(EVENTS, frame.selectExpr("*", "1 AS extra"), "run")


def test_a_year_of_dates_is_one_flat_list(lake: Lake) -> None:
    days = [(date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(366)]
    assert " OR " not in partition_predicate(EVENTS, days)
    publish(lake, rows(10, 11), days, "run-1")
    assert lake.read(EVENTS, partitions=days).count() == 6
    with pytest.raises(ValueError, match="isoformat"):
        partition_predicate(EVENTS, ["2026-03-10' OR true"])
