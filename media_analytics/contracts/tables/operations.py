"""Tables by which the platform proves and runs itself (layer `ops`).

Belongs here: touched dates, offset bounds, completeness, restatements, maintenance, replays. Does not belong here:
reader data.
"""

from datetime import timedelta

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, Freshness, Hourly, TableContract, Writer, grain_of
from media_analytics.contracts.rules import (
    EARLIEST,
    EARLIEST_DAY,
    HOUR,
    LATEST,
    LATEST_DAY,
    UUID,
    Day,
    Float64,
    Instant,
    Int32,
    Int64,
    Text,
    column,
    not_greater,
)
from media_analytics.contracts.tables import families

TABLE_NAME = r"^[a-z_]+\.[a-z0-9_]+$"


class EventDates(DataFrameModel):
    """Which event dates a batch of a bronze table touched."""

    event_date: Day = column("Date of occurred_at.", ge=EARLIEST_DAY, le=LATEST_DAY)
    appended_hour: Text = column("Hour of appended_at, UTC.", str_matches=HOUR)
    source_partition: Int32 = column("Partition of the first topic.", ge=0)
    batch_id: Text = column("Batch that wrote the rows.", longest=256)
    rows: Int64 = column("Rows of the batch with this date, hour and partition.", ge=1)
    min_occurred_at: Instant = column("Earliest event among them.", ge=EARLIEST, le=LATEST)
    max_occurred_at: Instant = column("Latest event among them.", ge=EARLIEST, le=LATEST)
    first_offset: Int64 = column("Smallest offset among them.", ge=0)
    last_offset: Int64 = column("Largest offset among them.", ge=0)
    loaded_at: Instant = column("When the batch was written.", provenance=True)

    times_in_order = not_greater("min_occurred_at", "max_occurred_at")
    offsets_in_order = not_greater("first_offset", "last_offset")

    class Config:
        """One row per date, hour, partition and batch."""

        strict = True
        unique = ("event_date", "appended_hour", "source_partition", "batch_id")


class SessionDates(DataFrameModel):
    """Which session dates a published change of silver.events can alter."""

    session_date: Day = column("Date whose sessions may change.", ge=EARLIEST_DAY, le=LATEST_DAY)
    event_date: Day = column("Date of silver.events that changed.", ge=EARLIEST_DAY, le=LATEST_DAY)
    dates_version: Int64 = column("Delta version of ops.user_events_dates the change was read at.", ge=0)
    loaded_at: Instant = column("When the row was written.", provenance=True)

    class Config:
        """One row per session date, event date and version."""

        strict = True
        unique = ("session_date", "event_date", "dates_version")


class SubscriptionDates(DataFrameModel):
    """Which dates a published change of silver.subscriptions, or new events of a date, can alter."""

    date: Day = column("Date whose subscription numbers may change.", ge=EARLIEST_DAY, le=LATEST_DAY)
    session_dates_version: Int64 = column("Delta version of ops.session_dates the change was read at.", ge=0)
    loaded_at: Instant = column("When the row was written.", provenance=True)

    class Config:
        """One row per date and version."""

        strict = True
        unique = ("date", "session_dates_version")


class OffsetBounds(DataFrameModel):
    """The offset range of an arrival hour, recorded once when the hour closes."""

    topic: Text = column("First topic.", longest=249)
    topic_id: Text = column("Kafka's UUID of the topic.", longest=64)
    partition: Int32 = column("Partition.", ge=0)
    hour: Text = column("Hour of appended_at, UTC.", str_matches=HOUR)
    first_offset: Int64 = column("First offset of the hour.", ge=0)
    end_offset: Int64 = column("Offset after the last one of the hour.", ge=0)
    latest_first_offset: Int64 = column(
        "First offset in the latest topic that holds them.", nullable=True, ge=0
    )
    latest_end_offset: Int64 = column("Offset after the last one there.", nullable=True, ge=0)
    recorded_at: Instant = column("When the bounds were recorded.", provenance=True)

    bounds_in_order = not_greater("first_offset", "end_offset")
    latest_bounds_in_order = not_greater("latest_first_offset", "latest_end_offset")

    class Config:
        """One row per topic, partition and hour."""

        strict = True
        unique = ("topic", "topic_id", "partition", "hour")


