"""silver.content, silver.consent and silver.subscriptions: what was in force from when until when.

Belongs here: one copy of each event, events of a key in order, half-open intervals `[valid_from, valid_to)`. Does not
belong here: aggregates over intervals (`reader_subscriptions`).

Event order is (`occurred_at`, `event_id`). `valid_to` is null while nothing has ended the interval. Of intervals that
are empty because the next event has the same time, content and consent keep none; a subscription keeps it, because it
was started.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.rows import canonical_sha256
from spark_jobs.transforms.sessions import known

START, CANCEL = "subscription_start", "subscription_cancel"
GIVEN, WITHDRAWN = "consent_given", "consent_withdrawn"
UNPUBLISHED = "unpublished"
# Columns of bronze that say how and where a row came, not what it says.
_ARRIVAL = (
    "schema_id", "batch_id", "appended_hour", "loaded_at",
    "source_topic", "source_partition", "source_offset", "appended_at",
)  # fmt: skip
_ORDER = ("occurred_at", "event_id")


def first_copies(bronze: DataFrame) -> DataFrame:
    """One row per brand and event id: the smallest `received_at`, then the smallest SHA-256 of what the event says."""
    rows = bronze.withColumn("event_id", F.lower("event_id"))
    says = [f for f in rows.schema.fields if f.name not in _ARRIVAL]
    rank = Window.partitionBy("brand", "event_id").orderBy(
        "received_at", canonical_sha256(says), "source_topic", "source_partition", "source_offset"
    )
    return rows.withColumn("copy", F.row_number().over(rank)).where(F.col("copy") == 1).drop("copy")


def content(bronze: DataFrame) -> DataFrame:
    """One row per brand, content id and interval in which one revision was in force.

    Args:
        bronze: all rows of bronze.content_events.
    """
    events = _ended_by_the_next(first_copies(bronze), "brand", "content_id")
    return events.where(_is_not_empty()).select(
        "brand", "content_id", "valid_from", "valid_to", "event_id", "event_type",
        "revision", "title", "section", "authors", "word_count", "is_premium", "published_at",
        (F.col("event_type") != UNPUBLISHED).alias("is_published"),
        F.current_timestamp().alias("loaded_at"),
    )  # fmt: skip


def consent(bronze: DataFrame) -> DataFrame:
    """One row per customer, purpose and interval in which the consent was in force, over all brands.

    Giving what is given already changes nothing, nor does withdrawing what is not given.

    Args:
        bronze: all rows of bronze.compliance_events.
    """
    decided = first_copies(bronze).where(
        F.col("event_type").isin(GIVEN, WITHDRAWN) & F.col("customer_id").isNotNull()
    )
    rows = decided.withColumn("purpose", F.explode(F.array_distinct("purposes")))
    before = F.lag("event_type").over(Window.partitionBy("customer_id", "purpose").orderBy(*_ORDER))
    changes = rows.withColumn("before", before).where(
        F.col("before").isNull() | (F.col("before") != F.col("event_type"))
    )
    intervals = _ended_by_the_next(changes, "customer_id", "purpose")
    return intervals.where((F.col("event_type") == GIVEN) & _is_not_empty()).select(
        "customer_id",
        "purpose",
        "valid_from",
        "valid_to",
        "brand",
        "jurisdiction",
        F.col("event_id").alias("given_event_id"),
        F.col("next_id").alias("withdrawn_event_id"),
        F.current_timestamp().alias("loaded_at"),
    )


def subscriptions(events: DataFrame) -> DataFrame:
    """One row per start of a subscription: from it to the customer's next start or cancel on the brand.

    Args:
        events: rows of silver.events, at least all of the types `subscription_start` and `subscription_cancel`.
    """
    intervals = _ended_by_the_next(_of_subscriptions(events), "brand", "customer_id")
    ended = F.when(F.col("next_type") == CANCEL, "cancel").when(F.col("next_type") == START, "start")
    return intervals.where(F.col("event_type") == START).select(
        "brand",
        "customer_id",
        "valid_from",
        "valid_to",
        known(F.col("tier")).alias("tier"),
        known(F.col("segment")).alias("segment"),
        F.col("event_id").alias("start_event_id"),
        F.col("next_id").alias("end_event_id"),
        ended.alias("ended_by"),
        "is_bot",
        F.current_timestamp().alias("loaded_at"),
    )


def cancels_without_start(events: DataFrame) -> DataFrame:
    """The cancels of `events` that end nothing: `brand`, `event_id`, `occurred_at`."""
    rows = _of_subscriptions(events)
    before = F.lag("event_type").over(Window.partitionBy("brand", "customer_id").orderBy(*_ORDER))
    ends_nothing = F.col("before").isNull() | (F.col("before") == CANCEL)
    return (
        rows.withColumn("before", before)
        .where((F.col("event_type") == CANCEL) & ends_nothing)
        .select("brand", "event_id", "occurred_at")
    )


def _of_subscriptions(events: DataFrame) -> DataFrame:
    return events.where(F.col("event_type").isin(START, CANCEL) & F.col("customer_id").isNotNull())


def _ended_by_the_next(events: DataFrame, *keys: str) -> DataFrame:
    """Each event with `valid_from`, and `valid_to`, `next_id` and `next_type` of the key's next event."""
    ordered = Window.partitionBy(*keys).orderBy(*_ORDER)
    following = F.lead(F.struct(*_ORDER, "event_type")).over(ordered)
    return events.withColumn("following", following).withColumns(
        {
            "valid_from": F.col("occurred_at"),
            "valid_to": F.col("following.occurred_at"),
            "next_id": F.col("following.event_id"),
            "next_type": F.col("following.event_type"),
        }
    )


def _is_not_empty() -> Column:
    return F.col("valid_to").isNull() | (F.col("valid_from") < F.col("valid_to"))
