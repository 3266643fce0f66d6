"""Dead letters of a sink.

Belongs here: building and sending letters for messages that the store cannot use, acknowledged before the sink goes
on. Does not belong here: which messages those are. A letter's id follows from the message's place and the stage, so
a letter that is sent again after a crash is the same letter: readers count letters once per coordinate.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from media_analytics.settings import Settings
from streaming.codecs.avro import Codec, DecodeError
from streaming.codecs.framing import FramingError, header, unframe
from streaming.codecs.instants import instant
from streaming.codecs.registry import RegistryClient, UnknownSchemaError
from streaming.dead_letters.letters import TOPIC, LetterWriter
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StoppedError, StopSignal
from streaming.sinks.routes import ROUTES

STAGE: Final = "realtime"
_FLUSH_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Broken(NamedTuple):
    """A message without a row, and why."""

    message: Message
    reason: str
    text: str


class LetterBox:
    """Sends letters and waits for their acknowledgement."""

    def __init__(
        self, settings: Settings, registry: RegistryClient, errors: Errors, stop: StopSignal
    ) -> None:
        self._registry = registry
        self._errors = errors
        self._stop = stop
        self._writer = LetterWriter(STAGE, settings.privacy.dead_letter_key)
        self._codec = Codec.from_file(TOPIC)
        self._events = {route.topic: Codec.from_file(route.topic) for route in ROUTES}
        config: dict[str, Any] = {
            **settings.kafka.client_config(),
            "enable.idempotence": True,
            "compression.type": "lz4",
            # Until acknowledged, however long that takes.
            "message.timeout.ms": 0,
            "error_cb": errors.callback,
        }
        self._producer = Producer(config)

    def send(self, broken: Sequence[Broken]) -> None:
        """Send one letter for each; returns when all are acknowledged.

        Raises:
            StoppedError: asked to stop before that; nothing of the flush is in the store then.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        if not broken:
            return
        head = header(self._registry.id_for(f"{TOPIC}-value", self._codec.schema))
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)

        for one in broken:
            letter = self._letter(one)
            self._producer.produce(TOPIC, head + self._codec.encode(letter), letter["source"], 0, delivered)
        while self._producer.flush(_FLUSH_SECONDS):
            self._errors.check()
            if self._stop.is_set():
                raise StoppedError
        if failures:
            # Sent again with the same ids, together with those that arrived.
            _LOG.warning("%d letters were refused: %s; sending again", len(failures), failures[0].str())
            self._stop.wait(_FLUSH_SECONDS)
            self.send(broken)

    def _letter(self, broken: Broken) -> dict[str, Any]:
        message, reason, text = broken
        topic, partition, offset = message.topic() or "", message.partition(), message.offset()
        value = message.value() or b""
        _, milliseconds = message.timestamp()
        _LOG.warning("%s[%s] offset %s: dead letter, %s: %s", topic, partition, offset, reason, text)
        event, schema_id = self._decoded(topic, value)
        letter = self._writer.letter(
            value,
            source=topic,
            place=f"{partition}|{offset}|{STAGE}",
            reason=reason,
            message=text,
            received_at=instant(milliseconds * 1000),
            event_id=event.get("event_id"),
            schema_id=schema_id,
        )
        # The first topic's coordinates where the message still says them, else its own.
        letter["source_topic"] = event.get("source_topic", topic)
        letter["source_partition"] = event.get("source_partition", partition)
        letter["source_offset"] = event.get("source_offset", offset)
        letter["source_appended_at"] = event.get("appended_at", milliseconds * 1000)
        return letter

    def _decoded(self, topic: str, value: bytes) -> tuple[dict[str, Any], int | None]:
        schema_id = None
        try:
            schema_id, data = unframe(value)
            writer = self._registry.schema_by_id(schema_id)
            return self._events[topic].decode_as(data, schema_id, writer), schema_id
        except (FramingError, DecodeError, UnknownSchemaError):
            return {}, schema_id
