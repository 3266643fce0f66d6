"""Which published numbers a run changes.

Belongs here: the comparison every gold table makes before it publishes, recorded in `ops.restatements`. Does not belong
here: the table as an asset (`media_analytics/assets/ops/restatements.py`), measures, publishing.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from media_analytics.checks.audit import merge_audited
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.publication import is_published
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake, Staged

RESTATEMENTS = table("ops.restatements")
# Sums of the same numbers in another order differ in their last digits; that is no restatement.
RELATIVE_TOLERANCE = 1e-9
# Stands for the brand of tables that have none.
ALL_BRANDS = "all"


def record_changes(
    lake: Lake,
    log: DeltaLog,
    contract: TableContract,
    staged: Staged,
    dates: Sequence[date],
    now: datetime,
    cause: str,
) -> Mapping[str, Any]:
    """Before gold is published: every measure of a published date that is about to change; how many, of which dates.

    Rows are merged by the version that holds the old value, so a run that is tried again records nothing twice.
    """
    days = {d.isoformat() for d in dates if is_published(d, now)}
    base = lake.version(contract)
    standing = days & set(log.row_counts(contract, base))
    if not standing:
        return {"restatements": 0}
    asked = F.col("date").isin([date.fromisoformat(day) for day in standing])
    old = totals(contract, lake.read(contract, base, list(standing)))
    new = totals(contract, staged.frame.where(asked))
    rows = [
        {
            "table": contract.full_name,
            **{name: change[name] for name in ("date", "brand", "measure", "old_value", "new_value")},
            "cause": cause,
            "base_version": base,
            "recorded_at": now,
        }
        for change in differences(old, new).collect()
    ]
    if rows:
        merge_audited(lake, RESTATEMENTS, rows)
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
