"""silver.sessions: one row per session.

Belongs here: which events make a session, its identity and its attributes. Does not belong here:
aggregates over sessions (`reader_gold`).

A chain is a run of events of one visitor on one brand without a gap of more than 30 minutes. A session
is a chain, cut at 00:00 of a day D if the chain holds an event at or before 00:00 of D-1. Deciding that
for D needs no event before 23:30 of D-2, and a session that begins on D ends before 00:00 of D+2.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from spark_jobs.transforms.days import around

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:event")
GAP_MICROSECONDS = 30 * 60 * 1_000_000
BOUNCE_SECONDS = 10.0
UNKNOWN = "unknown"
VISITOR = ("brand", "visitor_id")
# Sums of seconds are taken in decimals and so do not depend on the order of the rows.
EXACT = "decimal(38,18)"
_FIRST_EVENT = ("country", "region", "device_type", "os", "browser")
_DAY_MICROSECONDS = 86_400 * 1_000_000


def source_dates(dates: Sequence[date]) -> list[date]:
    """The dates of silver.events that `sessions` needs."""
    return around(dates, 2, 1)


def touched_dates(event_date: date, latest_occurred_at: datetime) -> list[date]:
    """The session dates that new or changed events of `event_date` can alter.

    An event can lengthen a session of the day before, take a session from the day after, and, from 23:30 on, move
    the cut at the second midnight after it.
    """
    late = latest_occurred_at.astimezone(UTC).time() >= time(23, 30)
    return around([event_date], 1, 2 if late else 1)


def session_id(brand: str, visitor_id: str, first_event_id: str) -> str:
    """uuid5 of the name `<brand>|<visitor_id>|<first event_id>` in the namespace of events."""
    return str(uuid.uuid5(NAMESPACE, f"{brand}|{visitor_id}|{first_event_id}"))


def session_id_column(brand: str, visitor_id: str, first_event_id: str) -> Column:
    """`session_id` as a Spark expression: SHA-1 of namespace and name, version 5, variant bits set."""
    name = F.encode(F.concat_ws("|", brand, visitor_id, first_event_id), "UTF-8")
    digest = F.sha1(F.concat(F.unhex(F.lit(NAMESPACE.hex)), name))
    variant = F.translate(F.substring(digest, 17, 1), "0123456789abcdef", "89ab" * 4)
    return F.concat(
        F.substring(digest, 1, 8),
        F.lit("-"),
        F.substring(digest, 9, 4),
        F.lit("-5"),
        F.substring(digest, 14, 3),
        F.lit("-"),
        variant,
        F.substring(digest, 18, 3),
        F.lit("-"),
        F.substring(digest, 21, 12),
    )


def assign_sessions(events: DataFrame) -> DataFrame:
    """The events that have a visitor, with `session_number`: equal within a session, per brand and visitor.

    Numbers depend on where the input begins; use them to group, never to store.
    """
    ordered = Window.partitionBy(*VISITOR).orderBy("occurred_at", "event_id")
    at = F.unix_micros("occurred_at")
    day = F.floor(F.col("at") / _DAY_MICROSECONDS)
    begins_chain = F.col("previous_at").isNull() | (F.col("at") - F.col("previous_at") > GAP_MICROSECONDS)
    chain_at = F.last(F.when(F.col("begins_chain"), F.col("at")), ignorenulls=True).over(ordered)
    crosses = F.col("day") > F.floor(F.col("previous_at") / _DAY_MICROSECONDS)
    cut = crosses & (F.col("chain_at") <= (F.col("day") - 1) * _DAY_MICROSECONDS)
    helpers = ("at", "day", "previous_at", "begins_chain", "chain_at", "begins_session")
    return (
        events.where(F.col("visitor_id").isNotNull())
        .withColumn("at", at)
        .withColumns({"day": day, "previous_at": F.lag("at").over(ordered)})
        .withColumn("begins_chain", begins_chain)
        .withColumn("chain_at", chain_at)
        .withColumn("begins_session", F.col("begins_chain") | F.coalesce(cut, F.lit(False)))
        .withColumn("session_number", F.sum(F.col("begins_session").cast("long")).over(ordered))
        .drop(*helpers)
    )


def sessions(events: DataFrame, dates: Sequence[date]) -> DataFrame:
    """One row per session whose first event lies on one of `dates`.

    Args:
        events: rows of silver.events, at least all of `source_dates(dates)`; more do not matter.
        dates: UTC dates to compute.
    """
    place = ("occurred_at", "event_id")
    viewed = F.col("event_type") == "page_view"
    grouped = assign_sessions(events).groupBy(*VISITOR, "session_number")
    rows = grouped.agg(
        F.min(F.struct(*place, *_FIRST_EVENT)).alias("first"),
        F.max(F.struct(*place)).alias("last"),
        F.min(F.when(viewed, F.struct(*place, "page_key", "referrer_medium", "referrer_source"))).alias(
            "entry"
        ),
        F.max(F.when(viewed, F.struct(*place, "page_key"))).alias("exit"),
        F.count(F.lit(1)).alias("events"),
        *[count_of(event_type).alias(name) for name, event_type in EVENT_COUNTS.items()],
        exact_sum(ping_seconds()).alias("engaged_seconds"),
        F.bool_or("is_bot").alias("is_bot"),
    )
    dated = rows.withColumn("date", F.to_date("first.occurred_at")).where(F.col("date").isin(list(dates)))
    return dated.withColumn("first_event_id", F.col("first.event_id")).select(
        session_id_column("brand", "visitor_id", "first_event_id").alias("session_id"),
        *VISITOR,
        "date",
        F.col("first.occurred_at").alias("started_at"),
        F.col("last.occurred_at").alias("ended_at"),
        _seconds_between("first.occurred_at", "last.occurred_at").alias("duration_seconds"),
        "first_event_id",
        F.col("last.event_id").alias("last_event_id"),
        "events",
        *EVENT_COUNTS,
        "engaged_seconds",
        "is_bot",
        (F.col("page_views") > 0).alias("is_viewing"),
        ((F.col("page_views") == 1) & (F.col("engaged_seconds") < BOUNCE_SECONDS)).alias("is_bounce"),
        F.col("entry.page_key").alias("entry_page_key"),
        F.col("exit.page_key").alias("exit_page_key"),
        *[known(F.col(f"first.{name}")).alias(name) for name in _FIRST_EVENT],
        known(F.col("entry.referrer_medium")).alias("referrer_medium"),
        known(F.col("entry.referrer_source")).alias("referrer_source"),
        F.current_timestamp().alias("loaded_at"),
    )


# Measure of a session and of a page -> the event type it counts.
EVENT_COUNTS = {
    "page_views": "page_view",
    "clicks": "click",
    "shares": "share",
    "video_starts": "video_start",
    "video_completes": "video_complete",
    "newsletter_signups": "newsletter_signup",
}


def count_of(event_type: str) -> Column:
    """How many events of the group have this type."""
    return F.count_if(F.col("event_type") == event_type)


def ping_seconds() -> Column:
    """Engaged seconds of a page ping; null for every other event."""
    return F.when(F.col("event_type") == "page_ping", F.col("engaged_seconds"))


def exact_sum(seconds: Column) -> Column:
    """The sum as float64, of nothing 0, the same in whichever order rows come."""
    return F.coalesce(F.sum(seconds.try_cast(EXACT)).cast("double"), F.lit(0.0))


def known(dimension: Column) -> Column:
    """The dimension, or the word `unknown`."""
    return F.coalesce(dimension, F.lit(UNKNOWN))


def _seconds_between(first: str, last: str) -> Column:
    return (F.unix_micros(last) - F.unix_micros(first)) / F.lit(1_000_000.0)
