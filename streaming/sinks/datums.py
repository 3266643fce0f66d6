"""Is a message whole: framing, known schema, a datum that fills its bytes exactly.

Belongs here: the check before an insert. ClickHouse reads the values of a batch one after the other without any
frame, so a datum that is too short would swallow the begin of its neighbour. The check walks lengths only and
builds nothing (about 9 µs for the 54 fields of `user.latest`). Does not belong here: values that are whole and that
the store refuses.
"""

import types
from collections.abc import Callable
from typing import Any

from streaming.codecs.framing import HEADER_BYTES, FramingError, unframe
from streaming.codecs.generate import (
    DatumError,
    Schema,
    UnsupportedSchemaError,
    read_block,
    read_length,
    read_long,
)
from streaming.codecs.registry import RegistryClient, UnknownSchemaError

# Place after the datum that begins at a place.
Walker = Callable[[bytes, int], int]


class BrokenDatumError(ValueError):
    """A message cannot be read. `reason` is the letter's code."""

    def __init__(self, reason: str, message: str, schema_id: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.schema_id = schema_id


class Datums:
    """Checks messages; one walker per schema id."""

    def __init__(self, registry: RegistryClient, name: str) -> None:
        self._registry = registry
        self._name = name
        self._walkers: dict[bytes, Walker] = {}
        self._schemas: dict[bytes, Schema] = {}

    def check(self, value: bytes | None) -> None:
        """Return when the message is whole.

        Raises:
            BrokenDatumError: it is not.
            RegistryUnreachableError: its schema is not known yet and the registry does not answer.
        """
        if value is None:
            raise BrokenDatumError("undecodable", "the message has no value")
        walker = self._walkers.get(value[:HEADER_BYTES]) or self._walker(value)
        try:
            end = walker(value, HEADER_BYTES)
        except (DatumError, IndexError) as error:
            raise BrokenDatumError("undecodable", f"{type(error).__name__}: {error}", _id(value)) from error
        if end != len(value):
            raise BrokenDatumError(
                "undecodable", f"{len(value)} bytes; the datum ends at byte {end}", _id(value)
            )

    def schema(self, framing: bytes) -> Schema:
        """The writer's schema of a framing that `check` has seen."""
        return self._schemas[framing]

    @property
    def schema_count(self) -> int:
        """How many schemas were seen: more than before means that columns may have been added."""
        return len(self._walkers)

    def _walker(self, value: bytes) -> Walker:
        try:
            schema_id, _ = unframe(value)
        except FramingError as error:
            raise BrokenDatumError("undecodable", str(error)) from error
        try:
            schema = self._registry.schema_by_id(schema_id)
            if schema["name"] != self._name:
                raise BrokenDatumError("undecodable", f"a {schema['name']}, not a {self._name}", schema_id)
            made = walker(schema)
        except UnknownSchemaError as error:
            raise BrokenDatumError("unknown_schema", str(error), schema_id) from error
        except UnsupportedSchemaError as error:
            raise BrokenDatumError("undecodable", str(error), schema_id) from error
        self._walkers[value[:HEADER_BYTES]] = made
        self._schemas[value[:HEADER_BYTES]] = schema
        return made


def walker(schema: Schema) -> Walker:
    """A function that steps over one datum of a record schema, generated like the decoder."""
    lines = ["def walk(data, p):"]
    for field in schema["fields"]:
        lines += _step(field["type"], 1)
    lines += [" if p > len(data): raise DatumError('the datum ends early')", " return p"]
    names = {
        "DatumError": DatumError,
        "read_long": read_long,
        "read_length": read_length,
        "read_block": read_block,
    }
    module = compile("\n".join(lines), "<avro walk>", "exec")
    code = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    function: Walker = types.FunctionType(code, {"__builtins__": __builtins__, **names}, "walk")
    return function


def _step(schema: Any, depth: int) -> list[str]:
    """Lines that move `p` behind one value."""
    pad = " " * depth
    if isinstance(schema, list):
        if len(schema) != 2 or "null" not in schema:
            raise UnsupportedSchemaError(f"union {schema}; only null and one other type are supported")
        null = schema.index("null")
        return [
            f"{pad}b = data[p]",
            f"{pad}p += 1",
            f"{pad}if b == {2 - 2 * null}:",
            *_step(schema[1 - null], depth + 1),
            f"{pad}elif b != {2 * null}: raise DatumError(f'branch {{b}} of a union of two at byte {{p - 1}}')",
        ]
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind in ("string", "bytes"):
        return [
            f"{pad}n = data[p]",
            f"{pad}if n & 0x81:",
            f"{pad} n, p = read_length(data, p)",
            f"{pad} p += n",
            f"{pad}else: p += 1 + (n >> 1)",
        ]
    if kind in ("int", "long"):
        return [
            f"{pad}if data[p] < 0x80: p += 1",
            f"{pad}else: _, p = read_long(data, p)",
        ]
    if kind in ("double", "float", "boolean"):
        return [f"{pad}p += {({'double': 8, 'float': 4, 'boolean': 1})[kind]}"]
    if kind in ("array", "map"):
        count = f"c{depth}"
        keys = _step("string", depth + 2) if kind == "map" else []
        return [
            f"{pad}if data[p] == 0: p += 1",
            f"{pad}else:",
            f"{pad} {count}, p = read_block(data, p)",
            f"{pad} while {count}:",
            f"{pad}  for _ in range({count}):",
            *[
                f" {line}"
                for line in (*keys, *_step(schema["items" if kind == "array" else "values"], depth + 2))
            ],
            f"{pad}  {count}, p = read_block(data, p)",
        ]
    raise UnsupportedSchemaError(f"type {schema}")


def _id(value: bytes) -> int:
    return int.from_bytes(value[1:HEADER_BYTES], "big")
