"""ops.restatements: numbers that changed after their date was published.

Belongs here: the table as an asset, and the comparison every gold table makes before it publishes. Does not belong
here: the measures, and publishing itself (`factory.py`).
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from media_analytics.checks.audit import merge_audited
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.factory import AUTOMATIC_TAG, CAUSE_TAG, Publication, asset_key, external_table
from media_analytics.partitions import Partitions
from media_analytics.resources.clock import Clock
from media_analytics.resources.delta_log import DeltaLog

CONTRACT = table("ops.restatements")
GOLD = tuple(
    table(f"gold.{name}")
    for name in (
        "reader_sessions",
        "reader_engagement",
        "reader_geography",
        "reader_devices",
        "reader_sources",
        "reader_subscriptions",
        "executive_summary",
        "content_performance",
        "delivery_quality",
        "device_analytics",
        "geographic_analytics",
    )
)
# A date is published at this time of the next day; until then its numbers may still grow.
PUBLISHED_AT = time(3)
# Sums of the same numbers in another order differ in their last digits; that is no restatement.
RELATIVE_TOLERANCE = 1e-9
# Stands for the brand of tables that have none.
ALL_BRANDS = "all"
LONGEST_CAUSE = 1024


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """The table; the runs of gold write it."""
    deps = [dg.AssetDep(asset_key(gold)) for gold in GOLD]
    return [external_table(CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)]


def is_published(day: date, now: datetime) -> bool:
    """Whether 03:00 of the day after `day` has passed."""
    return now >= datetime.combine(day + timedelta(days=1), PUBLISHED_AT, UTC)


def record_restatements(publication: Publication) -> Mapping[str, Any]:
    """Before gold is published: every measure of a published date that is about to change.

    Rows are merged by the version that holds the old value, so a run that is tried again records nothing twice.
    """
    contract, lake = publication.contract, publication.lake
    clock: Clock = publication.context.resources.clock
    now = clock.now()
    days = {d.isoformat() for d in publication.dates if is_published(d, now)}
    base = lake.version(contract)
    log: DeltaLog = publication.context.resources.delta_log
    standing = days & set(log.row_counts(contract, base))
    if not standing:
        return {"restatements": 0}
    asked = F.col("date").isin([date.fromisoformat(day) for day in standing])
    old = totals(contract, lake.read(contract, base, list(standing)))
    new = totals(contract, publication.staged.frame.where(asked))
    changes = differences(old, new).collect()
    rows = [
        {
            "table": contract.full_name,
            **{name: change[name] for name in ("date", "brand", "measure", "old_value", "new_value")},
            "cause": _cause(publication),
            "base_version": base,
            "recorded_at": now,
        }
        for change in changes
    ]
    if rows:
        merge_audited(lake, CONTRACT, rows)
        publication.context.log.warning(f"{contract.full_name}: {len(rows)} published numbers change")
    return {"restatements": len(rows), "restated_dates": sorted({r["date"].isoformat() for r in rows})}


def measures(contract: TableContract) -> list[str]:
    """Columns of numbers that are not part of the key."""
    kinds = {c.name: str(c.arrow_type) for c in contract.columns if c.name not in contract.unique_key}
    return [name for name, kind in kinds.items() if kind in ("int32", "int64", "double", "float")]


def totals(contract: TableContract, frame: DataFrame) -> DataFrame:
    """`date, brand, measure, value`: each measure summed over the other dimensions."""
    names = measures(contract)
    if "brand" not in contract.column_names:
        frame = frame.withColumn("brand", F.lit(ALL_BRANDS))
    summed = frame.groupBy("date", "brand").agg(*[F.sum(F.col(n).cast("double")).alias(n) for n in names])
    return summed.unpivot(["date", "brand"], list(names), "measure", "value")


def differences(old: DataFrame, new: DataFrame) -> DataFrame:
    """Measures whose value is not the same, null included, with `old_value` and `new_value`."""
    keys: Sequence[str] = ("date", "brand", "measure")
    joined = old.withColumnRenamed("value", "old_value").join(
        new.withColumnRenamed("value", "new_value"), list(keys), "full_outer"
    )
    before, after = F.col("old_value"), F.col("new_value")
    close = F.abs(before - after) <= F.greatest(F.abs(before), F.abs(after)) * RELATIVE_TOLERANCE
    return joined.where(~before.eqNullSafe(after) & ~F.coalesce(close, F.lit(False)))


def _cause(publication: Publication) -> str:
    tags = publication.context.run.tags
    if CAUSE_TAG in tags:
        return f"{tags[CAUSE_TAG]}, run {publication.context.run_id}"[:LONGEST_CAUSE]
    if AUTOMATIC_TAG in tags:
        return f"late or repaired data, {publication.contract.full_name} recomputed automatically"
    return f"recomputed by hand, run {publication.context.run_id}"
