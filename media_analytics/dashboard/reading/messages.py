"""Messages of a topic, decoded and without what says something about a person.

Belongs here: reading a few messages at an offset, decoding by the schema each was written with, redaction by the
contract. Does not belong here: the original bytes of dead letters.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from confluent_kafka import Message

from media_analytics.contracts.model import Column, TopicContract
from media_analytics.dashboard.answers import MessageNow
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.kafka import KafkaLog, appended_at
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.framing import unframe
from streaming.codecs.instants import instant
from streaming.codecs.registry import RegistryClient

# The contract calls none of these personal, but they repeat what a refused input said.
_QUOTING = {"dead_letters": frozenset({"event_id", "field", "message", "source"})}


class Messages:
    """Reads messages. Decoders and schemas are kept."""

    def __init__(self, settings: Settings, kafka: KafkaLog) -> None:
        """Ask nothing yet."""
        self._kafka = kafka
        self._registry = RegistryClient(settings.registry.url)
        self._codecs: dict[str, Codec] = {}

    def read(self, topic: TopicContract, partition: int, first: int, end: int) -> list[MessageNow]:
        """The messages of `[first, end)` of a partition, the newest first. Marks of transactions are no messages.

        Raises:
            ServiceError: Kafka does not answer, or refuses the topic to the dashboard.
        """
        found = self._kafka.messages(topic.name, {partition: first}, {partition: end})
        return [self._decoded(topic, message) for message in found][::-1]

    def _decoded(self, topic: TopicContract, message: Message) -> MessageNow:
        raw = message.value() or b""
        schema_id, value, problem = None, None, None
        codec = self._codecs.get(topic.name) or self._codecs.setdefault(
            topic.name, Codec.from_file(topic.name)
        )
        try:
            schema_id, datum = unframe(raw)
            record = codec.decode_as(datum, schema_id, self._registry.schema_by_id(schema_id))
            value = redacted(topic, record)
        except MediaAnalyticsError as error:
            problem = str(error)
        return MessageNow(
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            appended_at=appended_at(message),
            key=_key(topic, message.key()),
            schema_id=schema_id,
            bytes=len(raw),
            value=value,
            problem=problem,
        )


def redacted(topic: TopicContract, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it may be shown: a field with a class of personal data shows that class, others their value.

    Instants become ISO 8601. A field that the contract does not know is not shown: nobody said what it holds.
    """
    columns = {column.name: column for column in topic.columns}
    shown = {name: _shown(columns.get(name), value) for name, value in record.items()}
    quoting = {name for name in _QUOTING.get(topic.name, ()) if shown.get(name) is not None}
    return shown | dict.fromkeys(sorted(quoting), "[redacted: repeats its input]")


def _shown(column: Column | None, value: Any) -> Any:
    if value is None:
        return None
    if column is None:
        return "[redacted: not in the contract]"
    if column.personal_data is not None:
        # An empty list or map says nothing of anybody.
        return value if value in ({}, []) else f"[redacted: {column.personal_data}]"
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if str(column.arrow_type).startswith("timestamp"):
        return instant(value).isoformat() if isinstance(value, int) else _text(value)
    return value


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _key(topic: TopicContract, key: str | bytes | None) -> str | None:
    if key is None:
        return None
    column = next((c for c in topic.columns if c.name == topic.key), None)
    if column is None or column.personal_data is not None:
        return f"[redacted: {column.personal_data if column else 'not in the contract'}]"
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key
