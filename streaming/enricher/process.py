"""The enricher's loop: consume, transform, produce, exactly once.

Belongs here: the order of effects and what happens when one fails. Does not belong here: rules and codecs.

Effects of a round, in this order; a crash test stops the process between every two of them:

1. decode   messages of `user.raw` into records (no effect outside the process)
2. enrich   records by the rule tables (none either)
3. produce  into the open transaction: `user.latest` in the same partition, `dead_letters`
4. offsets  of `user.raw` into the same transaction
5. commit   makes 3 and 4 visible together, or neither

Whatever is not committed is done again from the last committed offset; readers never see the first attempt.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings
from streaming.codecs.registry import RegistryClient, RegistryUnreachableError, UnregisteredSchemaError
from streaming.dead_letters.letters import LetterWriter
from streaming.enricher.enrichment import Coordinates, Enrichment
from streaming.enricher.output import Transactions
from streaming.enricher.records import LATEST, RAW, Decoded, Input, Records
from streaming.runtime import clients, effects, positions
from streaming.runtime.health import Health
from streaming.runtime.seat import Seat, looker
from streaming.runtime.stop import StopSignal

GROUP = "enricher"
COMMIT_SECONDS = 0.1
MOST_MESSAGES = 5000
_RETRY_SECONDS = 1.0
_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class EnricherProcess:
    """One enricher. `run` returns when it is asked to stop and raises what it cannot heal."""

    def __init__(
        self,
        settings: Settings,
        enrichment: Enrichment,
        health: Health,
        stop: StopSignal,
        hook: effects.Hook = effects.nothing,
    ) -> None:
        self._settings = settings
        self._enrichment = enrichment
        self._health = health
        self._stop = stop
        self._hook = hook
        self._errors = clients.Errors(GROUP, _LOG)
        self._instance = settings.enrichment.instance
        self._registry = RegistryClient(settings.registry.url)
        self._admin = clients.admin(settings.kafka, self._errors)
        look = looker(self._admin, GROUP, self._instance)
        self._seat = Seat(GROUP, self._instance, look, health, stop)
        self._transactions, self._consumer = self._made_clients()
        self._topic = positions.Topic(RAW, "", 0)
        # Next offset to read of each partition this process has.
        self._next: dict[int, int] = {}
        self._lag: dict[int, int] = {}
        # Partitions just given by the group, and whether some were just taken.
        self._given: list[int] | None = None
        self._is_revoked = False

    def run(self) -> None:
        """Enrich until asked to stop.

        Raises:
            DataLossError: a start would lose or repeat records.
            ServiceError: another enricher with this instance lives, or Kafka refuses this one.
        """
        try:
            self._until_answered(lambda: clients.let_in(self._admin, self._settings.kafka, self._errors))
            records = self._until_answered(self._records)
            self._topic = self._until_answered(self._described)
            while not self._is_done(records):
                self._transactions, self._consumer = self._made_clients()
        finally:
            self._consumer.close()
            self._registry.close()

    def _is_done(self, records: Records) -> bool:
        """Enrich as a member of the group until asked to stop. False: fenced, and another member may be made."""
        try:
            # Ends a transaction that an earlier process or member left open, before any position is read.
            self._transactions.start()
            self._consumer.subscribe(
                [RAW], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
            self._loop(records)
        except clients.FencedError as error:
            # Nothing of an open transaction is visible; the next member starts from what is committed.
            self._consumer.close()
            self._forget()
            self._seat.regain(str(error))
            return False
        return True

    def _made_clients(self) -> tuple[Transactions, Consumer]:
        kafka, errors = self._settings.kafka, self._errors
        transactions = Transactions(kafka, f"{GROUP}-{self._instance}", errors, self._stop)
        return transactions, clients.consumer(kafka, GROUP, self._instance, errors)

    def _loop(self, records: Records) -> None:
        committed_at = time.monotonic()
        while not self._stop.is_set():
            messages = self._messages()
            if messages:
                self._try_round(records, messages)
            if self._transactions.is_open and time.monotonic() - committed_at >= COMMIT_SECONDS:
                self._commit()
                committed_at = time.monotonic()
            self._health.report("ready" if self._next else "waiting", self._state(), lag=self._lag)
        if self._transactions.is_open:
            self._commit()

    def _try_round(self, records: Records, messages: Sequence[Input]) -> None:
        """A round; a transaction that cannot take it is aborted and everything in it done again."""
        try:
            self._transactions.begin()
            self._round(records, messages)
        except KafkaException as error:
            clients.raise_hopeless(GROUP, error.args[0])
            _LOG.warning("transaction refused: %s; doing it again", error.args[0].str())
            self._transactions.abort()
            self._given = sorted(self._next)

    def _round(self, records: Records, messages: Sequence[Input]) -> None:
        """Effects 1 to 3."""
        decoded = [self._decoded(records, message) for message in messages]
        self._hook("decode")
        enriched = [records.enrich(one) for one in decoded]
        self._hook("enrich")
        self._transactions.produce([records.encode(one) for one in enriched])
        for message in messages:
            self._next[message.at.partition] = message.at.offset + 1
        self._hook("produce")

    def _commit(self) -> None:
        """Effects 4 and 5; an aborted transaction sends the consumer back to the committed offsets."""
        metadata = json.dumps({"topic_id": self._topic.topic_id})
        offsets = [TopicPartition(RAW, p, offset, metadata) for p, offset in self._next.items()]
        group = self._consumer.consumer_group_metadata()
        if self._transactions.commit(offsets, group, lambda: self._hook("offsets")):
            self._hook("commit")
        else:
            self._given = sorted(self._next)

    def _decoded(self, records: Records, message: Input) -> Decoded:
        return self._until_answered(lambda: records.decode(message))

    def _messages(self) -> list[Input]:
        """Up to 5,000 messages; waits at most for the first one or the next commit."""
        self._errors.check()
        if self._given is not None:
            self._until_answered(self._take_given)
        first = self._consumer.poll(COMMIT_SECONDS / 2 if self._transactions.is_open else 0.5)
        batch = [] if first is None else [first, *self._consumer.consume(MOST_MESSAGES, 0.005)]
        for message in batch:
            clients.raise_if_fenced(GROUP, message)
        if self._is_revoked or self._given is not None:
            # Another owner reads these partitions from the committed offsets on.
            self._is_revoked = False
            self._transactions.abort()
            return []
        found = [_input(message) for message in batch if self._is_data(message)]
        for partition, last in {m.at.partition: m.at.offset for m in found}.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(RAW, partition), cached=True)
            self._lag[partition] = max(0, high - last - 1)
        return found

    def _is_data(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() == KafkaError._PARTITION_EOF:
            self._lag[message.partition() or 0] = 0
        else:
            clients.raise_hopeless(GROUP, error)
            _LOG.warning("%s[%s]: %s", RAW, message.partition(), error.str())
        return False

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Runs inside `poll`. The loop checks the start positions before anything is read."""
        self._seat.taken(consumer.memberid())
        consumer.assign([])
        self._given = [p.partition for p in partitions]

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Runs inside `poll`, also when the session was lost."""
        _LOG.info("%s: partitions %s were taken", RAW, [p.partition for p in partitions])
        # Only this ends a revocation: after `assign([])` the member would neither leave nor join again.
        consumer.unassign()
        self._forget()
        self._is_revoked = True

    def _forget(self) -> None:
        self._given = None
        self._is_revoked = False
        self._next, self._lag = {}, {}

    def _take_given(self) -> None:
        """Read from checked positions; a first start is committed as 0 before anything is produced."""
        found = positions.start_positions(
            self._consumer,
            self._topic,
            self._given or [],
            group=GROUP,
            is_empty=lambda p: (
                self._consumer.get_watermark_offsets(TopicPartition(LATEST, p), timeout=10)[1] == 0
            ),
            output=LATEST,
        )
        metadata = json.dumps({"topic_id": self._topic.topic_id})
        first = [TopicPartition(RAW, p.partition, 0, metadata) for p in found if p.is_first]
        if first:
            self._consumer.commit(offsets=first, asynchronous=False)
        self._next = {p.partition: p.offset for p in found}
        self._consumer.assign([TopicPartition(RAW, p, offset) for p, offset in self._next.items()])
        self._given = None
        _LOG.info("%s: reading from %s", RAW, self._next)

    def _records(self) -> Records:
        letters = LetterWriter("enricher", self._settings.privacy.dead_letter_key)
        return Records(self._registry, self._enrichment, letters)

    def _described(self) -> positions.Topic:
        raw, latest = positions.describe(self._admin, RAW), positions.describe(self._admin, LATEST)
        if raw.partitions != latest.partitions:
            raise ServiceError(
                f"{RAW} has {raw.partitions} partitions and {LATEST} has {latest.partitions}; an event keeps its "
                "partition number, so both need the same: run `media-analytics contracts apply`"
            )
        return raw

    def _state(self) -> str:
        return f"{len(self._next)} partitions" if self._next else "waiting for partitions of the group"

    def _until_answered(self, action: Callable[[], _T]) -> _T:
        """Repeat while the registry or Kafka does not answer; nothing is lost or dead-lettered meanwhile."""
        while True:
            try:
                return action()
            except (RegistryUnreachableError, UnregisteredSchemaError) as error:
                reason = str(error)
            except KafkaException as error:
                clients.raise_hopeless(GROUP, error.args[0])
                reason = error.args[0].str()
            self._errors.check()
            _LOG.warning("waiting: %s", reason)
            self._health.report("waiting", reason)
            self._stop.wait(_RETRY_SECONDS)


def _input(message: Message) -> Input:
    kind, milliseconds = message.timestamp()
    if kind != TIMESTAMP_LOG_APPEND_TIME:
        raise ServiceError(
            f"{message.topic()} does not use log-append time, so its records have no arrival clock; set "
            "message.timestamp.type=LogAppendTime: run `media-analytics contracts apply`"
        )
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise ServiceError(f"a message of {RAW} without partition or offset")
    at = Coordinates(RAW, partition, offset, milliseconds * 1000)
    return Input(at, message.key(), message.value())
