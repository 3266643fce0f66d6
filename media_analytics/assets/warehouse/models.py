"""warehouse.*: dbt models, one set of assets for each partition scheme.

Belongs here: running dbt for the dates of a run. Does not belong here: SQL (`dbt_project`), what a model says of itself
(`media_analytics/warehouse/translator.py`).

A run is one invocation of dbt, however many models and dates it has: starting dbt costs more than its statements.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg
from dagster_dbt import dbt_assets

from media_analytics.factory import RETRIES
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.dbt import Dbt, manifest
from media_analytics.warehouse.translator import Scheme, Translator


def assets(
    partitions: Partitions, conditions: Mapping[Scheme, dg.AutomationCondition[Any]]
) -> list[dg.AssetsDefinition]:
    """The models by date, and those without partitions."""
    return [
        _models("daily", partitions.daily, conditions["daily"]),
        _models("none", None, conditions["none"]),
    ]


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
        pool=name,
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
