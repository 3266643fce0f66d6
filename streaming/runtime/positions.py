"""Where a consumer may start: the rules that keep a start from losing or repeating data.

Belongs here: reading committed offsets with their metadata, comparing them with the log, the error that names the
fix. Does not belong here: what is consumed. Metadata of a committed offset is JSON; `topic_id` in it ties the
number to one incarnation of the topic.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from media_analytics.errors import DataLossError, ServiceError

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Position:
    """A start: partition, offset, what was stored with the offset. `is_first`: nothing was committed yet."""

    partition: int
    offset: int
    is_first: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Topic:
    """Identity of a topic. A topic that was deleted and created again has another id."""

    name: str
    topic_id: str
    partitions: int


def describe(admin: AdminClient, name: str) -> Topic:
    """Identity and partition count.

    Raises:
        ServiceError: the topic does not exist.
        KafkaException: no answer.
    """
    future = admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_SECONDS)[name]
    found = future.result()
    if not found.partitions:
        raise ServiceError(f"topic {name} does not exist; run `media-analytics contracts apply`")
    return Topic(name, str(found.topic_id), len(found.partitions))


def start_positions(
    consumer: Consumer,
    topic: Topic,
    partitions: Sequence[int],
    *,
    group: str,
    is_empty: Callable[[int], bool],
    output: str,
) -> list[Position]:
    """The start of each partition.

    Args:
        consumer: member of the group.
        topic: what it reads.
        partitions: the partitions it was given.
        group: name of the group, for messages.
        is_empty: whether nothing of a partition was written to the output yet.
        output: what is written to, for messages.

    Raises:
        DataLossError: going on would lose or repeat records; the message names the fix.
        KafkaException: no answer.
    """
    asked = [TopicPartition(topic.name, p) for p in partitions]
    found = []
    for committed in consumer.committed(asked, timeout=TIMEOUT_SECONDS):
        where = TopicPartition(topic.name, committed.partition)
        low, high = consumer.get_watermark_offsets(where, timeout=TIMEOUT_SECONDS)
        if committed.offset < 0:
            _check_first_start(group, topic, committed.partition, low, is_empty, output)
            found.append(Position(committed.partition, 0, is_first=True))
        else:
            metadata = _parsed(committed.metadata)
            _check_stored(group, topic, committed.partition, committed.offset, metadata, low, high)
            found.append(Position(committed.partition, committed.offset, metadata=metadata))
    return found


def _check_first_start(
    group: str, topic: Topic, partition: int, low: int, is_empty: Callable[[int], bool], output: str
) -> None:
    if low != 0:
        raise DataLossError(
            f"group {group} has no offset for {topic.name}[{partition}], and its log begins at {low}, not 0: records "
            f"before {low} can no longer be read. {_fix(group, topic.name, partition, 'OFFSET')}"
        )
    if not is_empty(partition):
        raise DataLossError(
            f"group {group} has no offset for {topic.name}[{partition}], but {output} already holds records of it: "
            f"starting at 0 would write them twice. {_fix(group, topic.name, partition, 'OFFSET')}"
        )


def _check_stored(
    group: str, topic: Topic, partition: int, offset: int, metadata: dict[str, Any], low: int, high: int
) -> None:
    stored = metadata.get("topic_id")
    if stored is not None and stored != topic.topic_id:
        raise DataLossError(
            f"the offset of group {group} for {topic.name}[{partition}] belongs to topic id {stored}; the topic was "
            f"created again as {topic.topic_id}. {_fix(group, topic.name, partition, '0')}"
        )
    if offset > high:
        raise DataLossError(
            f"the offset {offset} of group {group} for {topic.name}[{partition}] is above the log's end {high}: the "
            f"log lost records or is another one. {_fix(group, topic.name, partition, str(high))}"
        )
    if offset < low:
        raise DataLossError(
            f"the offset {offset} of group {group} for {topic.name}[{partition}] is below the log's begin {low}: "
            f"{low - offset} offsets expired before they were read. {_fix(group, topic.name, partition, str(low))}"
        )


def _fix(group: str, topic: str, partition: int, offset: str) -> str:
    return (
        "Nothing was changed. When you know where to go on, stop this process, run "
        f"`python -m streaming.runtime.offsets {group} {topic} {partition} {offset}` and start it again."
    )


def _parsed(metadata: str | None) -> dict[str, Any]:
    """Metadata as JSON; text of another writer counts as none."""
    try:
        found = json.loads(metadata or "{}")
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
