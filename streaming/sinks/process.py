"""The sink's loop: `user.latest` into `realtime.user_events`, exactly once.

Belongs here: the order of effects and the start. Does not belong here: how rows are stored (`storing.py`), what is
remembered (`bounds.py`).

Effects of a flush, in this order; a crash test stops the process between every two of them:

1. read     messages of all partitions (no effect outside the process)
2. check    which are whole (none either)
3. intent   commit, for all partitions in one request: offset = first, metadata = end of the range
4. letters  dead letters of what is broken, acknowledged
5. insert   the rest in one insert, token = the bounds
6. settle   when idle: commit offset = end, metadata without end

After a crash anywhere behind 3 the next start reads exactly `[first, end)` again and repeats 4 and 5 with the same
token: the store drops what it has, also when the first insert was stalled and arrives later. Before 3 nothing has
happened. The committed offset is thus never above what is stored. A letter can be sent twice, with the same id.
"""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from media_analytics.errors import DataLossError, ServiceError
from media_analytics.settings import Settings
from streaming.codecs.registry import RegistryClient
from streaming.runtime import clients, effects, positions
from streaming.runtime.health import Health
from streaming.runtime.stop import StopSignal
from streaming.sinks.bounds import Bounds, intended, intent, settled
from streaming.sinks.datums import Datums
from streaming.sinks.gateway import Gateway
from streaming.sinks.letter_box import LetterBox
from streaming.sinks.reading import Batch, Reading, place
from streaming.sinks.storing import Storing

