"""ops.offset_bounds: the offset range of an arrival hour, recorded once when the hour closes.

Belongs here: the asset, and the bounds of one hour. Does not belong here: rebuilding an hour from its bounds (the
stream does), when an hour closes (`automation/`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from pyspark.sql import functions as F

from media_analytics.checks.audit import CHECK_NAME, merge_audited
from media_analytics.checks.completeness_stores import CHECKED
from media_analytics.contracts.registry import table, topic
from media_analytics.factory import RETRIES, asset_key, contract_check_spec, external_table
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions, hour_of
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.lake import Lake

CONTRACT = table("ops.offset_bounds")
BRONZE = table("bronze.user_events")
RAW = topic("user.raw")
# First topics whose hours can be rebuilt.
BOUNDED = tuple(topic for topic in CHECKED if "lake" in topic.stores)
HOUR = timedelta(hours=1)
# An hour is closed for its bounds when it ended this long ago: the stream has then stored its last coordinates.
CLOSED_AFTER = timedelta(minutes=2)


def asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Bounds of every topic of the lake; of the user family with the range of `user.latest` that holds the same."""
    key = asset_key(CONTRACT)
    spec = external_table(
        CONTRACT,
        partitions,
        declared_in=asset,
        deps=[*(dg.AssetDep(asset_key(topic)) for topic in BOUNDED), dg.AssetDep(asset_key(BRONZE))],
    )

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[contract_check_spec(CONTRACT)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"lake", "spark", "kafka", "clock"},
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from _record(context)

    return _run


def _record(context: dg.AssetExecutionContext) -> Iterator[Any]:
    lake: Lake = context.resources.lake
    now: datetime = context.resources.clock.now()
    key = asset_key(CONTRACT)
    starts = [window.start for window in _hours(context)]
    late = [hour_of(start) for start in starts if now < start + HOUR + CLOSED_AFTER]
    if late:
        raise dg.Failure(
            f"hour {late[0]} is not closed; bounds are recorded once, from 2 minutes after its end",
            allow_retries=False,
        )
    with context.resources.spark.tagged(context.run.run_id, CONTRACT.full_name):
        known = _known(lake, [hour_of(start) for start in starts])
        rows = [
            row
            for start in starts
            for name in (topic.name for topic in BOUNDED)
            for row in bounds(lake, context.resources.kafka, name, start, now)
            if _is_new(row, known)
        ]
        version = merge_audited(lake, CONTRACT, rows) if rows else lake.version(CONTRACT)
    yield dg.AssetCheckResult(asset_key=key, check_name=CHECK_NAME, passed=True, metadata={"rows": len(rows)})
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={"dagster/row_count": len(rows), "already_recorded": len(known), "delta_version": version},
    )


def bounds(
    lake: Lake, kafka: KafkaLog, topic: str, start: datetime, now: datetime
) -> list[Mapping[str, Any]]:
    """Rows of one hour of a topic: a range by partition that saw a record; none if Kafka no longer holds the hour."""
    hour, state = hour_of(start), kafka.topic(topic)
    first, end = kafka.offsets_at(topic, start), kafka.offsets_at(topic, start + HOUR)
    if first == end:
        return []
    latest = _latest_ranges(lake, hour) if topic == RAW.name else {}
    return [
        {
            "topic": topic,
            "topic_id": state.topic_id,
            "partition": partition,
            "hour": hour,
            "first_offset": first[partition],
            "end_offset": end[partition],
            "latest_first_offset": latest.get(partition, (None, None))[0],
            "latest_end_offset": latest.get(partition, (None, None))[1],
            "recorded_at": now,
        }
        for partition in sorted(first)
        if end[partition] > first[partition]
    ]


def _hours(context: dg.AssetExecutionContext) -> Sequence[dg.TimeWindow]:
    definition = context.assets_def.partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"{CONTRACT.full_name} must be partitioned by hour; got {definition}")
    return [definition.time_window_for_partition_key(key) for key in context.partition_keys]


def _latest_ranges(lake: Lake, hour: str) -> dict[int, tuple[int, int]]:
    """Per partition, the range of the latest topic in which bronze found the hour's coordinates."""
    rows = lake.read(BRONZE, partitions=[hour]).where(F.col("source_topic") == RAW.name)
    found = rows.groupBy("source_partition").agg(
        F.min("latest_offset").alias("first"), F.max("latest_offset").alias("last")
    )
    return {r["source_partition"]: (r["first"], r["last"] + 1) for r in found.collect()}


def _known(lake: Lake, hours: Sequence[str]) -> set[tuple[str, int, str]]:
    rows = lake.read(CONTRACT).where(F.col("hour").isin(list(hours)))
    return {
        (r["topic_id"], r["partition"], r["hour"])
        for r in rows.select("topic_id", "partition", "hour").collect()
    }


def _is_new(row: Mapping[str, Any], known: set[tuple[str, int, str]]) -> bool:
    return (row["topic_id"], row["partition"], row["hour"]) not in known
