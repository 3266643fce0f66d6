"""Finds records of an event in Kafka topics.

Belongs here: reading one record at known coordinates, scanning a range for an id. Does not belong here: which topic
is searched when (`trace_places.py`).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from media_analytics.errors import MediaAnalyticsError, ServiceError
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.framing import unframe
from streaming.codecs.registry import RegistryClient
from streaming.runtime.clients import is_hopeless

# topic, records looked at, records in all
Progress = Callable[[str, int, int], None]
_WAIT_SECONDS = 15.0
_CHUNK = 1000


class RefusedError(ServiceError):
    """This user may not read a topic."""


class Log:
    """Reads topics of a cluster as committed readers see them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.offsets = KafkaLog(settings)
        self._registry = RegistryClient(settings.registry.url)
        self._codecs: dict[str, Codec] = {}

    def decoded(self, message: Message) -> dict[str, Any]:
        """The record of a message; empty when it cannot be decoded."""
        topic = message.topic() or ""
        codec = self._codecs.get(topic) or self._codecs.setdefault(topic, Codec.from_file(topic))
        try:
            schema_id, datum = unframe(message.value() or b"")
            return codec.decode_as(datum, schema_id, self._registry.schema_by_id(schema_id))
        except MediaAnalyticsError:
            return {}

    def at(self, topic: str, partition: int, offset: int) -> Message | None:
        """The message at these coordinates, or None when it expired."""
        found = self.scan(topic, {partition: (offset, offset + 1)}, lambda m: m.offset() == offset)
        return next(found, None)

    def scan(
        self,
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        is_wanted: Callable[[Message], bool],
        progress: Progress | None = None,
    ) -> Iterator[Message]:
        """Messages of the ranges that are wanted, in order of arrival; expired offsets are left out."""
        first = self.offsets.first_offsets(topic)
        end = self.offsets.end_offsets(topic)
        todo = {
            p: (max(a, first[p]), min(b, end[p]))
            for p, (a, b) in ranges.items()
            if p in end and max(a, first[p]) < min(b, end[p])
        }
        total = sum(b - a for a, b in todo.values())
        for seen, message in enumerate(self._messages(topic, todo), 1):
            if progress is not None and seen % _CHUNK == 0:
                progress(topic, seen, total)
            if is_wanted(message):
                yield message

    def whole(self, topic: str) -> dict[int, tuple[int, int]]:
        """Everything a topic holds."""
        first, end = self.offsets.first_offsets(topic), self.offsets.end_offsets(topic)
        return {p: (first[p], end[p]) for p in end}

    def since(self, topic: str, instant: datetime, most: int) -> dict[int, tuple[int, int]]:
        """At most this many offsets of each partition from an instant on."""
        return {p: (first, first + most) for p, first in self.offsets.offsets_at(topic, instant).items()}

    def _messages(self, topic: str, ranges: Mapping[int, tuple[int, int]]) -> Iterator[Message]:
        if not ranges:
            return
        consumer = Consumer(
            {
                # Only the enricher and the admin may read `user.raw`.
                **self._settings.kafka.acting_as("admin").client_config(),
                "group.id": "media-analytics-trace",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "log_level": 3,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, p, first) for p, (first, _) in ranges.items()])
            deadline = time.monotonic() + _WAIT_SECONDS
            unfinished = {p: end for p, (_, end) in ranges.items()}
            while unfinished:
                batch = consumer.consume(_CHUNK, 0.2)
                if batch:
                    deadline = time.monotonic() + _WAIT_SECONDS
                elif time.monotonic() > deadline:
                    raise ServiceError(f"reading {topic}: no answer for {_WAIT_SECONDS:g} s")
                for message in batch:
                    yield from _within(message, unfinished)
        except KafkaException as error:
            raise ServiceError(f"reading {topic} failed: {error}; see `media-analytics status`") from error
        finally:
            consumer.close()


def _within(message: Message, unfinished: dict[int, int]) -> Iterator[Message]:
    """The message if it lies before its partition's end; partitions that are through leave `unfinished`."""
    error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
    if error is not None:
        if is_hopeless(error):
            raise RefusedError(f"reading {message.topic()} is refused: {error.str()}")
        if error.code() != KafkaError._PARTITION_EOF:
            raise ServiceError(f"reading {message.topic()} failed: {error.str()}")
        unfinished.pop(partition, None)
        return
    end = unfinished.get(partition)
    if end is None:
        return
    if offset < end:
        yield message
    if offset >= end - 1:
        unfinished.pop(partition)


def append_time(message: Message) -> datetime:
    """Log-append time of a message."""
    return datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
