"""The Avro codec of a topic, generated from its schema file.

Belongs here: `Codec`, which every streaming process uses to write and read datums. Does not belong here:
the generator (`generate.py`), framing, the registry. Instants are integers: microseconds since 1970-01-01
UTC, both ways. Schema files are generated from the contracts; contracts themselves are never loaded here.
"""

import json
from collections.abc import Iterable
from functools import cached_property
from importlib import resources
from struct import error as StructError
from typing import Any

from media_analytics.errors import MediaAnalyticsError
from streaming.codecs.generate import (
    DatumError,
    Decoder,
    Encoder,
    Schema,
    UnsupportedSchemaError,
    decoder,
    encoder,
)

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "bytes": (bytes,),
    "int": (int,),
    "long": (int,),
    "double": (float, int),
    "float": (float, int),
    "boolean": (bool,),
    "array": (list, tuple),
    "map": (dict,),
}


class EncodeError(MediaAnalyticsError):
    """A record does not fit the schema. `field` names the first field that does not."""

    def __init__(self, schema: str, field: str, message: str) -> None:
        super().__init__(f"{schema}.{field}: {message}")
        self.field = field


class DecodeError(MediaAnalyticsError):
    """Bytes are not a datum of the schema."""


class Codec:
    """Encoder and decoders of one record schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.name = str(schema["name"])
        self._encode = encoder(schema)
        self._readers: dict[int, Decoder] = {}

    @classmethod
    def from_file(cls, topic: str) -> "Codec":
        """The codec of `streaming/codecs/schemas/<topic>.avsc`."""
        text = resources.files("streaming.codecs").joinpath("schemas", f"{topic}.avsc").read_text("utf-8")
        return cls(json.loads(text))

    @cached_property
    def encode_struct(self) -> Encoder:
        """Like `encode`, reading attributes instead of keys, without naming the field of an error."""
        return encoder(self.schema, attributes=True)

    @cached_property
    def _decode(self) -> Decoder:
        return decoder(self.schema)

    def encode(self, record: dict[str, Any]) -> bytes:
        """The datum of a record, without framing.

        Raises:
            EncodeError: a field is missing or has a value of another type.
        """
        try:
            return self._encode(record)
        except (AttributeError, KeyError, TypeError, ValueError, StructError) as error:
            raise self._explained(record, error) from error

    def decode(self, data: bytes) -> dict[str, Any]:
        """The record of a datum written with this codec's own schema.

        Raises:
            DecodeError: the bytes are not such a datum.
        """
        return self._run(self._decode, data)

    def decode_as(self, data: bytes, schema_id: int, writer: Schema) -> dict[str, Any]:
        """The record of a datum written with another version of the schema; decoders are kept by id.

        Raises:
            DecodeError: the bytes are not such a datum, or the versions do not fit.
        """
        reader = self._readers.get(schema_id)
        if reader is None:
            try:
                reader = decoder(writer, self.schema)
            except (UnsupportedSchemaError, KeyError, TypeError) as error:
                raise DecodeError(f"schema {schema_id} cannot be read as {self.name}: {error}") from error
            self._readers[schema_id] = reader
        return self._run(reader, data)

    def _run(self, reader: Decoder, data: bytes) -> dict[str, Any]:
        try:
            return reader(data)
        except IndexError as error:
            raise DecodeError(f"{self.name}: the datum of {len(data)} bytes ends early") from error
        # StructError: a floating point number is cut off.
        except (DatumError, UnicodeDecodeError, StructError) as error:
            raise DecodeError(f"{self.name}: {error}") from error

    def _explained(self, record: dict[str, Any], error: Exception) -> EncodeError:
        for field in self.schema["fields"]:
            name = field["name"]
            if name not in record:
                if "default" not in field:
                    return EncodeError(self.name, name, "is missing")
                continue
            problem = _mismatch(field["type"], record[name])
            if problem:
                return EncodeError(self.name, name, problem)
        return EncodeError(self.name, "?", str(error))


def _mismatch(schema: Any, value: Any) -> str | None:
    """Why a value does not fit a type, or None if it does."""
    if isinstance(schema, list):
        other = next(s for s in schema if s != "null")
        return None if value is None else _mismatch(other, value)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if not isinstance(value, _PYTHON_TYPES[kind]):
        return f"{type(value).__name__} given, {kind} expected"
    if isinstance(value, list | tuple):
        return _first_mismatch(schema["items"], value)
    if isinstance(value, dict):
        return _first_mismatch("string", value) or _first_mismatch(schema["values"], value.values())
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "text that is not valid Unicode"
    return None


def _first_mismatch(schema: Any, values: Iterable[Any]) -> str | None:
    return next((problem for value in values if (problem := _mismatch(schema, value))), None)
