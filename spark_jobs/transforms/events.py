"""silver.events: one row per event.

Belongs here: choosing one copy of each event, putting in what newer rules say of user agents. Does not belong here:
which dates to compute and which arrival hours hold them (`ops.user_events_dates` says so), the rules, sessions.

Two copies of one `event_id` of a brand: the smallest `received_at` wins, then the smallest SHA-256 of
the business columns, then the smallest coordinates (the copies are then equal in all but their place).
A row stands if no better copy lies within 7 days of its own date, so a date comes out the same
whichever dates are computed with it.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.rows import canonical_sha256
from spark_jobs.transforms.days import around

# Copies of an event are searched this many days before and after its date.
COPY_DAYS = 7
# Copies farther apart stay both; they are counted (`far_copies`) up to this many days apart.
FAR_COPY_DAYS = 35
# Columns of bronze that say how a row came, not what it says.
ARRIVAL = ("schema_id", "latest_partition", "latest_offset", "batch_id", "appended_hour", "loaded_at")
COORDINATES = ("source_topic", "source_partition", "source_offset", "appended_at")
_IDENTITY = ("brand", "event_id")


def source_dates(dates: Sequence[date]) -> list[date]:
    """The event dates whose bronze rows `events` needs."""
    return around(dates, COPY_DAYS, COPY_DAYS)


def events(bronze: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per (brand, event_id) whose `occurred_at` lies on one of `dates`.

    Args:
        bronze: rows of bronze.user_events, at least all of `source_dates(dates)`; more do not matter.
        dates: UTC dates to compute.
    """
    rows = _dated(bronze)
    asked = _on(dates)
    keys = rows.where(asked).select(*_IDENTITY).distinct()
    # Only copies of the asked events matter; of the other days nearly nothing is left after this.
    others = rows.where(F.col("date").isin(source_dates(dates)) & ~asked).join(
        keys, [*_IDENTITY], "left_semi"
    )
    candidates = rows.where(asked).unionByName(others)

    same = Window.partitionBy(*_IDENTITY)
    near = same.orderBy(F.unix_date("date")).rangeBetween(-COPY_DAYS, COPY_DAYS)
    business = [f for f in rows.schema.fields if f.name not in (*ARRIVAL, *COORDINATES, "date")]
    sha = F.when(F.count(F.lit(1)).over(same) > 1, canonical_sha256(business))
    rank = F.struct("received_at", "sha", "source_topic", "source_partition", "source_offset")
    chosen = (
        candidates.withColumn("sha", sha)
        .withColumn("rank", rank)
        .withColumn("best", F.min("rank").over(near))
        .where(asked & (F.col("rank") == F.col("best")))
    )
    kept = [name for name in bronze.columns if name not in ARRIVAL]
    return chosen.select(*kept, "date", F.current_timestamp().alias("loaded_at"))


def agents_of(bronze: DataFrame, dates: Sequence[date], facts: Sequence[str]) -> DataFrame:
    """Columns `user_agent` and `facts`: each different user agent of `dates` with what was made of it."""
    return (
        _dated(bronze)
        .where(_on(dates) & F.col("user_agent").isNotNull())
        .select("user_agent", *facts)
        .distinct()
    )


def with_agents(events: DataFrame, judged: DataFrame) -> DataFrame:
    """`events` with the facts of `judged` for its user agents; other rows, and all else, as they are.

    Args:
        events: rows of silver.events.
        judged: column `user_agent`, each once, and facts under their own names.
    """
    facts = [name for name in judged.columns if name != "user_agent"]
    other = judged.select("user_agent", F.struct(*facts).alias("judged"))
    joined = events.join(F.broadcast(other), "user_agent", "left")
    replaced = {
        name: F.when(F.col("judged").isNull(), F.col(name)).otherwise(F.col(f"judged.{name}"))
        for name in facts
    }
    return joined.withColumns(replaced).select(*events.columns)


def copied_dates(bronze: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Column `date`: the other dates, at most 7 days away, that hold copies of events of `dates`.

    A copy that arrives under one date can take the place of the row of another date: both must be computed.
    """
    rows = _dated(bronze).select(*_IDENTITY, "date")
    asked = _on(dates)
    keys = rows.where(asked).withColumnRenamed("date", "asked_date").distinct()
    others = rows.where(F.col("date").isin(source_dates(dates)) & ~asked).join(keys, [*_IDENTITY])
    near = F.abs(F.date_diff("date", "asked_date")) <= COPY_DAYS
    return others.where(near).select("date").distinct()


def far_dates(dates: Sequence[date]) -> list[date]:
    """The dates of silver.events that `far_copies` compares with arrivals of `dates`."""
    far = timedelta(days=COPY_DAYS + 1)
    spans = [(d - timedelta(days=FAR_COPY_DAYS), d - far) for d in dates]
    spans += [(d + far, d + timedelta(days=FAR_COPY_DAYS)) for d in dates]
    return sorted(
        {first + timedelta(days=n) for first, last in spans for n in range((last - first).days + 1)}
    )


def far_copies(arrived: DataFrame, standing: DataFrame) -> DataFrame:
    """Columns `brand`, `event_id`, `date`, `other_date`: events that arrived for one date and stand on a far one.

    Args:
        arrived: rows of bronze.user_events.
        standing: rows of silver.events of `far_dates` of the arrived dates.
    """
    asked = _dated(arrived).select(*_IDENTITY, "date").distinct()
    others = standing.select(*_IDENTITY, F.col("date").alias("other_date"))
    days_apart = F.abs(F.date_diff("date", "other_date"))
    return asked.join(others, [*_IDENTITY]).where(days_apart.between(COPY_DAYS + 1, FAR_COPY_DAYS))


def _dated(bronze: DataFrame) -> DataFrame:
    return bronze.withColumns({"event_id": F.lower("event_id"), "date": F.to_date("occurred_at")})


def _on(dates: Sequence[date]) -> Column:
    return F.col("date").isin(list(dates))
