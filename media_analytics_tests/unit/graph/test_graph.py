"""Every table is an asset with partitions, freshness, contract checks and an owner; the graph is as recorded."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from media_analytics.assets.warehouse import models as models_of_dbt
from media_analytics.build import build_defs
from media_analytics.checks.audit import CHECK_NAME
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics.factory import asset_key
from media_analytics.resources.dbt import manifest
from media_analytics.settings import Settings
from media_analytics_tests.builders import settings as builder
from media_analytics_tests.unit.graph.record import SNAPSHOT, described

LARGEST_RATIO = 3.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return builder.make(tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="module")
def defs(settings: Settings) -> dg.Definitions:
    return build_defs(settings)


@pytest.fixture(scope="module")
def graph(defs: dg.Definitions) -> Any:
    return defs.resolve_asset_graph()


def test_definitions_load(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def models() -> dict[dg.AssetKey, dict[str, Any]]:
    """The dbt project's models by key: their contracts are dbt's own."""
    nodes = manifest()["nodes"].values()
    return {dg.AssetKey([n["schema"], n["name"]]): n for n in nodes if n["resource_type"] == "model"}


def test_assets_are_exactly_the_contracts_and_the_models(graph: Any) -> None:
    contracts = {asset_key(c) for c in (*TABLES.values(), *TOPICS.values())}
    assert contracts & models().keys() == set()
    assert set(graph.get_all_asset_keys()) == contracts | models().keys()


RULES: dict[str, Callable[[Any, Any], object]] = {
    "partitions or a reason for none": lambda n, g: (
        n.partitions_def or n.metadata.get("partitions/none_because")
    ),
    "freshness policy": lambda n, g: n.freshness_policy,
    "contract check": lambda n, g: (
        CHECK_NAME in {c.name for c in g.get_check_keys_for_assets({n.key})}
        # dbt refuses to build a model whose columns are not those of its contract; its tests are checks.
        or (models()[n.key]["config"]["contract"]["enforced"] and g.get_check_keys_for_assets({n.key}))
    ),
    "owner": lambda n, g: n.owners,
    "kinds": lambda n, g: n.kinds,
    "description": lambda n, g: n.description,
    "column schema": lambda n, g: "dagster/column_schema" in n.metadata,
    "code references": lambda n, g: "dagster/code_references" in n.metadata,
    "declaration (a mistyped dependency makes a stub)": lambda n, g: (
        not n.metadata.get("dagster/auto_created_stub_asset")
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_table_has(rule: str, graph: Any) -> None:
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert [n.key.to_user_string() for n in nodes if not RULES[rule](n, graph)] == []


def test_a_table_fails_freshness_within_three_refresh_intervals(graph: Any) -> None:
    late = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        window = node.freshness_policy.fail_window.to_timedelta().total_seconds()
        interval = node.metadata["contract/refresh_interval_seconds"]
        if window > LARGEST_RATIO * interval:
            late[key.to_user_string()] = window / interval
    assert late == {}


def test_only_tables_that_are_replaced_as_a_whole_and_topics_have_no_partitions(graph: Any) -> None:
    without = {k.to_user_string() for k in graph.get_all_asset_keys() if graph.get(k).partitions_def is None}
    whole = {"silver/content", "silver/consent", "silver/subscriptions"}
    for catalogue in ("assets", "devices", "geo"):
        whole |= {f"bronze/raw_{catalogue}", f"quarantine/{catalogue}", f"silver/{catalogue}"}
    whole |= {"warehouse/content", "warehouse/subscriptions"}
    whole |= {k.to_user_string() for k, n in models().items() if n["config"]["meta"]["partitions"] == "none"}
    assert without == {f"kafka/{name}" for name in TOPICS} | whole


def test_partitions_include_the_day_that_is_not_over(graph: Any) -> None:
    """Without the end offset an event of today names a partition that does not exist, and is ignored silently."""
    offsets = {
        k.to_user_string(): graph.get(k).partitions_def.end_offset
        for k in graph.get_all_asset_keys()
        if graph.get(k).partitions_def is not None
    }
    assert set(offsets.values()) == {1}


def test_one_run_holds_a_range_and_writes_of_a_table_queue_up(defs: dg.Definitions) -> None:
    for asset in defs.assets or []:
        if isinstance(asset, dg.AssetsDefinition):
            assert asset.backfill_policy == dg.BackfillPolicy.multi_run(366), asset.keys
            own = {asset.op.name, *("__".join(key.path) for key in asset.keys)}
            assert asset.op.pool in own | {models_of_dbt.POOL}
            assert (asset.op.pool == models_of_dbt.POOL) == bool(asset.keys & models().keys())


def test_the_graph_is_as_recorded(defs: dg.Definitions, graph: Any) -> None:
    """A change of the graph shows in review. Record it: `python -m media_analytics_tests.unit.graph.record`."""
    assert json.loads(SNAPSHOT.read_text("utf-8")) == described(defs, graph)