NAME = "sink"
GROUP = "clickhouse-sink"
TOPIC = "user.latest"
TABLE = "realtime.user_events"
FLUSH_SECONDS = 0.25
SETTLE_SECONDS = 1.0
MOST_ROWS = 20_000
MOST_BYTES = 32 * 1024 * 1024
_CHUNK = 5000
_RETRY_SECONDS = 0.5
_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class ClickHouseSink:
    """The sink of one topic. It owns all partitions: one insert, and so one token, spans them all."""

    def __init__(
        self, settings: Settings, health: Health, stop: StopSignal, hook: effects.Hook = effects.nothing
    ) -> None:
        self._settings = settings
        self._health = health
        self._stop = stop
        self._hook = hook
        self._errors = clients.Errors(GROUP, _LOG)
        self._registry = RegistryClient(settings.registry.url)
        self._gateway = Gateway(settings.clickhouse, TABLE, settings.registry.url, GROUP)
        letters = LetterBox(settings, self._registry, self._errors, stop)
        datums = Datums(self._registry, "UserLatest")
        self._storing = Storing(self._gateway, datums, letters, health, stop, hook)
        self._consumer = clients.consumer(settings.kafka, GROUP, "0", self._errors)
        self._topic = positions.Topic(TOPIC, "", 0)
        self._reading = Reading(TOPIC, "", {})
        # What the group's offsets say now, so that an idle sink commits once.
        self._committed: dict[int, tuple[int, str]] = {}
        self._has_rows = False
        self._given: list[int] | None = None
        self._lag: dict[int, int] = {}

    def run(self) -> None:
        """Store until asked to stop.

        Raises:
            DataLossError: a start would lose or repeat rows.
            ServiceError: another sink took over, or Kafka or ClickHouse refuse this one.
        """
        try:
            self._topic = self._until_kafka_answers(self._described)
            self._consumer.subscribe(
                [TOPIC], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
            self._loop()
        finally:
            self._consumer.close()
            self._gateway.close()
            self._registry.close()

    def _loop(self) -> None:
        flushed_at = time.monotonic()
        while not self._stop.is_set():
            due = flushed_at + (FLUSH_SECONDS if self._reading.messages else SETTLE_SECONDS)
            self._read(max(0.0, due - time.monotonic()))
            waited = time.monotonic() - flushed_at
            if self._reading.messages and (waited >= FLUSH_SECONDS or self._is_full()):
                flushed_at = time.monotonic()
                self._flush()
            elif not self._reading.messages and waited >= SETTLE_SECONDS:
                flushed_at = time.monotonic()
                self._settle()
            self._report()
        if self._reading.messages:
            self._flush()
        self._settle()

    def _flush(self) -> None:
        """Effects 2 to 5 for everything that was read."""
        self._wait_for_disk()
        batch = self._reading.batch()
        self._hook("read")
        whole, broken = self._storing.check(batch.messages)
        self._hook("check")
        if not self._commit(intent(batch.bounds, self._reading.positions, self._has_rows)):
            return
        self._hook("intent")
        rows = self._storing.store(whole, broken, batch.bounds.token)
        self._has_rows = self._has_rows or rows > 0
        self._reading.done(batch)

    def _settle(self) -> None:
        """Effect 6: everything before the positions is stored."""
        if self._reading.stored:
            self._reading.stored = dict(self._reading.positions)
            self._commit(settled(self._topic.topic_id, self._reading.positions, self._has_rows))
            self._hook("settle")

    def _start(self) -> None:
        """Take the assignment from checked positions and replay the flush that was announced last."""
        given = self._given or []
        if len(given) != self._topic.partitions:
            raise ServiceError(
                f"{GROUP} was given partitions {given} of {self._topic.partitions}: another sink runs in the group; "
                f"one process stores all of {TOPIC}, stop the other one"
            )
        found = positions.start_positions(
            self._consumer,
            self._topic,
            given,
            group=GROUP,
            is_empty=lambda p: self._storing.until_answered(lambda: self._gateway.is_empty(p)),
            output=TABLE,
        )
        self._check_store(found)
        starts = {p.partition: p.offset for p in found}
        self._reading = Reading(TOPIC, self._topic.topic_id, starts)
        self._consumer.assign([TopicPartition(TOPIC, p, offset) for p, offset in starts.items()])
        self._given = None
        _LOG.info("%s: reading from %s", TOPIC, starts)
        announced = intended(
            TOPIC, self._topic.topic_id, {p.partition: (p.offset, p.metadata) for p in found}
        )
        if announced.ranges:
            self._replay(announced)

    def _check_store(self, found: list[positions.Position]) -> None:
        self._has_rows = any(p.metadata.get("has_rows") for p in found)
        if self._has_rows and self._storing.until_answered(self._gateway.is_empty):
            raise DataLossError(
                f"group {GROUP} has stored rows before, but {TABLE} is empty: it was dropped, or another server "
                f"answers at {self._settings.clickhouse.url}. Nothing was changed. To fill it again from the log, run "
                f"`python -m streaming.runtime.offsets {GROUP} {TOPIC} PARTITION 0` for each of the "
                f"{self._topic.partitions} partitions and start the sink again"
            )

    def _replay(self, announced: Bounds) -> None:
        """Store exactly the announced ranges again, under their token."""
        _LOG.info("replaying %s", announced.token)
        others = [p for p in self._reading.positions if p not in announced.ranges]
        self._consumer.pause([TopicPartition(TOPIC, p) for p in others])
        while waiting := [
            p for p, (_, end) in announced.ranges.items() if self._reading.positions.get(p, end) < end
        ]:
            self._read(0.2)
            self._report()
            if self._given is not None or self._stop.is_set():
                # Announced still, so the next start does it.
                self._reading = Reading(TOPIC, self._topic.topic_id, {})
                return
            done = [p for p in waiting if self._reading.positions.get(p, 0) >= announced.ranges[p][1]]
            self._consumer.pause([TopicPartition(TOPIC, p) for p in done])
        if not self._reading.positions:
            return
        batch = self._reading.part(announced)
        _check_complete(batch)
        whole, broken = self._storing.check(batch.messages)
        rows = self._storing.store(whole, broken, announced.token)
        self._has_rows = self._has_rows or rows > 0
        self._reading.done(batch)
        self._consumer.resume([TopicPartition(TOPIC, p) for p in self._reading.positions])

    def _read(self, wait_seconds: float) -> None:
        """Add what arrives, at most until the next flush is due."""
        self._errors.check()
        if self._given is not None:
            self._until_kafka_answers(self._start)
            return
        first = self._consumer.poll(wait_seconds)
        batch = [] if first is None else [first, *self._consumer.consume(_CHUNK, 0.005)]
        if self._given is not None or not self._reading.positions:
            # The group changed while reading: what was read belongs to the past.
            return
        last: dict[int, int] = {}
        for message in batch:
            if self._is_data(message):
                self._reading.add(message)
                partition, offset = place(message)
                last[partition] = offset
        for partition, offset in last.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), cached=True)
            self._lag[partition] = max(0, high - offset - 1)

    def _is_data(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            partition, offset = place(message)
            self._reading.reached_end(partition, offset)
            self._lag[partition] = 0
        else:
            clients.raise_hopeless(GROUP, error)
            _LOG.warning("%s[%s]: %s", TOPIC, message.partition(), error.str())
        return False

    def _commit(self, wanted: Mapping[int, tuple[int, str]]) -> bool:
        """Commit offsets with metadata for all partitions in one request. False: the group is changing.

        Raises:
            ServiceError: another sink took over.
        """
        if wanted == self._committed:
            return True
        request = [TopicPartition(TOPIC, p, offset, metadata) for p, (offset, metadata) in wanted.items()]
        while True:
            try:
                answers = self._consumer.commit(offsets=request, asynchronous=False) or []
                refused = next((a.error for a in answers if a.error is not None), None)
                if refused is not None:
                    raise KafkaException(refused)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                clients.raise_hopeless(GROUP, error)
                _LOG.warning("offsets not committed: %s", error.str())
                if error.code() in _GROUP_CHANGES:
                    return False
                self._health.report("waiting", error.str())
                self._errors.check()
                self._stop.wait(_RETRY_SECONDS)
            else:
                self._committed = dict(wanted)
                return True

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Runs inside `poll`. The loop checks the start positions before anything is read."""
        consumer.assign([])
        self._given = [p.partition for p in partitions]

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Runs inside `poll`, also when the session was lost. What was read is read again by the next owner."""
        _LOG.info("%s: partitions %s were taken", TOPIC, [p.partition for p in partitions])
        consumer.assign([])
        self._given = None
        self._reading = Reading(TOPIC, self._topic.topic_id, {})
        self._committed, self._lag = {}, {}

    def _described(self) -> positions.Topic:
        return positions.describe(clients.admin(self._settings.kafka, self._errors), TOPIC)

    def _is_full(self) -> bool:
        return len(self._reading.messages) >= MOST_ROWS or self._reading.size_bytes >= MOST_BYTES

    def _report(self) -> None:
        if self._reading.positions:
            self._health.report("ready", f"{len(self._reading.positions)} partitions", lag=self._lag)
        else:
            self._health.report("waiting", "waiting for the partitions of the group", lag={})

    def _wait_for_disk(self) -> None:
        least = self._settings.collector.min_free_disk_pct
        while (free := _free_disk_pct(self._settings)) < least:
            reason = f"{free:.1f} % of the disk is free, {least:g} % are needed; paused, nothing is dropped"
            _LOG.warning(reason)
            self._health.report("waiting", reason)
            self._stop.wait(_RETRY_SECONDS)

    def _until_kafka_answers(self, action: Callable[[], _T]) -> _T:
        while True:
            try:
                return action()
            except KafkaException as error:
                clients.raise_hopeless(GROUP, error.args[0])
                self._errors.check()
                _LOG.warning("waiting: %s", error.args[0].str())
                self._health.report("waiting", error.args[0].str())
                self._stop.wait(_RETRY_SECONDS)


# A commit refused with one of these is followed by a new assignment.
_GROUP_CHANGES = frozenset(
    (
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._ASSIGNMENT_LOST,
    )
)


def _free_disk_pct(settings: Settings) -> float:
    usage = shutil.disk_usage(settings.home)
    return usage.free / usage.total * 100


def _check_complete(batch: Batch) -> None:
    """The last message of each announced range must be there, or the log is not the one it was.

    Raises:
        DataLossError: it is not.
    """
    last: dict[int, int] = {}
    for message in batch.messages:
        partition, offset = place(message)
        last[partition] = offset
    for partition, (first, end) in batch.bounds.ranges.items():
        if last.get(partition) != end - 1:
            raise DataLossError(
                f"{TOPIC}[{partition}]: the sink announced offsets {first} to {end - 1}, and the log no longer holds "
                f"the last of them: the log lost records. Nothing was changed; compare {TABLE} with the log, then set "
                f"the offset with `python -m streaming.runtime.offsets {GROUP} {TOPIC} {partition} OFFSET`"
            )
