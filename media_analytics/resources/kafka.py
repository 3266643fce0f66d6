"""What batch work asks Kafka: positions, topic ids, committed offsets, dead letters since an instant.

Belongs here: read-only questions to the cluster through confluent-kafka, ranges of messages. Does not belong here:
decoding events, producing, topic administration (`contracts.apply`).
"""

import json
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from typing import Any

import httpx
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec
from fastavro import parse_schema, schemaless_reader

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings
from streaming.runtime import clients

TIMEOUT_SECONDS = 15.0
# Its methods carry no types.
_SPEC: Any = OffsetSpec
# The Confluent framing: one zero byte, then the schema id.
FRAME_BYTES = 5
_WITHOUT_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
_PAUSE_SECONDS = 0.2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Group:
    """A consumer group as the cluster sees it: `state` is Kafka's word, such as Stable or Empty."""

    name: str
    state: str
    members: int


@dataclass(frozen=True)
class TopicState:
    """What a topic is now: its id changes when it is deleted and made again."""

    topic_id: str
    partitions: int


class KafkaLog:
    """Read-only view of the cluster. Connects at the first question.

    Coordinators of groups are asked through `list_groups` and a consumer that never joins. Questions of an AdminClient
    that go to a coordinator and time out end the process when the coordinator is back: librdkafka takes them from
    freed memory (its issues 3663 and 4605; seen with 2.16). That `list_groups` is deprecated is the lesser evil.
    """

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; connect later."""
        self._settings = settings

    @cached_property
    def _admin(self) -> AdminClient:
        return clients.entered(self._settings.kafka, "media-analytics", _LOG)

    def topic(self, name: str) -> TopicState:
        """Id and number of partitions.

        Raises:
            ServiceError: the cluster does not answer, or the topic does not exist.
        """
        with self._explained(f"describing topic {name}"):
            answer = self._admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_SECONDS)
            description = answer[name].result()
        return TopicState(str(description.topic_id), len(description.partitions))

    def first_offsets(self, name: str) -> dict[int, int]:
        """Per partition, the oldest offset still there."""
        return self._offsets(name, _SPEC.earliest())

    def end_offsets(self, name: str) -> dict[int, int]:
        """Per partition, one past the newest offset that a reader of committed data sees."""
        return self._offsets(name, _SPEC.latest())

    def offsets_at(self, name: str, instant: datetime) -> dict[int, int]:
        """Per partition, the first offset appended at or after `instant`; the end if there is none."""
        millis = -int(-instant.timestamp() * 1000 // 1)
        found = self._offsets(name, _SPEC.for_timestamp(millis))
        if any(offset < 0 for offset in found.values()):
            end = self.end_offsets(name)
            # The end may have moved between the two questions: then ask again rather than take a later record in.
            again = self._offsets(name, _SPEC.for_timestamp(millis))
            found = {p: end[p] if offset < 0 else offset for p, offset in again.items()}
        return found

    def newest_append(self, name: str) -> datetime | None:
        """Append time of the newest record; None when there is none."""
        with self._explained(f"reading the newest time of topic {name}"):
            places = [TopicPartition(name, p) for p in range(self._partitions(name))]
            found = self._asked(places, _SPEC.max_timestamp(), IsolationLevel.READ_UNCOMMITTED)
            millis = max(one.timestamp for one in found.values())
        return datetime.fromtimestamp(millis / 1000, UTC) if millis >= 0 else None

    def extents(self, names: Collection[str]) -> dict[str, dict[int, tuple[int, int]]]:
        """By topic and partition, the oldest offset and one past the newest that a reader of committed data sees.

        Asks three times, however many topics there are; a topic that does not exist is absent.
        """
        with self._explained("reading offsets"):
            there = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
            places = [
                TopicPartition(n, p)
                for n in names
                if n in there and not there[n].error
                for p in there[n].partitions
            ]
            first, end = (self._list(places, spec) for spec in (_SPEC.earliest(), _SPEC.latest()))
        found: dict[str, dict[int, tuple[int, int]]] = {}
        for (topic, partition), offset in sorted(first.items()):
            found.setdefault(topic, {})[partition] = (offset, end[(topic, partition)])
        return found

    def groups(self) -> list[Group]:
        """The consumer groups that the cluster knows, by name."""
        with self._explained("listing consumer groups"):
            # Its answers carry no types.
            found: list[Any] = self._admin.list_groups(timeout=TIMEOUT_SECONDS)
            for group in found:
                if group.error is not None:
                    raise KafkaException(group.error)
        return sorted((Group(g.id, g.state, len(g.members)) for g in found), key=lambda g: g.name)

    def committed(self, group: str) -> dict[str, dict[int, int]]:
        """By topic and partition, the offset a consumer group goes on from; what it never committed is absent."""
        found: dict[str, dict[int, int]] = {}
        with self._explained(f"reading offsets of group {group}"):
            topics = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
            # Kafka's own topics have the most partitions, and no group reads them.
            of_users = {name: topic for name, topic in topics.items() if not name.startswith("__")}
            places = [TopicPartition(name, p) for name, topic in of_users.items() for p in topic.partitions]
            for place in self._committed(group, places):
                if place.error is not None:
                    raise KafkaException(place.error)
                if place.offset >= 0:
                    found.setdefault(place.topic, {})[place.partition] = place.offset
        return found

    def records(self, topic: str, since: datetime) -> Iterator[dict[str, Any]]:
        """Decoded records of a small topic from `since` to its end as it is now."""
        decode = _Decoder(self._settings.registry.url)
        for message in self._read(topic, self.offsets_at(topic, since)):
            yield decode(message.value() or b"")

    def count(self, topic: str) -> int:
        """Records a reader of committed data finds from the topic's first offset to its end. Reads them all."""
        return sum(1 for _ in self._read(topic, self.first_offsets(topic)))

    def _read(self, topic: str, start: Mapping[int, int]) -> Iterator[Message]:
        """Committed messages from `start` to the end as it is now."""
        return self.messages(topic, start, self.end_offsets(topic))

    def messages(self, topic: str, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[Message]:
        """Committed messages of `[start, end)` of each partition; those of a partition in order.

        Raises:
            ServiceError: Kafka sent nothing for a while, or no longer holds an offset of the range.
        """
        pending = {p: end[p] for p in end if start[p] < end[p]}
        if not pending:
            return
        consumer = Consumer(
            self._settings.kafka.client_config()
            | {
                "group.id": "media-analytics-batch-reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "log_level": 3,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, p, start[p]) for p in pending])
            yield from _until(consumer, pending)
        finally:
            consumer.close()

    def _offsets(self, name: str, spec: Any) -> dict[int, int]:
        with self._explained(f"reading offsets of topic {name}"):
            places = [TopicPartition(name, p) for p in range(self._partitions(name))]
            return {partition: offset for (_, partition), offset in self._list(places, spec).items()}

    def _list(self, places: Iterable[TopicPartition], spec: Any) -> dict[tuple[str, int], int]:
        found = self._asked(places, spec, IsolationLevel.READ_COMMITTED)
        return {(tp.topic, tp.partition): one.offset for tp, one in found.items()}

    def _asked(
        self, places: Iterable[TopicPartition], spec: Any, isolation: IsolationLevel
    ) -> dict[TopicPartition, ListOffsetsResultInfo]:
        """Asks again while a partition has no leader: its topic is new, or a broker has just left."""
        asked = dict.fromkeys(places, spec)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            answers = self._admin.list_offsets(
                asked, isolation_level=isolation, request_timeout=TIMEOUT_SECONDS
            )
            try:
                return {place: future.result() for place, future in answers.items()}
            except KafkaException as error:
                if error.args[0].code() not in _WITHOUT_LEADER or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _committed(self, group: str, places: list[TopicPartition]) -> list[TopicPartition]:
        """Ask as a consumer that subscribes to nothing. It lives for one question: a cluster may have many groups."""
        config = {"group.id": group, "enable.auto.commit": False, "log_level": 3}
        consumer = Consumer(self._settings.kafka.client_config() | config)
        try:
            return consumer.committed(places, timeout=TIMEOUT_SECONDS)
        finally:
            consumer.close()

    def _partitions(self, name: str) -> int:
        metadata = self._admin.list_topics(name, timeout=TIMEOUT_SECONDS).topics[name]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        return len(metadata.partitions)

    def _explained(self, doing: str) -> "_Explained":
        return _Explained(doing, self._settings.kafka.bootstrap_servers)


def appended_at(message: Message) -> datetime:
    """Log-append time of a message."""
    return datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)


class _Explained:
    """Turns a client error into one that says what was asked of which cluster."""

    def __init__(self, doing: str, servers: str) -> None:
        self._message = f"{doing} at Kafka {servers} failed"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KafkaException):
            raise ServiceError(
                f"{self._message}: {error}; see `media-analytics status` and the setting "
                "MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS"
            ) from error


def _until(consumer: Consumer, end: Mapping[int, int]) -> Iterator[Message]:
    """Messages of each partition before its end offset."""
    open_partitions = dict(end)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while open_partitions:
        for message in consumer.consume(500, 0.5):
            deadline = time.monotonic() + TIMEOUT_SECONDS
            error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise ServiceError(f"reading topic {message.topic()} failed: {error}")
                open_partitions.pop(partition, None)
                continue
            if offset < end[partition]:
                yield message
            if offset + 1 >= end[partition]:
                open_partitions.pop(partition, None)
        if time.monotonic() > deadline:
            raise ServiceError(
                f"Kafka sent nothing for {TIMEOUT_SECONDS:.0f} s; partitions left: {open_partitions}"
            )


class _Decoder:
    """Decodes framed Avro with the schema it was written with."""

    def __init__(self, registry_url: str) -> None:
        self._url = registry_url.rstrip("/")
        self._schemas: dict[int, Any] = {}

    def __call__(self, value: bytes) -> dict[str, Any]:
        schema_id = int.from_bytes(value[1:FRAME_BYTES], "big")
        if schema_id not in self._schemas:
            answer = httpx.get(f"{self._url}/schemas/ids/{schema_id}", timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            self._schemas[schema_id] = parse_schema(json.loads(answer.json()["schema"]))
        record = schemaless_reader(BytesIO(value[FRAME_BYTES:]), self._schemas[schema_id], None)
        if not isinstance(record, dict):
            raise ServiceError(f"schema {schema_id} does not describe a record; got {type(record).__name__}")
        return record
