"""Source code of an Avro encoder and decoder for one record schema.

Belongs here: turning a parsed schema into Python functions that do only what this schema needs (an encoder
is about three times as fast as a general one). Does not belong here: reading schema files or the registry.
Supported: records of primitive types, `["null", T]` unions, arrays and maps; logical types travel as their
integer.
"""

import types
from collections.abc import Callable
from struct import Struct
from typing import Any

Schema = dict[str, Any]
Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes], dict[str, Any]]

_DOUBLE = Struct("<d")
_FLOAT = Struct("<f")
_ONE_BYTE = [bytes((value,)) for value in range(0x80)]
_EIGHT_BYTES_FROM, _NINE_BYTES_FROM = 1 << 49, 1 << 56
_INTEGERS = ("int", "long")


class UnsupportedSchemaError(ValueError):
    """The schema uses a type the generator does not know."""


class DatumError(ValueError):
    """The bytes are not a datum of the schema."""


def varint(value: int) -> bytes:
    """Zigzag variable-length encoding of a signed 64-bit integer."""
    value = (value << 1) ^ (value >> 63)
    if value < 0x80:
        return _ONE_BYTE[value]
    if _EIGHT_BYTES_FROM <= value < _NINE_BYTES_FROM:
        # An instant of these centuries in microseconds: without a loop.
        return bytes(
            (
                value & 0x7F | 0x80,
                value >> 7 & 0x7F | 0x80,
                value >> 14 & 0x7F | 0x80,
                value >> 21 & 0x7F | 0x80,
                value >> 28 & 0x7F | 0x80,
                value >> 35 & 0x7F | 0x80,
                value >> 42 & 0x7F | 0x80,
                value >> 49,
            )
        )
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# What the lines of `write_lines` call.
WRITERS: dict[str, Any] = {"varint": varint, "double": _DOUBLE.pack, "float": _FLOAT.pack}


def read_long(data: bytes, place: int) -> tuple[int, int]:
    """Value of the varint at `place`, and the place after it."""
    shift = value = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), place
        shift += 7
        if shift > 63:
            raise DatumError(f"integer longer than 10 bytes at byte {place}")


def read_length(data: bytes, place: int) -> tuple[int, int]:
    """A length: a varint that is not negative and not past the end of the data."""
    length, place = read_long(data, place)
    if not 0 <= length <= len(data) - place:
        raise DatumError(f"length {length} at byte {place}, {len(data) - place} bytes are left")
    return length, place


def read_block(data: bytes, place: int) -> tuple[int, int]:
    """Items of the next block of an array or map; a negative count is followed by its bytes."""
    count, place = read_long(data, place)
    if count < 0:
        _, place = read_long(data, place)
        count = -count
    if count > len(data) - place:
        raise DatumError(f"block of {count} items at byte {place}, {len(data) - place} bytes are left")
    return count, place


def encoder(schema: Schema, *, attributes: bool = False) -> Encoder:
    """A function from a record (mapping, or object when `attributes`) to its datum.

    A field with a default may be missing from a mapping. Wrong types raise what Python raises: callers that
    need the field's name ask `streaming.codecs.avro.Codec.encode`.
    """
    lines = ["def encode(record):", " out = bytearray()"]
    for field in schema["fields"]:
        name = field["name"]
        if attributes:
            lines.append(f" v = record.{name}")
        elif isinstance(field.get("default"), dict | list):
            lines.append(f" v = record.get({name!r}, ())")
        elif "default" in field:
            lines.append(f" v = record.get({name!r}, {field['default']!r})")
        else:
            lines.append(f" v = record[{name!r}]")
        lines += write_lines(field["type"], "v", 1)
    lines.append(" return bytes(out)")
    function: Encoder = _function("encode", lines, WRITERS)
    return function


def decoder(writer: Schema, reader: Schema | None = None) -> Decoder:
    """A function from a datum of `writer` to a dict with the fields of `reader` (default: the writer's own).

    Fields only the writer has are skipped; fields only the reader has take their default.
    """
    reader = reader or writer
    written = [f["name"] for f in writer["fields"]]
    lines = ["def decode(data):", " p = 0"]
    for number, field in enumerate(writer["fields"]):
        lines += _read(field["type"], f"v{number}", 1)
    lines.append(" if p != len(data): raise DatumError(f'{len(data)} bytes; the datum ends at byte {p}')")
    items = []
    for field in reader["fields"]:
        name = field["name"]
        if name in written:
            items.append(f"{name!r}: v{written.index(name)}")
        elif "default" in field:
            items.append(f"{name!r}: {field['default']!r}")
        else:
            raise UnsupportedSchemaError(f"field {name} has no default and the writer does not know it")
    lines.append(f" return {{{', '.join(items)}}}")
    names = {
        "DatumError": DatumError,
        "read_long": read_long,
        "read_length": read_length,
        "read_block": read_block,
        "double": _DOUBLE.unpack_from,
        "float": _FLOAT.unpack_from,
    }
    function: Decoder = _function("decode", lines, names)
    return function


