"""Tables that hold user events, row for row.

Belongs here: bronze, realtime and silver events. Does not belong here: aggregates (`reader_gold.py`),
sessions.
"""

from datetime import timedelta

from media_analytics.contracts.model import Daily, Freshness, Hourly, TableContract
from media_analytics.contracts.rules import (
    EARLIEST_DAY,
    HOUR,
    LATEST_DAY,
    Day,
    Instant,
    Int32,
    Int64,
    Text,
    column,
)
from media_analytics.contracts.topics.envelope import COORDINATES
from media_analytics.contracts.topics.user import UserLatest


class RealtimeUserEvent(UserLatest):
    """A row as the sink inserted it."""

    inserted_at: Instant = column(
        "When the store received the row.", provenance=True, store_default="now64(6, 'UTC')"
    )

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class BronzeUserEvent(UserLatest):
    """A row as the stream appended it."""

    schema_id: Int32 = column("Registry id the message was written with.", provenance=True, ge=0)
    latest_partition: Int32 = column("Partition in user.latest.", ge=0)
    latest_offset: Int64 = column("Offset in user.latest.", provenance=True, ge=0)
    batch_id: Text = column("Batch of the stream that wrote the row.", provenance=True, longest=256)
    loaded_at: Instant = column("When the batch was written.", provenance=True)
    appended_hour: Text = column("Hour of appended_at, UTC.", derived_from="appended_at", str_matches=HOUR)

    class Config:
        """One row per coordinate."""

        strict = True
        unique = COORDINATES


class SilverEvent(UserLatest):
    """An event, once."""

    date: Day = column("Date of occurred_at.", derived_from="occurred_at", ge=EARLIEST_DAY, le=LATEST_DAY)
    loaded_at: Instant = column("When the row was written.", provenance=True)

    class Config:
        """One row per event; copies more than 7 days apart cannot be told and stand on both dates."""

        strict = True
        unique = ("date", "brand", "event_id")


_STREAM_FRESHNESS = Freshness(warn=timedelta(minutes=15), fail=timedelta(minutes=30))
_STREAM_INTERVAL = timedelta(minutes=10)

REALTIME_USER_EVENTS = TableContract(
    layer="realtime",
    name="user_events",
    grain="One row per coordinate of user.raw; readers of live numbers take the first copy per event_id.",
    model=RealtimeUserEvent,
    partitioning=Daily("appended_at"),
    sort_keys=("brand", "appended_at", "source_partition", "source_offset"),
    freshness=_STREAM_FRESHNESS,
    refresh_interval=_STREAM_INTERVAL,
    owner="team:data-platform",
    store="clickhouse",
    writer="sink",
    source="user.latest",
    purposes=("analytics",),
    retention=timedelta(days=35),
)
BRONZE_USER_EVENTS = TableContract(
    layer="bronze",
    name="user_events",
    grain="One row per coordinate of user.raw.",
    model=BronzeUserEvent,
    partitioning=Hourly("appended_at", stored="appended_hour"),
    sort_keys=("source_partition", "source_offset"),
    freshness=_STREAM_FRESHNESS,
    refresh_interval=_STREAM_INTERVAL,
    owner="team:data-platform",
    store="delta",
    writer="stream",
    source="user.latest",
    purposes=("analytics",),
)
SILVER_EVENTS = TableContract(
    layer="silver",
    name="events",
    grain="One row per event; of several copies the one received first.",
    model=SilverEvent,
    partitioning=Daily("date", stored="date"),
    sort_keys=("brand", "occurred_at", "event_id"),
    freshness=Freshness(warn=timedelta(minutes=30), fail=timedelta(minutes=45)),
    refresh_interval=timedelta(minutes=15),
    owner="team:data-platform",
    store="delta",
    writer="spark-connect",
    purposes=("analytics",),
)
CONTRACTS = (REALTIME_USER_EVENTS, BRONZE_USER_EVENTS, SILVER_EVENTS)
