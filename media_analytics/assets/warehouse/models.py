"""warehouse.*: dbt models, one set of assets for each partition scheme.

Belongs here: running dbt for the dates of a run. Does not belong here: SQL (`dbt_project`), what a model says of itself
(`media_analytics/warehouse/translator.py`).

A run is one invocation of dbt, however many models and dates it has: starting dbt costs more than its statements.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from media_analytics.contracts.registry import TABLES
from media_analytics.factory import RETRIES, asset_key
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.dbt import Dbt, manifest
from media_analytics.warehouse.translator import Meta, Scheme, Translator, key_of

# Both sets: one invocation of dbt at a time, so that models never hold every place among the runs.
POOL = "warehouse__models"


def assets(
    partitions: Partitions, conditions: Mapping[Scheme, dg.AutomationCondition[Any]]
) -> list[dg.AssetsDefinition]:
    """The models by date, and those without partitions."""
    return [
        _models("daily", partitions.daily, conditions["daily"]),
        _models("none", None, conditions["none"]),
    ]


def selections() -> dict[str, dg.AssetSelection]:
    """What conditions tell apart among the inputs of models: copies, those without partitions, live tables, models."""
    copies = [c for c in TABLES.values() if c.copy_of is not None]
    models = [n for n in manifest()["nodes"].values() if n["resource_type"] == "model"]
    return {
        "copies": _selection(asset_key(c) for c in copies),
        "whole": _selection(asset_key(c) for c in copies if c.partition_column is None),
        "live": _selection(asset_key(c) for c in TABLES.values() if c.layer == "realtime"),
        "dated": _selection(key_of(n) for n in models if Meta.of(n).partitions == "daily"),
    }


def _selection(keys: Iterable[dg.AssetKey]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*keys)


# dbt's own selector takes seconds.
@cache
def _models(
    scheme: Scheme,
    partitions_def: dg.DailyPartitionsDefinition | None,
    condition: dg.AutomationCondition[Any],
) -> dg.AssetsDefinition:
    name = f"warehouse__models_{scheme}"
    decorate: Callable[..., Any] = dbt_assets(
        manifest=manifest(),
        select=f"config.meta.partitions:{scheme}",
        name=name,
        partitions_def=partitions_def,
        dagster_dbt_translator=Translator(condition),
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool=POOL,
        required_resource_keys={"dbt"},
    )

    @decorate
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        # Unit tests say nothing of data.
        arguments = ["build", "--exclude-resource-type", "unit_test", *_dates(context)]
        dbt: Dbt = context.resources.dbt
        with dbt.invocation(arguments, f"{name}-{context.run.run_id}", context) as invocation:
            yield from invocation.stream()

    made: dg.AssetsDefinition = _run
    return made


def _dates(context: dg.AssetExecutionContext) -> list[str]:
    """The variables that name a run's dates; none for models without partitions."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return []
    keys = context.partition_keys
    return ["--vars", json.dumps({"first_date": keys[0], "last_date": keys[-1]})]
