"""Records of topics that became letters, made ready for the first topic of their family.

Belongs here: from a letter's bytes to a record of the first topic, the rules that record has to keep there. Does not
belong here: inputs of the collector (`streaming/collector/again.py`), sending. A letter of an enriched record goes back
to the first topic as well: only a new coordinate there is found again in every store.

The rules are those of the process that would refuse it: the enricher's own code for `user.raw`, the micro-batches' for
the other families.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from media_analytics.assets.bronze import (
    compliance_events,
    content_events,
    interactions,
    security_events,
    session_events,
)
from media_analytics.micro_batches.judge import Judge
from media_analytics.micro_batches.records import Record
from media_analytics.micro_batches.rows import Decoder
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec, DecodeError, EncodeError
from streaming.codecs.families import families
from streaming.codecs.framing import FramingError, header, unframe
from streaming.codecs.instants import instant, microseconds
from streaming.codecs.registry import RegistryClient, UnknownSchemaError
from streaming.collector.answers import Rejection
from streaming.dead_letters.letters import TOPIC as LETTERS
from streaming.dead_letters.letters import LetterWriter
from streaming.enricher import tables
from streaming.enricher.enrichment import Coordinates
from streaming.enricher.records import LATEST, RAW, Input, Records

Repair = Callable[[dict[str, Any]], dict[str, Any]]
# The visitor of a record whose consent took it; the enricher takes this one, too.
NOBODY = f"h:{'0' * 32}"
_BATCHED = {
    module.TABLE.topic.name: module.TABLE
    for module in (content_events, session_events, security_events, compliance_events, interactions)
}
_FIRST = {family.topic: family for family in families().values()}
# A patch cannot change what the event is and when it came.
_KEPT = ("event_id", "received_at")


class RecordJudge:
    """Judges records as the next process on their way would. `close` ends its files."""

    def __init__(self, settings: Settings, registry: RegistryClient) -> None:
        """Keep the settings; load rules with the first record that needs them."""
        self._settings = settings
        self._registry = registry
        self._stack = ExitStack()
        self._codecs = {topic: Codec.from_file(topic) for topic in (*_FIRST, LATEST)}

    def close(self) -> None:
        """Close the enricher's databases."""
        self._stack.close()

    def fields(self, topic: str, value: bytes) -> dict[str, Any]:
        """The record of the first topic that a message of `topic` stands for, instants as ISO 8601 texts.

        Raises:
            Rejection: it cannot be decoded, or no family has this topic.
            RegistryUnreachableError: its schema is not known and the registry does not answer.
        """
        if topic not in self._codecs:
            raise Rejection("unknown_topic", None, f"{topic} holds no events")
        try:
            schema_id, datum = unframe(value)
            writer = self._registry.schema_by_id(schema_id)
            record = self._codecs[topic].decode_as(datum, schema_id, writer)
        except UnknownSchemaError as error:
            raise Rejection("unknown_schema", None, str(error), "shape") from error
        except (FramingError, DecodeError) as error:
            raise Rejection("undecodable", None, str(error), "shape") from error
        return self._as_texts(_of_raw(record) if topic == LATEST else record, first_topic(topic))

    def message(self, topic: str, value: bytes, repair: Repair) -> tuple[str, str, bytes | None, bytes]:
        """First topic, event id, key and message of a repaired record.

        Raises:
            Rejection: it cannot be decoded, or the repaired record breaks a rule.
            RegistryUnreachableError: as in `fields`.
        """
        before = self.fields(topic, value)
        after = {**repair(before), **{name: before[name] for name in _KEPT}}
        first = first_topic(topic)
        codec = self._codecs[first]
        try:
            record = self._as_instants(after, first)
            data = header(self._registry.id_for(f"{first}-value", codec.schema)) + codec.encode(record)
        except EncodeError as error:
            raise Rejection("wrong_type", error.field, str(error), "shape") from error
        if unknown := sorted(set(after) - {field["name"] for field in codec.schema["fields"]}):
            raise Rejection("unknown_field", unknown[0], f"{first} has no field {unknown[0]}", "shape")
        key = record[_FIRST[first].key]
        message = None if key is None else str(key).encode()
        if first == RAW:
            self._enriched(message, data)
        else:
            self._batched(first, data)
        return first, record["event_id"], message, data

    def _enriched(self, key: bytes | None, data: bytes) -> None:
        """Raise what the enricher would refuse."""
        at = Coordinates(RAW, 0, 0, microseconds(datetime.now(UTC)))
        enriched = self._enricher.enrich(self._enricher.decode(Input(at, key, data)))
        if enriched.letter is not None:
            letter = enriched.letter
            raise Rejection(letter["reason"], letter["field"], letter["message"])
        if self._enricher.encode(enriched).topic == LETTERS:
            raise Rejection("unencodable", None, "the enriched record does not fit its schema")

    def _batched(self, topic: str, data: bytes) -> None:
        """Raise what a micro-batch would refuse."""
        now = datetime.now(UTC)
        table = _BATCHED[topic]
        decoded = Decoder(table, self._registry).decode([Record(0, 0, microseconds(now), data)])
        judged = Judge(table.contract).judge(decoded, lambda: decoded, "replay", now)
        for refused in (*judged.rejected, *judged.poison):
            raise Rejection(refused.reason, refused.field, refused.message)

    @cached_property
    def _enricher(self) -> Records:
        enrichment = tables.load(self._settings, self._stack)
        letters = LetterWriter("enricher", self._settings.privacy.dead_letter_key)
        return Records(self._registry, enrichment, letters)

    def _instants(self, topic: str) -> list[str]:
        return [
            field["name"]
            for field in self._codecs[topic].schema["fields"]
            if "timestamp-micros" in str(field)
        ]

    def _as_texts(self, record: Mapping[str, Any], topic: str) -> dict[str, Any]:
        texts = {
            name: instant(record[name]).isoformat()
            for name in self._instants(topic)
            if record[name] is not None
        }
        return {**record, **texts}

    def _as_instants(self, fields: Mapping[str, Any], topic: str) -> dict[str, Any]:
        found = dict(fields)
        for name in self._instants(topic):
            text = found.get(name)
            if isinstance(text, str):
                try:
                    moment = datetime.fromisoformat(text)
                    found[name] = microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
                except ValueError:
                    raise Rejection(
                        "wrong_type", name, f"{name} is no instant in ISO 8601", "shape"
                    ) from None
        return found


def first_topic(topic: str) -> str:
    """The first topic of the family whose records `topic` holds."""
    return RAW if topic == LATEST else topic


def _of_raw(latest: Mapping[str, Any]) -> dict[str, Any]:
    """The collected record that an enriched one was made from: the client's own time, the address as it was cut."""
    names = [field["name"] for field in Codec.from_file(RAW).schema["fields"]]
    raw = {name: latest[name] for name in names}
    raw["occurred_at"] = latest["client_occurred_at"] or latest["occurred_at"]
    raw["visitor_id"] = latest["visitor_id"] or NOBODY
    return raw
