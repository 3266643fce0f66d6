"""gold.reader_subscriptions: starts, cancels and active subscriptions of a date.

Belongs here: the measures of the table, each twice: all subscriptions, and with the suffix `_human` those that no bot
started. Does not belong here: what an interval is (`intervals`).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StructField, StructType, TimestampType

HUMAN = "_human"
KEYS = ("date", "brand", "tier", "segment")
_DAY = timedelta(days=1)
_DATES = StructType(
    [
        StructField("date", DateType(), False),
        StructField("begins_at", TimestampType(), False),
        StructField("ends_at", TimestampType(), False),
    ]
)


def reader_subscriptions(subscriptions: DataFrame, events: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per date, brand, tier and segment that had a start, a cancel or an active subscription.

    Args:
        subscriptions: all rows of silver.subscriptions.
        events: rows of silver.events, at least all of `dates`; more do not matter.
        dates: UTC dates to compute.
    """
    days = _days(subscriptions, dates)
    counts = _counts(subscriptions, days)
    readers = _readers(subscriptions, events, days, dates)
    joined = counts.join(readers, ["date", "brand"], "left")
    ratios = {
        f"{name}{suffix}": _ratio(F.col(above + suffix), F.col(below + suffix))
        for suffix in ("", HUMAN)
        for name, above, below in (
            ("churn_rate", "cancels", "active_before"),
            ("conversion_rate", "starters", "unsubscribed"),
        )
    }
    names = ("starts", "cancels", "active", "churn_rate", "conversion_rate")
    return joined.withColumns(ratios).select(
        *KEYS, *[f"{name}{suffix}" for suffix in ("", HUMAN) for name in names]
    )


def _counts(subscriptions: DataFrame, days: DataFrame) -> DataFrame:
    """Counts of each date and group; the intervals that touch the date, both of its midnights included."""
    begins, ends = F.col("begins_at"), F.col("ends_at")
    touching = (F.col("valid_from") <= ends) & (F.col("valid_to").isNull() | (F.col("valid_to") >= begins))
    rows = subscriptions.join(days, touching)
    starts = (F.col("valid_from") >= begins) & (F.col("valid_from") < ends)
    cancels = (F.col("ended_by") == "cancel") & (F.col("valid_to") >= begins) & (F.col("valid_to") < ends)
    measures: dict[str, Callable[[Column], Column]] = {
        "starts": lambda kept: F.count_if(kept & starts),
        "cancels": lambda kept: F.count_if(kept & F.coalesce(cancels, F.lit(False))),
        "active": lambda kept: F.count_if(kept & _holds(ends)),
        "active_before": lambda kept: F.count_if(kept & _holds(begins)),
        "starters": lambda kept: F.count_distinct(F.when(kept & starts, F.col("customer_id"))),
    }
    kinds = {"": F.lit(True), HUMAN: ~F.col("is_bot")}
    columns = [m(kept).alias(n + suffix) for suffix, kept in kinds.items() for n, m in measures.items()]
    grouped = rows.groupBy(*KEYS).agg(*columns)
    return grouped.where((F.col("starts") + F.col("cancels") + F.col("active") + F.col("active_before")) > 0)


def _readers(
    subscriptions: DataFrame, events: DataFrame, days: DataFrame, dates: Sequence[date]
) -> DataFrame:
    """Per date and brand, customers with any event on the date and no active subscription at its 00:00."""
    seen = (
        events.where(F.col("date").isin(list(dates)) & F.col("customer_id").isNotNull())
        .groupBy("date", "brand", "customer_id")
        .agg(F.bool_or(~F.col("is_bot")).alias("is_human"))
    )
    active = (
        subscriptions.join(days, _holds(F.col("begins_at"))).select("date", "brand", "customer_id").distinct()
    )
    free = seen.join(active, ["date", "brand", "customer_id"], "left_anti")
    return free.groupBy("date", "brand").agg(
        F.count(F.lit(1)).alias("unsubscribed"), F.count_if("is_human").alias(f"unsubscribed{HUMAN}")
    )


def _days(frame: DataFrame, dates: Sequence[date]) -> DataFrame:
    """The dates with their first instant and the one after their last."""
    rows = [
        (day, datetime.combine(day, time(), UTC), datetime.combine(day + _DAY, time(), UTC)) for day in dates
    ]
    return F.broadcast(frame.sparkSession.createDataFrame(rows, _DATES))


def _holds(instant: Column) -> Column:
    return (F.col("valid_from") <= instant) & (F.col("valid_to").isNull() | (instant < F.col("valid_to")))


def _ratio(above: Column, below: Column) -> Column:
    return above.cast("double") / F.nullif(below, F.lit(0))
