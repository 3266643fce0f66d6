"""Dead letters of a sink.

Belongs here: the letters of messages that the store cannot use. Does not belong here: which messages those are,
sending (`dead_letters/sender.py`). A letter's id follows from the message's place and the stage, so a letter that is
sent again after a crash is the same letter: readers count letters once per coordinate.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import Message

from media_analytics.settings import Settings
from streaming.codecs.avro import Codec, DecodeError
from streaming.codecs.framing import FramingError, unframe
from streaming.codecs.instants import instant
from streaming.codecs.registry import RegistryClient, UnknownSchemaError
from streaming.dead_letters import redaction
from streaming.dead_letters.letters import LetterWriter
from streaming.dead_letters.sender import LetterSender
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StopSignal
from streaming.sinks.routes import ROUTES

STAGE: Final = "realtime"
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
        self._sender = LetterSender(settings.kafka, registry, errors, stop)
        self._writer = LetterWriter(STAGE, settings.privacy.dead_letter_key)
        self._events = {route.topic: Codec.from_file(route.topic) for route in ROUTES}

    def send(self, broken: Sequence[Broken]) -> None:
        """Send one letter for each; returns when all are acknowledged.

        Raises:
            StoppedError: asked to stop before that; nothing of the flush is in the store then.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        self._sender.send([self._letter(one) for one in broken])

    def _letter(self, broken: Broken) -> dict[str, Any]:
        message, reason, text = broken
        topic, partition, offset = message.topic() or "", message.partition(), message.offset()
        value = message.value() or b""
        _, milliseconds = message.timestamp()
        shape = redaction.message(text)
        _LOG.warning("%s[%s] offset %s: dead letter, %s: %s", topic, partition, offset, reason, shape)
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
