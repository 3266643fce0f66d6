"""The sink's loop: its topics into their realtime tables, exactly once.

Belongs here: the order of effects and the start. Does not belong here: how rows are stored (`storing.py`), what is
remembered (`bounds.py`), the state of one topic (`lane.py`).

Effects of a flush, in this order; a crash test stops the process between every two of them:

1. read     messages of all topics and partitions (no effect outside the process)
2. check    which are whole (none either)
3. intent   commit, for all partitions of all topics in one request: offset = first, metadata = end of the range
4. letters  dead letters of what is broken, acknowledged
5. insert   the rest in one insert, token = the bounds
6. settle   when idle: commit offset = end, metadata without end

4 and 5 happen for one topic after the other. After a crash anywhere behind 3 the next start reads exactly
`[first, end)` of every topic again and repeats 4 and 5 with the same tokens: the store drops what it has, also when the
first insert was stalled and arrives later. Before 3 nothing has happened. The committed offset is thus never above what
is stored. A letter can be sent twice, with the same id.

One consumer reads all topics: one process costs the broker one fetch session, however many topics are quiet.
"""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from media_analytics.settings import Settings
from streaming.codecs.registry import RegistryClient
from streaming.runtime import clients, effects, positions
from streaming.runtime.health import Health
from streaming.runtime.seat import Seat, looker
from streaming.runtime.stop import StopSignal
from streaming.sinks.lane import Lane, Offsets
from streaming.sinks.letter_box import LetterBox
from streaming.sinks.reading import place
from streaming.sinks.routes import ROUTES, Route

