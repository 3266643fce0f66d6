"""What the sink has read and not stored yet.

Belongs here: messages of the next flush, positions, the bounds they make. Does not belong here: Kafka calls. A
position may stand behind the last message (transaction markers lie between); the end of a range never does, so a
replay ends at a message that exists.
"""

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Message

from streaming.sinks.bounds import Bounds


class Batch(NamedTuple):
    """Messages of one flush and the range they fill in each partition."""

    messages: list[Message]
    bounds: Bounds


class Reading:
    """Messages in order of arrival, and the positions of one assignment."""

    def __init__(self, topic: str, topic_id: str, starts: Mapping[int, int]) -> None:
        self._topic = topic
        self._topic_id = topic_id
        # Everything before this is stored.
        self.stored = dict(starts)
        # Everything before this was read.
        self.positions = dict(starts)
        self.messages: list[Message] = []
        self.size_bytes = 0

    def add(self, message: Message) -> None:
        """A message in order of its partition."""
        partition, offset = place(message)
        self.messages.append(message)
        self.positions[partition] = offset + 1
        self.size_bytes += len(message.value() or b"")

    def reached_end(self, partition: int, offset: int) -> None:
        """Nothing is left before this offset."""
        self.positions[partition] = max(self.positions[partition], offset)

    def batch(self) -> Batch:
        """Everything read and not stored."""
        ranges: dict[int, tuple[int, int]] = {}
        for message in self.messages:
            partition, offset = place(message)
            ranges[partition] = (self.stored[partition], offset + 1)
        return Batch(self.messages, Bounds(self._topic, self._topic_id, ranges))

    def part(self, bounds: Bounds) -> Batch:
        """The messages inside given bounds."""
        inside = [m for m in self.messages if _is_inside(m, bounds)]
        return Batch(inside, bounds)

    def done(self, batch: Batch) -> None:
        """The batch is in the store."""
        if len(batch.messages) == len(self.messages):
            self.messages = []
            self.stored = dict(self.positions)
        else:
            self.messages = [m for m in self.messages if not _is_inside(m, batch.bounds)]
            self.stored |= {p: end for p, (_, end) in batch.bounds.ranges.items()}
        self.size_bytes = sum(len(m.value() or b"") for m in self.messages)


def place(message: Message) -> tuple[int, int]:
    """Partition and offset of a message."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise ValueError("a message without partition or offset")
    return partition, offset


def _is_inside(message: Message, bounds: Bounds) -> bool:
    partition, offset = place(message)
    first, end = bounds.ranges.get(partition, (0, 0))
    return first <= offset < end