class Completeness(DataFrameModel):
    """Every offset of a closed minute is one row in each store, or a dead letter."""

    date: Day = column("Date of minute.", derived_from="minute", ge=EARLIEST_DAY, le=LATEST_DAY)
    minute: Instant = column("Start of the minute of appended_at.", ge=EARLIEST, le=LATEST)
    topic: Text = column("First topic.", longest=249)
    partition: Int32 = column("Partition.", ge=0)
    topic_id: Text = column("Kafka's UUID of the topic.", longest=64)
    first_offset: Int64 = column("First offset of the minute.", ge=0)
    last_offset: Int64 = column("Last offset of the minute.", ge=0)
    kafka_count: Int64 = column("Messages in Kafka.", ge=0)
    realtime_count: Int64 = column("Rows in ClickHouse.", nullable=True, ge=0)
    realtime_distinct: Int64 = column("Distinct coordinates in ClickHouse.", nullable=True, ge=0)
    lake_count: Int64 = column("Rows in the lake.", nullable=True, ge=0)
    lake_distinct: Int64 = column("Distinct coordinates in the lake.", nullable=True, ge=0)
    dead_letters_enricher: Int64 = column("Coordinates the enricher could not use.", ge=0)
    dead_letters_realtime: Int64 = column(
        "Coordinates the ClickHouse sink could not use.", nullable=True, ge=0
    )
    dead_letters_lake: Int64 = column("Coordinates the lake's stream could not use.", nullable=True, ge=0)
    erased: Int64 = column("Coordinates removed by recorded erasures.", ge=0)
    missing_realtime: Int64 = column(
        "kafka_count - realtime_distinct - letters of enricher and sink - erased.", nullable=True
    )
    missing_lake: Int64 = column(
        "kafka_count - lake_distinct - letters of enricher and stream - erased.", nullable=True
    )
    duplicates_realtime: Int64 = column("realtime_count - realtime_distinct.", nullable=True, ge=0)
    duplicates_lake: Int64 = column("lake_count - lake_distinct.", nullable=True, ge=0)
    checked_at: Instant = column("When it was counted.", provenance=True)

    offsets_in_order = not_greater("first_offset", "last_offset")
    realtime_distinct_are_rows = not_greater("realtime_distinct", "realtime_count")
    lake_distinct_are_rows = not_greater("lake_distinct", "lake_count")

    class Config:
        """One row per minute, topic and partition; only minutes that saw a record have rows."""

        strict = True
        unique = ("minute", "topic", "topic_id", "partition")


class Restatement(DataFrameModel):
    """A number that changed after its date was published."""

    table: Text = column("Table that changed.", str_matches=TABLE_NAME)
    date: Day = column("Date that changed.", ge=EARLIEST_DAY, le=LATEST_DAY)
    brand: Text = column("Brand that changed; all for a table without brands.", longest=256)
    measure: Text = column("Measure, summed over the other dimensions.", longest=256)
    old_value: Float64 = column("Value before; null when there was none.", nullable=True)
    new_value: Float64 = column("Value after; null when there is none any more.", nullable=True)
    cause: Text = column("Why it changed.", longest=1024)
    base_version: Int64 = column(
        "Delta version of the table that held the old value; of a mart the microsecond of its old totals.",
        ge=0,
    )
    recorded_at: Instant = column("When it was recorded.", provenance=True)

    class Config:
        """One row per table, date, brand, measure and version."""

        strict = True
        unique = ("table", "date", "brand", "measure", "base_version")


class MaintenanceRequest(DataFrameModel):
    """Work that the writer of a table is asked to do between its batches."""

    request_id: Text = column("Identity of the request.", longest=256)
    table: Text = column("Table to maintain.", str_matches=TABLE_NAME)
    action: Text = column("What to do.", isin=("compact", "rebuild_hour", "delete", "vacuum"))
    hour: Text = column("Hour to compact or rebuild, UTC.", nullable=True, str_matches=HOUR)
    predicate: Text = column("SQL predicate of the rows to delete.", nullable=True, longest=8192)
    requested_by: Text = column("Run or person that asks.", longest=256)
    requested_at: Instant = column("When it was asked.", ge=EARLIEST, le=LATEST)

    class Config:
        """One row per request."""

        strict = True
        unique = ("request_id",)


class MaintenanceResult(DataFrameModel):
    """What came of a maintenance request."""

    request_id: Text = column("Identity of the request.", longest=256)
    status: Text = column("What came of it.", isin=("done", "refused", "failed"))
    message: Text = column("What was done, or why not.", longest=8192)
    version: Int64 = column("Resulting Delta version.", nullable=True, ge=0)
    finished_at: Instant = column("When it ended.", ge=EARLIEST, le=LATEST)

    class Config:
        """One row per request."""

        strict = True
        unique = ("request_id",)


