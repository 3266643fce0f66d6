"""Bytes of `user.raw` in, bytes of `user.latest` or a dead letter out.

Belongs here: decoding with the writer's schema, enriching, encoding, and which failure is a letter with which
reason. Does not belong here: Kafka. A registry that does not answer raises: nothing is a letter because a service
is away.
"""

import logging
from typing import Any, NamedTuple

from streaming.codecs.avro import Codec, DecodeError, EncodeError
from streaming.codecs.framing import FramingError, header, unframe
from streaming.codecs.registry import RegistryClient, UnknownSchemaError
from streaming.dead_letters import redaction
from streaming.dead_letters.letters import TOPIC as LETTERS
from streaming.dead_letters.letters import LetterWriter
from streaming.enricher.enrichment import Coordinates, Enrichment, has_analytics
from streaming.enricher.validation import RuleError

RAW = "user.raw"
LATEST = "user.latest"
_LOG = logging.getLogger(__name__)


class Input(NamedTuple):
    """One message: where it stands, its key and value."""

    at: Coordinates
    key: bytes | None
    value: bytes | None


class Decoded(NamedTuple):
    """A message with its record, or with its letter when it has none."""

    message: Input
    record: dict[str, Any] | None
    letter: dict[str, Any] | None


class Output(NamedTuple):
    """One message to produce."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


class Records:
    """Decodes, enriches and encodes. Schemas are the newest registered ones that have all fields of this release.

    So an optional field that was added to both topics flows through a running enricher, while old producers go on.
    """

    def __init__(self, registry: RegistryClient, enrichment: Enrichment, letters: LetterWriter) -> None:
        self._registry = registry
        self._enrichment = enrichment
        self._letters = letters
        self._raw, self._raw_id = self._newest(RAW)
        self._latest, latest_id = self._newest(LATEST)
        self._latest_header = header(latest_id)
        self._letter_codec = Codec.from_file(LETTERS)
        self._letter_header = header(registry.id_for(f"{LETTERS}-value", self._letter_codec.schema))
        self._seen = {self._raw_id}

    def decode(self, message: Input) -> Decoded:
        """The record of a message.

        Raises:
            RegistryUnreachableError: the writer's schema is not known yet and the registry does not answer.
        """
        value = message.value
        if value is None:
            return Decoded(message, None, self._letter(message, "undecodable", "the message has no value"))
        schema_id = None
        try:
            schema_id, data = unframe(value)
            if schema_id == self._raw_id:
                return Decoded(message, self._raw.decode(data), None)
            writer = self._registry.schema_by_id(schema_id)
            if schema_id not in self._seen:
                self._refresh(schema_id)
            return Decoded(message, self._raw.decode_as(data, schema_id, writer), None)
        except UnknownSchemaError as error:
            letter = self._letter(message, "unknown_schema", str(error), schema_id=schema_id)
        except (FramingError, DecodeError) as error:
            letter = self._letter(message, "undecodable", str(error), schema_id=schema_id)
        return Decoded(message, None, letter)

    def enrich(self, decoded: Decoded) -> Decoded:
        """The same with the enriched record, or with the letter of the rule it breaks."""
        message, record, _ = decoded
        if record is None:
            return decoded
        try:
            return Decoded(message, self._enrichment.enriched(record, message.at), None)
        except RuleError as error:
            letter = self._letter(
                message, error.reason, str(error), field=error.field, event_id=record["event_id"][:64]
            )
            return Decoded(message, None, letter)

    def encode(self, enriched: Decoded) -> Output:
        """What to produce: the enriched record in its own partition, or the letter."""
        message, record, letter = enriched
        if record is not None:
            try:
                value = self._latest_header + self._latest.encode(record)
            except EncodeError as error:
                letter = self._letter(message, "unencodable", str(error), field=error.field)
            else:
                key = message.key if has_analytics(record["consent"]) else None
                return Output(LATEST, message.at.partition, key, value)
        return Output(LETTERS, 0, RAW.encode(), self._letter_header + self._letter_codec.encode(letter or {}))

    def _newest(self, topic: str) -> tuple[Codec, int]:
        """The newest registered schema if it has every field of this release, else this release's own.

        Raises:
            UnregisteredSchemaError: this release's schema is not registered.
        """
        own = Codec.from_file(topic)
        own_id = self._registry.id_for(f"{topic}-value", own.schema)
        newest_id, newest = self._registry.latest(f"{topic}-value")
        names = {field["name"] for field in newest["fields"]}
        if newest_id != own_id and names >= {field["name"] for field in own.schema["fields"]}:
            _LOG.info("%s: schema id %d has fields that this release does not know", topic, newest_id)
            return Codec(newest), newest_id
        return own, own_id

    def _refresh(self, schema_id: int) -> None:
        """A writer uses another schema: look whether both topics have a newer one."""
        self._raw, self._raw_id = self._newest(RAW)
        self._latest, latest_id = self._newest(LATEST)
        self._latest_header = header(latest_id)
        self._seen |= {schema_id, self._raw_id}

    def _letter(self, message: Input, reason: str, text: str, **facts: Any) -> dict[str, Any]:
        at = message.at
        shape = redaction.message(text)
        _LOG.warning(
            "%s[%d] offset %d: dead letter, %s: %s", at.topic, at.partition, at.offset, reason, shape
        )
        return self._letters.record_letter(
            message.value or b"",
            topic=at.topic,
            partition=at.partition,
            offset=at.offset,
            appended_at_us=at.appended_at,
            reason=reason,
            message=text,
            **facts,
        )
