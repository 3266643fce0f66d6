"""Sends letters and waits until Kafka has them.

Belongs here: the producer, repeating what was refused, giving up when that is wanted. Does not belong here: the record
of a letter (`letters.py`), what becomes one (each consumer says), letters inside a transaction (the enricher) or among
events (the collector). Used by everything that reads a topic and has no transaction: sink, Spark stream, micro-batches.
"""

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from media_analytics.errors import ServiceError
from media_analytics.settings import Kafka
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters.letters import TOPIC
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StoppedError, StopSignal

_FLUSH_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class _Letter(NamedTuple):
    key: str
    value: bytes


class LetterSender:
    """Sends letters to `dead_letters`. Connects with the first letter.

    A letter that is sent again has the same id, so readers count letters once per id.
    """

    def __init__(
        self,
        kafka: Kafka,
        registry: RegistryClient,
        errors: Errors,
        stop: StopSignal,
        most_seconds: float | None = None,
    ) -> None:
        """Without `most_seconds` it tries until it is asked to stop."""
        self._kafka = kafka
        self._registry = registry
        self._errors = errors
        self._stop = stop
        self._most_seconds = most_seconds
        self._codec = Codec.from_file(TOPIC)
        self._producer: Producer | None = None

    def send(self, letters: Sequence[dict[str, Any]]) -> None:
        """Send each record of `LetterWriter`; returns when all are acknowledged.

        Raises:
            StoppedError: asked to stop before that.
            ServiceError: `most_seconds` are over, or Kafka refuses this process. Some letters may be there.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        if not letters:
            return
        head = header(self._registry.id_for(f"{TOPIC}-value", self._codec.schema))
        waiting = [_Letter(record["source"], head + self._codec.encode(record)) for record in letters]
        deadline = None if self._most_seconds is None else time.monotonic() + self._most_seconds
        while waiting:
            refused: list[tuple[_Letter, KafkaError]] = []
            producer = self._connected()
            for letter in waiting:
                self._produce(producer, letter, refused, deadline)
            while producer.flush(_FLUSH_SECONDS):
                self._check(deadline, len(producer))
            if not refused:
                return
            _LOG.warning("%d letters were refused: %s; sending again", len(refused), refused[0][1].str())
            # A producer that was refused may be of no use any more.
            self._producer = None
            self._check(deadline, len(refused))
            self._stop.wait(_FLUSH_SECONDS)
            waiting = [letter for letter, _ in refused]

    def _produce(
        self,
        producer: Producer,
        letter: _Letter,
        refused: list[tuple[_Letter, KafkaError]],
        deadline: float | None,
    ) -> None:
        answer = partial(_delivered, letter, refused)
        while True:
            try:
                producer.produce(TOPIC, letter.value, letter.key, 0, on_delivery=answer)
                return
            except BufferError:
                producer.poll(0.1)
                self._check(deadline, len(producer))

    def _check(self, deadline: float | None, count: int) -> None:
        self._errors.check()
        if self._stop.is_set():
            raise StoppedError
        if deadline is not None and time.monotonic() > deadline:
            raise ServiceError(
                f"{count} dead letters were not acknowledged by Kafka {self._kafka.bootstrap_servers} within "
                f"{self._most_seconds:g} s; see `media-analytics status`"
            )

    def _connected(self) -> Producer:
        if self._producer is None:
            config: dict[str, Any] = {
                **self._kafka.client_config(),
                "enable.idempotence": True,
                "compression.type": "lz4",
                # Until acknowledged, however long that takes.
                "message.timeout.ms": 0,
                "error_cb": self._errors.callback,
            }
            self._producer = Producer(config)
        return self._producer


def _delivered(
    letter: _Letter, refused: list[tuple[_Letter, KafkaError]], error: KafkaError | None, _: Message
) -> None:
    if error is not None:
        refused.append((letter, error))