class DeadLetterReplay(DataFrameModel):
    """Events that a replay made of dead letters."""

    replay_date: Day = column(
        "Date of announced_at.", derived_from="announced_at", ge=EARLIEST_DAY, le=LATEST_DAY
    )
    letter_id: Text = column("The letter.", str_matches=UUID)
    item: Int32 = column("Number of the event among those of the letter, from 0.", ge=0)
    items: Int32 = column("Events of the letter; it is recovered when all of them are.", ge=1)
    event_id: Text = column("Identity of the event, as the letter's input had it.", str_matches=UUID)
    status: Text = column(
        "`announced` before the event is sent, `recovered` when its topic has it.",
        isin=("announced", "recovered"),
    )
    source_topic: Text = column("First topic that held the letter's record.", nullable=True, longest=249)
    source_partition: Int32 = column("Its partition there.", nullable=True, ge=0)
    source_offset: Int64 = column("Its offset there.", nullable=True, ge=0)
    target_topic: Text = column("First topic of the event's family.", longest=249)
    target_topic_id: Text = column("Kafka's UUID of that topic.", longest=64)
    target_partition: Int32 = column("Where the event stands now.", nullable=True, ge=0)
    target_offset: Int64 = column("Its offset there.", nullable=True, ge=0)
    first_offsets: Text = column(
        "Offsets of the topic from which on the event can stand, as JSON.", longest=65536
    )
    patch: Text = column("The patch, as JSON.", longest=1_000_000)
    requested_by: Text = column("Who asked for the replay.", longest=256)
    run_id: Text = column("Dagster's run.", longest=256)
    announced_at: Instant = column("When the event was announced.", ge=EARLIEST, le=LATEST)
    recovered_at: Instant = column(
        "When its topic had acknowledged it.", nullable=True, ge=EARLIEST, le=LATEST
    )

    class Config:
        """One row per letter and event."""

        strict = True
        unique = ("letter_id", "item")


def ops_table(
    name: str,
    model: type[DataFrameModel],
    partitioning: Daily | Hourly,
    sort_keys: tuple[str, ...],
    interval: timedelta,
    *,
    writer: Writer = "spark-connect",
    owner: str = "team:data-platform",
) -> TableContract:
    """An ops table: warned of after two intervals, failed after three."""
    return TableContract(
        layer="ops",
        name=name,
        grain=grain_of(model),
        model=model,
        partitioning=partitioning,
        sort_keys=sort_keys,
        freshness=Freshness(warn=2 * interval, fail=3 * interval),
        refresh_interval=interval,
        owner=owner,
        store="delta",
        writer=writer,
    )


CONTRACTS = (
    ops_table(
        "user_events_dates",
        EventDates,
        Daily("event_date", stored="event_date"),
        ("event_date", "appended_hour"),
        timedelta(minutes=10),
        writer="stream",
    ),
    *(
        ops_table(
            f"{bronze.name}_dates",
            EventDates,
            Daily("event_date", stored="event_date"),
            ("event_date", "appended_hour"),
            bronze.refresh_interval,
            writer="micro-batch",
        )
        for bronze in families.CONTRACTS
        if bronze.layer == "bronze"
    ),
    ops_table(
        "session_dates",
        SessionDates,
        Daily("session_date", stored="session_date"),
        ("session_date", "event_date"),
        timedelta(minutes=15),
    ),
    ops_table(
        "subscription_dates",
        SubscriptionDates,
        Daily("date", stored="date"),
        ("date",),
        timedelta(minutes=15),
    ),
    ops_table(
        "offset_bounds", OffsetBounds, Hourly("hour"), ("topic", "partition", "hour"), timedelta(hours=1)
    ),
    ops_table(
        "completeness",
        Completeness,
        Daily("date", stored="date"),
        ("minute", "topic", "partition"),
        timedelta(minutes=15),
    ),
    ops_table("restatements", Restatement, Daily("date"), ("table", "date", "brand"), timedelta(days=1)),
    ops_table(
        "maintenance_requests",
        MaintenanceRequest,
        Daily("requested_at"),
        ("requested_at",),
        timedelta(days=1),
    ),
    ops_table(
        "maintenance_results",
        MaintenanceResult,
        Daily("finished_at"),
        ("finished_at",),
        timedelta(days=1),
        writer="stream",
    ),
    ops_table(
        "dead_letter_replays",
        DeadLetterReplay,
        Daily("replay_date", stored="replay_date"),
        ("announced_at", "letter_id"),
        timedelta(days=1),
        writer="replay",
    ),
)
