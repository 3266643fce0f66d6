"""Rebuilding one arrival hour from its recorded offset bounds.

Belongs here: the guards and the replacement. Does not belong here: recording bounds (`ops.offset_bounds`), asking for a
rebuild (a backfill does).

An hour is replaced only if Kafka still holds every offset it covers, of the same topic, and the replacement has every
coordinate that stands. Otherwise nothing is written and the refusal names what is missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from media_analytics.contracts.registry import table
from media_analytics.errors import DataLossError
from media_analytics.micro_batches.records import Part
from media_analytics.micro_batches.writer import MicroBatchWriter
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog

BOUNDS = table("ops.offset_bounds")
_COLUMNS = ("topic", "topic_id", "partition", "hour", "first_offset", "end_offset")
_SHOWN = 5


def rebuild_hour(
    writer: MicroBatchWriter, kafka: KafkaLog, log: DeltaLog, hour: str, run_id: str
) -> Mapping[str, Any]:
    """Replace the hour; returns coordinates before and after, and the letters of what has no row.

    Raises:
        DataLossError: a guard failed; the message names what is missing, and the hour was left as it is.
    """
    part = _part(writer, kafka, _bounds(log, writer.table.topic.name, hour), hour)
    batch_id = f"rebuild-{run_id}"
    judged = writer.judged(part, batch_id)
    stands = writer.store.rows_of_hour(hour)
    kept, found = _coordinates(writer, stands), _coordinates(writer, judged.rows)
    if lost := sorted(kept - found):
        raise DataLossError(
            f"hour {hour} of {writer.table.contract.full_name} holds {len(kept)} coordinates and its replacement would "
            f"hold {len(found)}; missing are for example {lost[:_SHOWN]}. The hour was left as it is"
        )
    outside = set(judged.rows["appended_hour"].to_pylist()) - {hour}
    if outside:
        raise DataLossError(
            f"the recorded bounds of hour {hour} hold records of {', '.join(sorted(outside))}. The hour was left as it "
            "is"
        )
    writer.send_letters(judged)
    both = pa.concat_tables([judged.rows, stands.select(judged.rows.column_names).cast(judged.rows.schema)])
    # Before, so that no change goes unannounced; afterwards, because a reader may have come in between.
    if writer.table.dates is not None:
        writer.store.announce(writer.dates_of(both, batch_id), batch_id)
    writer.store.replace_hour(hour, judged.rows, batch_id)
    if writer.table.dates is not None:
        writer.store.announce(writer.dates_of(both, f"{batch_id}-done"), batch_id)
    return {
        "coordinates_before": len(kept),
        "coordinates": len(found),
        "letters": len(judged.rejected) + len(judged.poison),
    }


def _bounds(log: DeltaLog, topic: str, hour: str) -> Sequence[Mapping[str, Any]]:
    rows = log.rows(BOUNDS, _COLUMNS).to_pylist()
    found = [row for row in rows if row["topic"] == topic and row["hour"] == hour]
    if not found:
        raise DataLossError(
            f"ops.offset_bounds has no bounds of hour {hour} of {topic}: it has not closed, nothing arrived in it, or "
            "they were never recorded. The hour was left as it is"
        )
    return found


def _part(writer: MicroBatchWriter, kafka: KafkaLog, bounds: Sequence[Mapping[str, Any]], hour: str) -> Part:
    name = writer.table.topic.name
    topic_id, low, high = kafka.topic(name).topic_id, kafka.first_offsets(name), kafka.end_offsets(name)
    ids = {row["topic_id"] for row in bounds}
    if ids != {topic_id}:
        raise DataLossError(
            f"hour {hour} came from topic {name} with id {', '.join(sorted(ids))}; the topic now has id {topic_id}, so "
            "the offsets mean other records. The hour was left as it is"
        )
    missing = [
        f"{name}[{row['partition']}] offsets {row['first_offset']} to {row['end_offset']} (it holds "
        f"{low.get(row['partition'], 0)} to {high.get(row['partition'], 0)})"
        for row in bounds
        if row["first_offset"] < row["end_offset"]
        and (
            row["first_offset"] < low.get(row["partition"], 0)
            or row["end_offset"] > high.get(row["partition"], 0)
        )
    ]
    if missing:
        raise DataLossError(
            f"Kafka no longer holds all of hour {hour}: {'; '.join(missing)}. It was left as it is"
        )
    first = {row["partition"]: row["first_offset"] for row in bounds}
    return writer.read(first, {row["partition"]: row["end_offset"] for row in bounds})


def _coordinates(writer: MicroBatchWriter, rows: pa.Table) -> set[tuple[int, int]]:
    names = writer.table.coordinates
    return set(zip(rows[names.partition].to_pylist(), rows[names.offset].to_pylist(), strict=True))
