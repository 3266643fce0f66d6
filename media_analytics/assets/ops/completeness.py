"""ops.completeness: for each closed minute, topic and partition, whether every offset is one row in each store.

Belongs here: the asset, and how its rows are written. Does not belong here: the check itself (`checks/`).
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import dagster as dg

from media_analytics.checks import completeness_run as checks
from media_analytics.checks.audit import CHECK_NAME, Verdict, audit_staged
from media_analytics.checks.completeness_stores import CHECKED, holding
from media_analytics.contracts.model import Contract
from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics.factory import RETRIES, asset_key, contract_check_spec, external_table
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.lake import Lake

CONTRACT = table("ops.completeness")
COMPLETE = "complete"


class CompletenessConfig(dg.Config):
    """What to judge. `recheck` judges every minute of the run's dates again; without it, minutes not yet judged."""

    recheck: bool = True


def asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Judges minutes of every topic whose contract names stores."""
    key = asset_key(CONTRACT)
    tables = [holding(topic.name, store) for topic in CHECKED for store in topic.stores]
    inputs: list[Contract] = [*tables, *CHECKED]
    spec = external_table(
        CONTRACT,
        partitions,
        declared_in=asset,
        deps=[dg.AssetDep(asset_key(c), partition_mapping=dg.AllPartitionMapping()) for c in inputs],
    )
    complete = dg.AssetCheckSpec(
        COMPLETE,
        asset=key,
        description="Every closed minute of the last 8 days: nothing missing, nothing twice, nothing 15 min late.",
    )

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[contract_check_spec(CONTRACT), complete],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"lake", "spark", "settings", "delta_log", "kafka", "clickhouse", "clock"},
    )
    def _run(context: dg.AssetExecutionContext, config: CompletenessConfig) -> Iterator[Any]:
        yield from _check(context, config)

    return _run


def _check(context: dg.AssetExecutionContext, config: CompletenessConfig) -> Iterator[Any]:
    resources = context.resources
    where = checks.Stores(
        resources.settings, resources.kafka, resources.clickhouse, resources.lake, resources.delta_log
    )
    now: datetime = resources.clock.now()
    dates = [date.fromisoformat(key) for key in context.partition_keys]
    with resources.spark.tagged(context.run.run_id, CONTRACT.full_name):
        reports = [
            checks.check_dates(where, topic, dates, now)
            if config.recheck
            else checks.check_new_minutes(where, topic, now)
            for topic in CHECKED
        ]
        verdict = write(where.lake, reports, context.run.run_id)
        minutes, red, messages = checks.standing_problems(where.log, now)
    overdue = [
        f"{j.span.minute:%H:%M} p{j.span.partition}" for r in reports for j in r.judged if j.is_overdue
    ]
    absent = {place: offsets for r in reports for place, offsets in r.absent.items()}
    key = asset_key(CONTRACT)
    yield dg.AssetCheckResult(
        asset_key=key, check_name=CHECK_NAME, passed=verdict.passed, metadata=verdict.metadata()
    )
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=COMPLETE,
        passed=red == 0 and not overdue,
        metadata={
            "minutes": minutes,
            "red_minutes": red,
            "messages": messages,
            "overdue": overdue,
            "absent_offsets": absent,
        },
    )
    if not verdict.passed:
        raise dg.Failure(
            "rows of ops.completeness break its contract", verdict.metadata(), allow_retries=False
        )
    own = set(context.partition_keys)
    for day in sorted({d.isoformat() for r in reports for d in r.dates} - own):
        context.log_event(dg.AssetMaterialization(key, partition=day))
    yield dg.MaterializeResult(asset_key=key, metadata=_metadata(reports))


def _metadata(reports: list[checks.Report]) -> Mapping[str, Any]:
    return {
        "minutes_judged": sum(len(r.judged) for r in reports),
        "minutes_waiting": sum(len(r.waiting) for r in reports),
        "dagster/row_count": sum(len(r.judged) for r in reports),
        "closed_through": json.dumps(
            {f"{r.topic} {store}": at.isoformat() for r in reports for store, at in r.closed_through.items()}
        ),
        "checked_offsets": json.dumps({r.topic: dict(r.checked_offsets) for r in reports}),
    }


def write(lake: Lake, reports: list[checks.Report], run_id: str) -> Verdict:
    """Replace the minutes that were judged, in one commit over their dates; other minutes of these dates stay."""
    rows = [row for report in reports for row in report.rows]
    if not rows:
        return Verdict(0, 0)
    schema = spark_schema(CONTRACT)
    new = lake.spark.createDataFrame([tuple(row[name] for name in schema.names) for row in rows], schema)
    days = sorted({row["date"].isoformat() for row in rows})
    keys = list(CONTRACT.unique_key)
    kept = lake.read(CONTRACT, partitions=days).join(new.select(*keys), keys, "left_anti")
    staged = lake.stage(CONTRACT, kept.unionByName(new), run_id)
    try:
        verdict = audit_staged(lake, staged, days)
        if verdict.passed:
            lake.publish(CONTRACT, staged, days)
    finally:
        lake.delete_staging(staged)
    return verdict
