"""warehouse.*: dbt models, one set of assets for each partition scheme.

Belongs here: running dbt for the dates of a run. Does not belong here: SQL (`dbt_project`), what a model says of itself
(`media_analytics/warehouse/translator.py`), which published numbers change (`media_analytics/warehouse/restating.py`).

A run is one invocation of dbt, however many models and dates it has: starting dbt costs more than its statements.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from media_analytics.assets.ops.restatements import cause_of
from media_analytics.contracts.registry import TABLES
from media_analytics.factory import RETRIES, asset_key
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.dbt import Dbt, manifest
from media_analytics.warehouse.restating import Restating, marts
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
        required_resource_keys={"dbt", "clickhouse", "clock", "delta_log", "settings"},
    )

    @decorate
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        dated = context.has_partition_key or context.has_partition_key_range
        days = context.partition_keys if dated else ()
        restating = _restating(context)
        now = context.resources.clock.now
        if days:
            first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
            names = sorted(key.path[-1] for key in context.selected_asset_keys)
            restating.put_aside(names, first, last, now(), cause_of(context.run, "marts"))
        # Unit tests say nothing of data.
        arguments = ["build", "--exclude-resource-type", "unit_test", *_variables(days)]
        dbt: Dbt = context.resources.dbt
        with dbt.invocation(arguments, f"{name}-{context.run.run_id}", context) as invocation:
            yield from invocation.stream()
        # Not in a `finally`: what a run that fails has changed is recorded by the next one, as if it had died.
        if days and (changed := restating.record(now())):
            context.log.warning(f"{changed} published numbers of marts changed")

    made: dg.AssetsDefinition = _run
    return made


def _restating(context: dg.AssetExecutionContext) -> Restating:
    resources = context.resources
    comment = f"{context.run.run_id} {POOL}"
    return Restating(resources.settings, resources.clickhouse, resources.delta_log, marts(), comment=comment)


def _variables(days: Sequence[str]) -> list[str]:
    """Those that name a run's dates; none for models without partitions."""
    return ["--vars", json.dumps({"first_date": days[0], "last_date": days[-1]})] if days else []
