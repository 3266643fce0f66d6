"""Values of a first topic, each with its coordinates, as one Avro file.

Belongs here: adding topic, partition, offset and log-append time to datums. Does not belong here: sending the file. An
Avro record is its fields one after the other, so the datum is not read: the coordinates are appended to its bytes, and
the file says the schema of the longer record. Only where one insert holds versions of a schema are the older datums
written again in the newest.
"""

import json
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Message

from streaming.codecs.avro import Codec
from streaming.codecs.framing import HEADER_BYTES
from streaming.codecs.generate import Schema, varint
from streaming.sinks.datums import Datums
from streaming.sinks.reading import place

_COORDINATES: list[dict[str, Any]] = [
    {"name": "source_topic", "type": "string"},
    {"name": "source_partition", "type": "int"},
    {"name": "source_offset", "type": "long"},
    {"name": "appended_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
]
_MAGIC = b"Obj\x01"
# Any 16 bytes: they only mark the end of the one block.
_SYNC = b"media-analytics."


class PlacedValues:
    """Makes the body of an insert from checked messages of one topic."""

    def __init__(self, topic: str, datums: Datums) -> None:
        self._topic = _text(topic)
        self._datums = datums
        self._heads: dict[bytes, bytes] = {}
        self._codecs: dict[bytes, Codec] = {}

    def __call__(self, messages: Sequence[Message]) -> list[bytes]:
        """The parts of the file; its rows are in the order of the messages."""
        values = [message.value() or b"" for message in messages]
        versions = {value[:HEADER_BYTES] for value in values}
        newest = max(versions)
        if len(versions) > 1:
            values = [self._newest(value, newest) for value in values]
        datums = b"".join(
            value[HEADER_BYTES:] + self._coordinates(message)
            for value, message in zip(values, messages, strict=True)
        )
        return [self._head(newest), varint(len(values)), varint(len(datums)), datums, _SYNC]

    def _coordinates(self, message: Message) -> bytes:
        partition, offset = place(message)
        _, milliseconds = message.timestamp()
        return self._topic + varint(partition) + varint(offset) + varint(milliseconds * 1000)

    def _head(self, version: bytes) -> bytes:
        if version not in self._heads:
            schema = self._datums.schema(version)
            longer = schema | {"fields": [*schema["fields"], *_COORDINATES]}
            entry = _text("avro.schema") + _text(json.dumps(longer))
            self._heads[version] = _MAGIC + varint(1) + entry + varint(0) + _SYNC
        return self._heads[version]

    def _newest(self, value: bytes, newest: bytes) -> bytes:
        version = value[:HEADER_BYTES]
        if version == newest:
            return value
        codec = self._codecs.get(newest) or self._codecs.setdefault(
            newest, Codec(self._datums.schema(newest))
        )
        writer: Schema = self._datums.schema(version)
        record = codec.decode_as(value[HEADER_BYTES:], int.from_bytes(version[1:], "big"), writer)
        return newest + codec.encode(record)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return varint(len(encoded)) + encoded
