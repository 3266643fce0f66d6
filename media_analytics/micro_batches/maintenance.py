"""Maintenance of micro-batched tables: few files, no old ones, and a place to go on from after a loss.

Belongs here: what each action does to one table. Does not belong here: when it runs and that nobody writes meanwhile
(`automation/micro_batch_maintenance.py`).

Every commit carries the newest batch's note on, so the table always says where it ends.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from deltalake import CommitProperties, DeltaTable

from media_analytics.contracts.audit import arrow_schema
from media_analytics.errors import ContractError
from media_analytics.micro_batches.store import Store
from media_analytics.partitions import hour_of
from media_analytics.resources.kafka import KafkaLog
from spark_jobs import io
from spark_jobs.user_events.positions import Bounds

# An hour is compacted this long after its end; records on their way have arrived by then.
SETTLE = timedelta(minutes=5)
# The dates table gets a file for each date and batch.
MOST_FILES_OF_A_DATE = 8


def compact(store: Store, now: datetime) -> Mapping[str, Any]:
    """One file for each closed arrival hour and for each date that has many."""
    closed = hour_of(now - SETTLE)
    files = io.files_per_partition(store.path, "appended_hour")
    hours = sorted(hour for hour, count in files.items() if hour < closed and count > 1)
    for hour in hours:
        _optimize(store, store.path, ("appended_hour", "=", hour), f"compact {hour}")
    dates: list[str] = []
    if store.dates_path is not None:
        files = io.files_per_partition(store.dates_path, "event_date")
        dates = sorted(date for date, count in files.items() if count > MOST_FILES_OF_A_DATE)
        for date in dates:
            _optimize(store, store.dates_path, ("event_date", "=", date), f"compact {date}")
    return {"hours": hours, "dates": dates}


def vacuum(store: Store) -> Mapping[str, Any]:
    """Remove files that no version within the table's retention refers to."""
    removed = {}
    for path in (store.path, store.dates_path):
        if path is not None:
            note = CommitProperties(custom_metadata={"userMetadata": store.carried(path, "vacuum")})
            removed[path] = len(DeltaTable(io.delta_uri(path)).vacuum(dry_run=False, commit_properties=note))
    return {"files_removed": sum(removed.values())}


def go_on_at(store: Store, kafka: KafkaLog, offsets: Mapping[int, int]) -> Mapping[str, Any]:
    """Go on at these offsets of the topic as it is now; what lies between is given up, by a person's decision.

    Raises:
        ContractError: a partition is missing, or an offset is not in the topic.
    """
    topic = store.table.topic.name
    low, high = kafka.first_offsets(topic), kafka.end_offsets(topic)
    wrong = {p: offsets.get(p) for p in high if not low[p] <= offsets.get(p, -1) <= high[p]}
    if wrong or set(offsets) - set(high):
        raise ContractError(
            f"{topic} holds {dict(low)} to {dict(high)}; offsets {dict(offsets)} must name each partition within that"
        )
    last, announced = store.position(), store.announced()
    number = 1 + max(found.number if found else 0 for found in (last, announced))
    bounds = Bounds(number, kafka.topic(topic).topic_id, dict(offsets), dict(offsets))
    note = bounds.note(store.table.application, maintenance="go on at")
    dates = store.table.dates
    if store.dates_path is not None and dates is not None:
        store.append(store.dates_path, arrow_schema(dates).empty_table(), bounds, note)
    store.append(store.path, arrow_schema(store.table.contract).empty_table(), bounds, note)
    return {"offsets": json.dumps({str(p): o for p, o in sorted(offsets.items())})}


def _optimize(store: Store, path: str, where: tuple[str, str, str], reason: str) -> None:
    note = CommitProperties(custom_metadata={"userMetadata": store.carried(path, reason)})
    DeltaTable(io.delta_uri(path)).optimize.compact(partition_filters=[where], commit_properties=note)