NAME = "sink"
GROUP = "clickhouse-sink"
INSTANCE = "0"
FLUSH_SECONDS = 0.25
SETTLE_SECONDS = 1.0
MOST_ROWS = 20_000
MOST_BYTES = 32 * 1024 * 1024
_CHUNK = 5000
_RETRY_SECONDS = 0.5
_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class ClickHouseSink:
    """The sink of all routes. It owns all partitions of their topics."""

    def __init__(
        self,
        settings: Settings,
        health: Health,
        stop: StopSignal,
        hook: effects.Hook = effects.nothing,
        routes: Sequence[Route] = ROUTES,
    ) -> None:
        self._settings = settings
        self._health = health
        self._stop = stop
        self._hook = hook
        self._errors = clients.Errors(GROUP, _LOG)
        self._registry = RegistryClient(settings.registry.url)
        letters = LetterBox(settings, self._registry, self._errors, stop)
        self._lanes = {
            route.topic: Lane(route, GROUP, settings, self._registry, letters, health, stop, hook)
            for route in routes
        }
        self._admin = clients.admin(settings.kafka, self._errors)
        self._seat = Seat(GROUP, INSTANCE, looker(self._admin, GROUP, INSTANCE), health, stop)
        self._consumer = self._made_consumer()
        # What the group's offsets say now, so that an idle sink commits once.
        self._committed: Offsets = {}
        self._given: list[tuple[str, int]] | None = None
        self._is_assigned = False

    def run(self) -> None:
        """Store until asked to stop.

        Raises:
            DataLossError: a start would lose or repeat rows.
            ServiceError: another sink lives, or Kafka or ClickHouse refuse this one.
        """
        try:
            self._until_kafka_answers(lambda: clients.let_in(self._admin, self._settings.kafka, self._errors))
            self._until_kafka_answers(self._describe)
            while not self._is_done():
                self._consumer = self._made_consumer()
        finally:
            self._consumer.close()
            for lane in self._lanes.values():
                lane.close()
            self._registry.close()

    def _is_done(self) -> bool:
        """Store as a member of the group until asked to stop. False: fenced, and another member may be made."""
        try:
            self._consumer.subscribe(
                [*self._lanes], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
            self._loop()
        except clients.FencedError as error:
            # Closing takes the partitions away; the next member starts from what is committed, as a new process.
            self._consumer.close()
            self._given = None
            self._forget()
            self._seat.regain(str(error))
            return False
        return True

    def _made_consumer(self) -> Consumer:
        return clients.consumer(self._settings.kafka, GROUP, INSTANCE, self._errors)

    def _loop(self) -> None:
        flushed_at = time.monotonic()
        while not self._stop.is_set():
            self._wait_for_disk()
            due = flushed_at + (FLUSH_SECONDS if self._has_read() else SETTLE_SECONDS)
            self._read(max(0.0, due - time.monotonic()))
            waited = time.monotonic() - flushed_at
            if self._has_read() and (waited >= FLUSH_SECONDS or self._is_full()):
                flushed_at = time.monotonic()
                self._flush()
            elif not self._has_read() and waited >= SETTLE_SECONDS:
                flushed_at = time.monotonic()
                self._settle()
            self._report()
        if self._has_read():
            self._flush()
        self._settle()

    def _flush(self) -> None:
        """Effects 2 to 5 for everything that was read."""
        batches = {
            topic: lane.reading.batch() for topic, lane in self._lanes.items() if lane.reading.messages
        }
        self._hook("read")
        checked = {topic: self._lanes[topic].check(batch) for topic, batch in batches.items()}
        self._hook("check")
        wanted: Offsets = {}
        for topic, lane in self._lanes.items():
            wanted |= lane.intent(batches[topic].bounds if topic in batches else None)
        if not self._commit(wanted):
            return
        self._hook("intent")
        for topic, (whole, broken) in checked.items():
            self._lanes[topic].store(batches[topic], whole, broken)

    def _settle(self) -> None:
        """Effect 6: everything before the positions is stored."""
        if not self._is_assigned:
            return
        wanted: Offsets = {}
        for lane in self._lanes.values():
            lane.reading.stored = dict(lane.reading.positions)
            wanted |= lane.settled()
        self._commit(wanted)
        self._hook("settle")

    def _start(self) -> None:
        """Take the assignment from checked positions and replay the flush that was announced last."""
        given = self._given or []
        starts = []
        for topic, lane in self._lanes.items():
            own = [partition for name, partition in given if name == topic]
            for partition, offset in lane.start(self._consumer, own).items():
                starts.append(TopicPartition(topic, partition, offset))
        self._consumer.assign(starts)
        self._given = None
        self._is_assigned = True
        if any(lane.announced.ranges for lane in self._lanes.values()):
            self._replay()

    def _replay(self) -> None:
        """Store exactly the announced ranges again, under their tokens."""
        for lane in self._lanes.values():
            if lane.announced.ranges:
                _LOG.info("replaying %s", lane.announced.token)
        self._pause(lambda lane, p: p not in lane.announced.ranges)
        while self._is_waiting():
            self._read(0.2)
            self._report()
            if self._given is not None or self._stop.is_set():
                # Announced still, so the next start does it.
                self._forget()
                return
            self._pause(lambda lane, p: lane.reading.positions[p] >= lane.announced.ranges.get(p, (0, 0))[1])
        if not self._is_assigned:
            return
        for lane in self._lanes.values():
            if lane.announced.ranges:
                batch = lane.announced_batch()
                lane.store(batch, *lane.check(batch))
        self._consumer.resume(
            [TopicPartition(topic, p) for topic, lane in self._lanes.items() for p in lane.reading.positions]
        )

    def _is_waiting(self) -> bool:
        """Whether announced messages are still to be read."""
        return any(
            lane.reading.positions.get(p, end) < end
            for lane in self._lanes.values()
            for p, (_, end) in lane.announced.ranges.items()
        )

    def _pause(self, is_done: Callable[[Lane, int], bool]) -> None:
        done = [
            TopicPartition(topic, p)
            for topic, lane in self._lanes.items()
            for p in lane.reading.positions
            if is_done(lane, p)
        ]
        self._consumer.pause(done)

    def _read(self, wait_seconds: float) -> None:
        """Add what arrives, at most until the next flush is due."""
        self._errors.check()
        if self._given is not None:
            self._until_kafka_answers(self._start)
            return
        first = self._consumer.poll(wait_seconds)
        batch = [] if first is None else [first, *self._consumer.consume(_CHUNK, 0.005)]
        for message in batch:
            clients.raise_if_fenced(GROUP, message)
        if self._given is not None or not self._is_assigned:
            # The group changed while reading: what was read belongs to the past.
            return
        last: dict[tuple[str, int], int] = {}
        for message in batch:
            if self._is_data(message):
                topic = message.topic() or ""
                self._lanes[topic].reading.add(message)
                partition, offset = place(message)
                last[(topic, partition)] = offset
        for (topic, partition), offset in last.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            self._lanes[topic].lag[partition] = max(0, high - offset - 1)

    def _is_data(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            partition, offset = place(message)
            lane = self._lanes[message.topic() or ""]
            lane.reading.reached_end(partition, offset)
            lane.lag[partition] = 0
        else:
            clients.raise_hopeless(GROUP, error)
            _LOG.warning("%s[%s]: %s", message.topic(), message.partition(), error.str())
        return False

    def _commit(self, wanted: Offsets) -> bool:
        """Commit offsets with metadata for all partitions in one request. False: the group is changing.

        Raises:
            FencedError: the broker knows another member on this seat.
        """
        if wanted == self._committed:
            return True
        request = [TopicPartition(*at, offset, metadata) for at, (offset, metadata) in wanted.items()]
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
        self._seat.taken(consumer.memberid())
        consumer.assign([])
        self._given = [(p.topic, p.partition) for p in partitions]

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Runs inside `poll`, also when the session was lost. What was read is read again by the next owner."""
        _LOG.info("partitions %s were taken", [f"{p.topic}[{p.partition}]" for p in partitions])
        # Only this ends a revocation: after `assign([])` the member would neither leave nor join again.
        consumer.unassign()
        self._given = None
        self._forget()

    def _forget(self) -> None:
        self._is_assigned = False
        self._committed = {}
        for lane in self._lanes.values():
            lane.forget()

    def _describe(self) -> None:
        for topic, lane in self._lanes.items():
            lane.topic = positions.describe(self._admin, topic)

    def _has_read(self) -> bool:
        return any(lane.reading.messages for lane in self._lanes.values())

    def _is_full(self) -> bool:
        readings = [lane.reading for lane in self._lanes.values()]
        rows = sum(len(reading.messages) for reading in readings)
        return rows >= MOST_ROWS or sum(reading.size_bytes for reading in readings) >= MOST_BYTES

    def _report(self) -> None:
        lag = {topic: sum(lane.lag.values()) for topic, lane in self._lanes.items()}
        if self._is_assigned:
            self._health.report("ready", f"{len(self._lanes)} topics", lag=lag)
        else:
            self._health.report("waiting", "waiting for the partitions of the group", lag={})

    def _wait_for_disk(self) -> None:
        """Also when there is nothing to store: who looks at the sink sees the disk before rows wait for it."""
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
