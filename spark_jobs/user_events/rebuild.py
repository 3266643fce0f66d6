"""Rebuilding one arrival hour of bronze.user_events from Kafka.

Belongs here: the guards and the replacement. Does not belong here: recording the bounds of an hour
(`ops.offset_bounds`), deciding that an hour should be rebuilt.

An hour is replaced only if Kafka still holds every offset it covers, in the first topic and in the one
that is read, and the replacement has at least as many coordinates as what is stored, recorded erasures
aside. Otherwise nothing is written and the refusal names what is missing.
"""

import logging

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import Settings
from spark_jobs.user_events import decode, source
from spark_jobs.user_events.batches import Batches
from streaming.runtime import clients

_LOG = logging.getLogger(__name__)
_COORDINATE = ("source_topic", "source_partition", "source_offset")


class RefusedError(MediaAnalyticsError):
    """A request that would lose data, or that this process cannot carry out. Nothing was changed."""


def rebuild_hour(
    spark: SparkSession,
    settings: Settings,
    batches: Batches,
    bounds_path: str,
    hour: str,
    request_id: str,
    note: str,
) -> str:
    """Replace the hour; returns what was done. `note` is what the commits carry.

    Raises:
        RefusedError: a guard failed; the message names what is missing.
    """
    bounds = _bounds_of(spark, bounds_path, hour)
    _require_kept(settings, bounds, hour)
    first = {row.partition: row.latest_first_offset for row in bounds}
    end = {row.partition: row.latest_end_offset for row in bounds}
    framed = decode.with_schema_id(batches.read(first, end)).persist()
    try:
        ids = [row["schema_id"] for row in framed.select("schema_id").distinct().collect()]
        decoded = batches.rows_of(framed, ids)
        rows = _within(decoded, bounds, hour).persist()
        stored = spark.read.format("delta").load(batches.table).where(F.col("appended_hour") == hour)
        kept, found = _coordinates(stored), _coordinates(rows)
        lost = (
            stored.select(*_COORDINATE).distinct().join(rows, [*_COORDINATE], "left_anti").limit(5).collect()
        )
        if found < kept or lost:
            raise RefusedError(
                f"hour {hour} holds {kept} coordinates and its replacement would hold {found}; missing are for "
                f"example {[tuple(row) for row in lost]}. The hour was left as it is"
            )
        batch = f"rebuild-{request_id}"
        both = rows.select("occurred_at", "appended_hour", "source_partition", "source_offset")
        old = stored.select(*both.columns)
        done = batches.announce(both.union(old), batch, note)
        stamped = rows.withColumns({"batch_id": F.lit(batch), "loaded_at": F.current_timestamp()})
        writing = stamped.select(*batches.schema().names).coalesce(1).write.format("delta").mode("overwrite")
        writing = writing.option("replaceWhere", f"appended_hour = '{hour}'").option("userMetadata", note)
        writing.save(batches.table)
        done()
        return f"rebuilt {hour}: {found} coordinates, {kept} before"
    finally:
        framed.unpersist()


def _bounds_of(spark: SparkSession, path: str, hour: str) -> list[Row]:
    recorded = spark.read.format("delta").load(path)
    found = recorded.where((F.col("topic") == source.FIRST_TOPIC) & (F.col("hour") == hour)).collect()
    if not found:
        raise RefusedError(
            f"ops.offset_bounds has no bounds of hour {hour}: it has not closed, or they were never recorded"
        )
    open_ones = [r.partition for r in found if r.latest_first_offset is None or r.latest_end_offset is None]
    if open_ones:
        raise RefusedError(
            f"ops.offset_bounds does not say where {source.TOPIC} holds hour {hour} of partitions {open_ones}"
        )
    return found


def _require_kept(settings: Settings, bounds: list[Row], hour: str) -> None:
    errors = clients.Errors("stream", _LOG)
    admin = clients.admin(settings.kafka, errors)
    first_topic = source.describe(admin, source.FIRST_TOPIC, errors)
    latest = source.describe(admin, source.TOPIC, errors)
    ids = {row.topic_id for row in bounds}
    if ids != {first_topic.topic_id}:
        raise RefusedError(
            f"hour {hour} came from topic {source.FIRST_TOPIC} with id {', '.join(sorted(ids))}; the topic now has id "
            f"{first_topic.topic_id}, so the offsets mean other records"
        )
    missing = []
    for row in bounds:
        ranges = (
            (first_topic, row.first_offset, row.end_offset),
            (latest, row.latest_first_offset, row.latest_end_offset),
        )
        for topic, first, end in ranges:
            low, high = topic.low.get(row.partition, 0), topic.high.get(row.partition, 0)
            if first < end and (first < low or end > high):
                missing.append(
                    f"{topic.name}[{row.partition}] offsets {first} to {end} (it holds {low} to {high})"
                )
    if missing:
        raise RefusedError(
            f"Kafka no longer holds all of hour {hour}: {'; '.join(missing)}. It was left as it is"
        )


def _within(decoded: DataFrame, bounds: list[Row], hour: str) -> DataFrame:
    """The usable rows of exactly the hour's coordinates."""
    inside = F.lit(False)
    for row in bounds:
        offset = F.col("source_offset")
        here = F.col("source_partition") == row.partition
        inside = inside | (here & (offset >= row.first_offset) & (offset < row.end_offset))
    wanted = F.col("problem").isNull() & (F.col("appended_hour") == hour)
    mine = F.col("source_topic") == source.FIRST_TOPIC
    return decoded.where(wanted & mine & inside).drop("problem", "value", "latest_timestamp")


def _coordinates(rows: DataFrame) -> int:
    return rows.select(*_COORDINATE).distinct().count()
