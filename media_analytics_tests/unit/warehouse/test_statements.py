"""What ClickHouse is told, on a laptop and on a cluster."""

from collections.abc import Callable

import pytest

from media_analytics.assets.warehouse.copies import COPIES
from media_analytics.contracts.clickhouse import create_staging_sql, create_table_sql
from media_analytics.contracts.registry import TABLES, table
from media_analytics.errors import ContractError, SettingsError
from media_analytics.settings import Settings
from media_analytics.warehouse import statements as sql

SESSIONS = table("warehouse.reader_sessions")
CONTENT = table("warehouse.content")


def test_every_gold_table_is_copied() -> None:
    """Would catch a new mart of the lake that no dashboard can show."""
    assert {c.copy_of for c in COPIES} >= {c.full_name for c in TABLES.values() if c.layer == "gold"}


def test_a_lake_in_a_folder_is_read_where_it_lies(make_settings: Callable[..., Settings]) -> None:
    assert sql.lake_source(make_settings(LAKE__URL="/data/lake"), SESSIONS) == (
        "deltaLakeLocal('/data/lake/gold/reader_sessions')"
    )
    mounted = make_settings(
        LAKE__URL="/data/lake", CLICKHOUSE__LAKE_URL="/var/lib/clickhouse/user_files/lake"
    )
    assert sql.lake_source(mounted, SESSIONS) == (
        "deltaLakeLocal('/var/lib/clickhouse/user_files/lake/gold/reader_sessions')"
    )


def test_a_lake_on_an_object_store_is_read_with_the_stores_own_credentials(
    make_settings: Callable[..., Settings],
) -> None:
    """Would catch a secret in a statement, which the query log keeps."""
    settings = make_settings(
        LAKE__URL="s3a://lake/main",
        CLICKHOUSE__LAKE_URL="https://s3.example.org/lake/main",
        CLICKHOUSE__LAKE_COLLECTION="lake",
    )
    assert sql.lake_source(settings, CONTENT) == (
        "deltaLake(`lake`, url = 'https://s3.example.org/lake/main/silver/content/')"
    )


@pytest.mark.parametrize("missing", ["CLICKHOUSE__LAKE_URL", "CLICKHOUSE__LAKE_COLLECTION"])
def test_what_is_missing_for_an_object_store_is_named(
    missing: str, make_settings: Callable[..., Settings]
) -> None:
    given = {"CLICKHOUSE__LAKE_URL": "https://s3.example.org/lake", "CLICKHOUSE__LAKE_COLLECTION": "lake"}
    del given[missing]
    with pytest.raises(SettingsError, match=f"MEDIA_ANALYTICS_{missing}"):
        sql.lake_source(make_settings(LAKE__URL="s3a://lake", **given), SESSIONS)


def test_only_copies_have_an_original() -> None:
    with pytest.raises(ContractError, match=r"realtime\.user_events is not a copy"):
        sql.original(table("realtime.user_events"))


def test_the_rows_inserted_are_the_rows_compared() -> None:
    rows = sql.selected(SESSIONS, "lake()", ["2026-03-10", "2026-03-12"])
    assert rows.endswith("FROM lake() WHERE `date` IN (toDate32('2026-03-10'), toDate32('2026-03-12'))))")
    assert sql.insert_sql(SESSIONS, "lake()", ["2026-03-10", "2026-03-12"]).endswith(rows)
    assert " WHERE " not in sql.selected(CONTENT, "lake()", [])


def test_every_number_that_is_no_key_is_summed() -> None:
    found = sql.measures(table("warehouse.sessions"))
    assert set(found) >= {"events", "page_views", "duration_seconds", "engaged_seconds"}
    assert "bounce_rate_human" in sql.measures(SESSIONS)


def test_partitions_are_replaced_and_dropped_in_one_statement() -> None:
    assert sql.publish_sql(SESSIONS, ["2026-03-10"], ["2026-03-11"]) == (
        "ALTER TABLE `warehouse`.`reader_sessions` REPLACE PARTITION '2026-03-10' "
        "FROM `warehouse`.`reader_sessions__staging`, DROP PARTITION '2026-03-11'"
    )
    assert "REPLACE PARTITION tuple() FROM" in sql.publish_sql(CONTENT, [sql.WHOLE], [])


@pytest.mark.parametrize("copy", COPIES, ids=lambda c: c.name)
def test_staged_parts_fit_the_table_also_on_a_cluster(copy) -> None:
    """`REPLACE PARTITION` wants the same columns, partition key and order; on a cluster only the engine differs."""
    staged, stored = create_staging_sql(copy), create_table_sql(copy, "replicated")
    assert "ENGINE = MergeTree\n" in staged
    assert "ENGINE = ReplicatedMergeTree(" in stored and "ON CLUSTER '{cluster}'" in stored
    for clause in ("PARTITION BY", "ORDER BY"):
        assert [line for line in staged.splitlines() if line.startswith(clause)] == [
            line for line in stored.splitlines() if line.startswith(clause)
        ]
    # A window would make a second load of the same rows insert nothing.
    assert "deduplication_window" not in staged + stored
