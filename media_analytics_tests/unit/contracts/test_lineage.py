"""Column lineage of the video marts, from `derived_from` of their contracts."""

import dagster as dg
import pytest

from media_analytics.contracts.dagster import metadata
from media_analytics.contracts.lineage import sources
from media_analytics.contracts.registry import TABLES, table
from media_analytics.contracts.tables import video_gold
from media_analytics_tests.conventions.source import ROOT

TRANSFORM = (ROOT / "spark_jobs/transforms/video_gold.py").read_text("utf-8")


@pytest.mark.parametrize("contract", video_gold.CONTRACTS, ids=lambda c: c.name)
def test_every_column_names_columns_that_exist_and_that_its_transform_reads(contract) -> None:
    """Catches a renamed column of silver, a new measure without its source, a source that nothing reads."""
    named = sources(contract)
    assert set(named) == set(contract.column_names)
    unknown = {
        f"{name}: {source}"
        for name, columns in named.items()
        for source in columns
        if source.full_name not in TABLES or source.column not in table(source.full_name).column_names
    }
    assert unknown == set()
    read = {source.column for columns in named.values() for source in columns} - {"delivery_id", "date"}
    # `geo_id` and its like are arguments of a shared function.
    keys = {"asset_id", "device_id", "geo_id"}
    assert {column for column in read - keys if f'"{column}"' not in TRANSFORM} == set()


def test_a_copy_names_the_columns_of_its_original() -> None:
    lineage = metadata(table("warehouse.reader_sessions"))["dagster/column_lineage"]
    assert set(lineage.deps_by_column) == set(table("gold.reader_sessions").column_names)
    assert lineage.deps_by_column["bounces"] == [
        dg.TableColumnDep(dg.AssetKey(["gold", "reader_sessions"]), "bounces")
    ]


def test_dagster_shows_the_lineage() -> None:
    lineage = metadata(table("gold.executive_summary"))["dagster/column_lineage"]
    assert set(lineage.deps_by_column["play_rate"]) == {
        dg.TableColumnDep(dg.AssetKey(["silver", "metrics"]), "plays"),
        dg.TableColumnDep(dg.AssetKey(["silver", "metrics"]), "impressions"),
    }
