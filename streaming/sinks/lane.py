"""One topic on its way into its table: what was read, what is stored, what the committed offsets say.

Belongs here: the state of one topic and the checks of its start. Does not belong here: the consumer and the order of
effects (`process.py`).
"""

import logging
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, Message

from media_analytics.errors import DataLossError, ServiceError
from media_analytics.settings import Settings
from streaming.codecs.registry import RegistryClient
from streaming.runtime import effects, positions
from streaming.runtime.health import Health
from streaming.runtime.stop import StopSignal
from streaming.sinks.bounds import Bounds, intended, intent, settled
from streaming.sinks.datums import Datums
from streaming.sinks.gateway import DataFormat, Gateway
from streaming.sinks.letter_box import Broken, LetterBox
from streaming.sinks.placed import PlacedValues
from streaming.sinks.reading import Batch, Reading, place
from streaming.sinks.routes import Route
from streaming.sinks.storing import Storing, framed_values

# Offset and metadata to commit, by topic and partition.
Offsets = dict[tuple[str, int], tuple[int, str]]
_LOG = logging.getLogger(__name__)


class Lane:
    """State of one route. Its process owns all partitions: one insert, and so one token, spans them all."""

    def __init__(
        self,
        route: Route,
        group: str,
        settings: Settings,
        registry: RegistryClient,
        letters: LetterBox,
        health: Health,
        stop: StopSignal,
        hook: effects.Hook,
    ) -> None:
        self.route = route
        self.topic = positions.Topic(route.topic, "", 0)
        self.reading = Reading(route.topic, "", {})
        # Messages behind the newest read one, by partition.
        self.lag: dict[int, int] = {}
        self.announced = Bounds(route.topic, "", {})
        self._group = group
        self._url = settings.clickhouse.url
        data_format: DataFormat = "Avro" if route.is_first else "AvroConfluent"
        self._gateway = Gateway(settings.clickhouse, route.table, settings.registry.url, group, data_format)
        datums = Datums(registry, route.record)
        values = PlacedValues(route.topic, datums) if route.is_first else framed_values
        self._storing = Storing(self._gateway, datums, letters, health, stop, hook, values)
        self._has_rows = False

    def close(self) -> None:
        """Close the connections."""
        self._gateway.close()

    def forget(self) -> None:
        """The partitions were taken: what was read is read again by the next owner."""
        self.reading = Reading(self.route.topic, self.topic.topic_id, {})
        self.lag = {}

    def start(self, consumer: Consumer, partitions: Sequence[int]) -> dict[int, int]:
        """Check the start of all partitions; the offsets to read from. `announced` is what must be replayed first.

        Raises:
            DataLossError: a start would lose or repeat rows.
            ServiceError: another sink has some of the partitions.
            KafkaException: no answer.
        """
        topic, table = self.route.topic, self.route.table
        if len(partitions) != self.topic.partitions:
            raise ServiceError(
                f"{self._group} was given partitions {partitions} of the {self.topic.partitions} of {topic}: another "
                f"sink runs in the group; one process stores all of {topic}, stop the other one"
            )
        found = positions.start_positions(
            consumer,
            self.topic,
            partitions,
            group=self._group,
            is_empty=lambda p: self._storing.until_answered(
                lambda: self._gateway.is_empty((self.route.first_topic, p))
            ),
            output=table,
        )
        self._check_store(found)
        starts = {p.partition: p.offset for p in found}
        self.reading = Reading(topic, self.topic.topic_id, starts)
        self.announced = intended(
            topic, self.topic.topic_id, {p.partition: (p.offset, p.metadata) for p in found}
        )
        _LOG.info("%s: reading from %s", topic, starts)
        return starts

    def _check_store(self, found: list[positions.Position]) -> None:
        topic, table = self.route.topic, self.route.table
        self._has_rows = any(p.metadata.get("has_rows") for p in found)
        if self._has_rows and self._storing.until_answered(self._gateway.is_empty):
            raise DataLossError(
                f"group {self._group} has stored rows before, but {table} is empty: it was dropped, or another server "
                f"answers at {self._url}. Nothing was changed. To fill it again from the log, run "
                f"`python -m streaming.runtime.offsets {self._group} {topic} PARTITION 0` for each of the "
                f"{self.topic.partitions} partitions and start the sink again"
            )

    def check(self, batch: Batch) -> tuple[list[Message], list[Broken]]:
        """Effect 2: which messages are whole."""
        return self._storing.check(batch.messages)

    def store(self, batch: Batch, whole: list[Message], broken: list[Broken]) -> None:
        """Effects 4 and 5."""
        rows = self._storing.store(whole, broken, batch.bounds.token)
        self._has_rows = self._has_rows or rows > 0
        self.reading.done(batch)

    def announced_batch(self) -> Batch:
        """The messages of the announced ranges.

        Raises:
            DataLossError: the last message of a range is not there: the log is not the one it was.
        """
        batch = self.reading.part(self.announced)
        last: dict[int, int] = {}
        for message in batch.messages:
            partition, offset = place(message)
            last[partition] = offset
        for partition, (first, end) in batch.bounds.ranges.items():
            if last.get(partition) != end - 1:
                topic = self.route.topic
                raise DataLossError(
                    f"{topic}[{partition}]: the sink announced offsets {first} to {end - 1}, and the log no longer "
                    f"holds the last of them: the log lost records. Nothing was changed; compare {self.route.table} "
                    f"with the log, then set the offset with "
                    f"`python -m streaming.runtime.offsets {self._group} {topic} {partition} OFFSET`"
                )
        return batch

    def intent(self, bounds: Bounds | None) -> Offsets:
        """Offsets to commit before the insert of `bounds`; None: nothing of this topic is in the flush."""
        bounds = bounds or Bounds(self.route.topic, self.topic.topic_id, {})
        return self._named(intent(bounds, self.reading.positions, self._has_rows))

    def settled(self) -> Offsets:
        """Offsets to commit when everything before the positions is in the store."""
        return self._named(settled(self.topic.topic_id, self.reading.positions, self._has_rows))

    def _named(self, offsets: Mapping[int, tuple[int, str]]) -> Offsets:
        return {(self.route.topic, partition): wanted for partition, wanted in offsets.items()}
