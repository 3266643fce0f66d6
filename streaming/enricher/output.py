"""The enricher's transactional producer.

Belongs here: one open transaction, what is retried, what aborts it, what ends the process. Does not belong here:
what is produced. A transactional id belongs to one process: the newest one wins, an older one is refused by the
broker.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from media_analytics.settings import Kafka
from streaming.enricher.records import Output
from streaming.runtime.clients import Errors, raise_hopeless
from streaming.runtime.stop import StoppedError, StopSignal

_CALL_SECONDS = 10.0
# How long a process that was asked to stop still tries to finish its transaction.
_LAST_TRIES_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


class Transactions:
    """Produces to several topics in transactions of one transactional id."""

    def __init__(self, kafka: Kafka, transactional_id: str, errors: Errors, stop: StopSignal) -> None:
        self._id = transactional_id
        self._errors = errors
        self._stop = stop
        self.is_open = False
        self._producer = Producer(
            kafka.client_config()
            | {
                "client.id": transactional_id,
                "transactional.id": transactional_id,
                # Longer than a broker's restart; a new process with this id does not wait for it.
                "transaction.timeout.ms": 60_000,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.kbytes": 65536,
                "error_cb": errors.callback,
            }
        )

    def start(self) -> None:
        """Fence older processes with this id and end what they left open."""
        self._call(lambda: self._producer.init_transactions(_CALL_SECONDS))

    def begin(self) -> None:
        """Open a transaction if none is open."""
        if not self.is_open:
            self._call(self._producer.begin_transaction)
            self.is_open = True

    def produce(self, outputs: Sequence[Output]) -> None:
        """Queue messages; waits while the queue is full."""
        by_partition: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for output in outputs:
            # The partition goes with the batch: confluent-kafka 2.16.1 ignores one given with a message.
            by_partition[(output.topic, output.partition)].append({"key": output.key, "value": output.value})
        for (topic, partition), messages in by_partition.items():
            pending = messages
            while pending:
                self._call(partial(self._producer.produce_batch, topic, pending, partition))
                pending = [_without_error(m) for m in pending if _is_queue_full(m)]
                self._producer.poll(0.05 if pending else 0)
                self._errors.check()
                if pending and self._stop.is_set():
                    raise StoppedError

    def commit(self, offsets: list[TopicPartition], group: Any, between: Callable[[], None]) -> bool:
        """Send the offsets and commit. False: the transaction was aborted, everything in it has to be done again.

        Raises:
            FencedError: the broker knows a newer producer under this id, or ended its transaction for good.
        """
        try:
            self._call(lambda: self._producer.send_offsets_to_transaction(offsets, group, _CALL_SECONDS))
            between()
            self._call(lambda: self._producer.commit_transaction(_CALL_SECONDS))
        except KafkaException as error:
            _LOG.warning("transaction refused: %s", error.args[0].str())
            self.abort()
            return False
        self.is_open = False
        return True

    def abort(self) -> None:
        """Take back what the open transaction holds, if one is open."""
        if self.is_open:
            self._call(lambda: self._producer.abort_transaction(_CALL_SECONDS))
            self.is_open = False

    def _call(self, action: Callable[[], Any]) -> None:
        """Retry what the client calls retriable; what no retry heals gets its own error, the rest is raised."""
        asked_to_stop_at: float | None = None
        while True:
            try:
                action()
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                raise_hopeless(self._id, error)
                if not error.retriable() or error.txn_requires_abort():
                    raise
                _LOG.warning("kafka: %s; trying again", error.str())
                self._errors.check()
                if self._stop.is_set():
                    asked_to_stop_at = asked_to_stop_at or time.monotonic()
                    if time.monotonic() - asked_to_stop_at > _LAST_TRIES_SECONDS:
                        raise StoppedError from raised
                time.sleep(0.1)
            else:
                return


def _is_queue_full(message: dict[str, Any]) -> bool:
    error = message.get("_error")
    if error is None:
        return False
    if error.code() == KafkaError._QUEUE_FULL:
        return True
    raise KafkaException(error)


def _without_error(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "_error"}