def _function(name: str, lines: list[str], names: dict[str, Any]) -> Any:
    module = compile("\n".join(lines), f"<avro {name}>", "exec")
    code = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    return types.FunctionType(code, {"__builtins__": __builtins__, **names}, name)


def _kind(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _nullable(schema: list[Any]) -> tuple[Any, int]:
    """The other branch of a two-way union with null, and the index of null."""
    if len(schema) != 2 or "null" not in schema:
        raise UnsupportedSchemaError(f"union {schema}; only null and one other type are supported")
    null_index = schema.index("null")
    return schema[1 - null_index], null_index


def write_lines(schema: Any, value: str, depth: int) -> list[str]:
    """Lines that append the encoding of `value` to `out`."""
    pad = " " * depth
    if isinstance(schema, list):
        other, null_index = _nullable(schema)
        return [
            f"{pad}if {value} is None: out.append({null_index * 2})",
            f"{pad}else:",
            f"{pad} out.append({(1 - null_index) * 2})",
            *write_lines(other, value, depth + 1),
        ]
    kind = _kind(schema)
    if kind in ("string", "bytes"):
        encoded = f"{value}.encode()" if kind == "string" else value
        return [
            f"{pad}b = {encoded}",
            f"{pad}n = len(b)",
            f"{pad}if n < 64: out.append(n << 1)",
            f"{pad}elif n < 8192:",
            f"{pad} out.append(n << 1 & 127 | 128)",
            f"{pad} out.append(n >> 6)",
            f"{pad}else: out += varint(n)",
            f"{pad}out += b",
        ]
    if kind in _INTEGERS:
        return [f"{pad}out += varint({value})"]
    if kind in ("double", "float"):
        return [f"{pad}out += {kind}({value})"]
    if kind == "boolean":
        return [f"{pad}out.append(1 if {value} else 0)"]
    if kind in ("array", "map"):
        item, key = f"i{depth}", f"k{depth}"
        head = (
            f"{pad} for {item} in {value}:"
            if kind == "array"
            else f"{pad} for {key}, {item} in {value}.items():"
        )
        keys = write_lines("string", key, depth + 2) if kind == "map" else []
        values = schema["items"] if kind == "array" else schema["values"]
        return [
            f"{pad}if {value}:",
            f"{pad} out += varint(len({value}))",
            head,
            *keys,
            *write_lines(values, item, depth + 2),
            f"{pad}out.append(0)",
        ]
    raise UnsupportedSchemaError(f"type {schema}")


def _read(schema: Any, target: str, depth: int) -> list[str]:
    """Lines that set `target` from `data` at `p` and move `p` on."""
    pad = " " * depth
    if isinstance(schema, list):
        other, null_index = _nullable(schema)
        return [
            f"{pad}b = data[p]",
            f"{pad}p += 1",
            f"{pad}if b == {null_index * 2}: {target} = None",
            f"{pad}elif b == {(1 - null_index) * 2}:",
            *_read(other, target, depth + 1),
            f"{pad}else: raise DatumError(f'branch {{b}} of a union of two at byte {{p}}')",
        ]
    kind = _kind(schema)
    if kind in ("string", "bytes"):
        return [
            f"{pad}n = data[p]",
            # One byte and not negative: the common case, without a call.
            f"{pad}if n & 0x81:",
            # Two bytes and not negative: user agents and addresses.
            f"{pad} if n & 1 or p + 1 >= len(data) or data[p + 1] > 127: n, p = read_length(data, p)",
            f"{pad} else:",
            f"{pad}  n = (n & 127 | data[p + 1] << 7) >> 1",
            f"{pad}  p += 2",
            f"{pad}else:",
            f"{pad} n >>= 1",
            f"{pad} p += 1",
            f"{pad}{target} = data[p:p + n]" + (".decode()" if kind == "string" else ""),
            f"{pad}p += n",
        ]
    if kind in _INTEGERS:
        return [
            f"{pad}n = data[p]",
            f"{pad}if n < 128:",
            f"{pad} {target} = (n >> 1) ^ -(n & 1)",
            f"{pad} p += 1",
            f"{pad}else: {target}, p = read_long(data, p)",
        ]
    if kind in ("double", "float"):
        return [f"{pad}{target} = {kind}(data, p)[0]", f"{pad}p += {8 if kind == 'double' else 4}"]
    if kind == "boolean":
        return [f"{pad}{target} = data[p] != 0", f"{pad}p += 1"]
    if kind in ("array", "map"):
        count, item, key = f"c{depth}", f"i{depth}", f"k{depth}"
        keys = _read("string", key, depth + 2) if kind == "map" else []
        values = schema["items"] if kind == "array" else schema["values"]
        return [
            f"{pad}{target} = {'[]' if kind == 'array' else '{}'}",
            f"{pad}{count}, p = read_block(data, p)",
            f"{pad}while {count}:",
            f"{pad} for _ in range({count}):",
            *keys,
            *_read(values, item, depth + 2),
            f"{pad}  {target}.append({item})" if kind == "array" else f"{pad}  {target}[{key}] = {item}",
            f"{pad} {count}, p = read_block(data, p)",
        ]
    raise UnsupportedSchemaError(f"type {schema}")
