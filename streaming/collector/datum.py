"""Parts of an Avro datum as texts of one character a byte.

Belongs here: how a value is written. Does not belong here: what may be written (`families.py`). A message is put
together from such parts and becomes bytes in one step: most texts are ASCII and need no conversion of their own.
`LENGTHS` has the length in front of every text that is allowed, so writing one is two look-ups.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from struct import Struct
from typing import Any

from streaming.codecs.generate import UnsupportedSchemaError, varint

_LONGEST = 8 * 1024
_DOUBLE, _FLOAT = Struct("<d"), Struct("<f")
_SMALL_LISTS = 4
_SURELY_FEW, _SURELY_SHORT = 16, 1024
# Instants of these centuries (1978 to 3111), in microseconds, take eight bytes.
EIGHT_BYTES_FROM, _NINE_BYTES_FROM = 1 << 48, 1 << 55


def integer(value: int) -> str:
    """A zigzag varint."""
    return varint(value).decode("latin-1")


# The varint of each number up to the longest text.
LENGTHS: Sequence[str] = tuple(integer(n) for n in range(_LONGEST + 1))
# The union branches 0 and 1 without a value.
NULLS = ("\x00", "\x02")
# Seven bits as a character, with the bit that says that more follow: for the bits that differ each time, so that the
# table stays in the processor's cache.
_MORE = tuple(chr(n | 128) for n in range(128))
# Fourteen bits as two characters, with the bit that says that more follow.
_PAIRS = tuple(chr(n & 127 | 128) + chr(n >> 7 | 128) for n in range(1 << 14))
# The same at the end of a number.
_ENDS = tuple(chr(n & 127 | 128) + chr(n >> 7) for n in range(1 << 14))


@cache
def heads(branch: int) -> Sequence[str]:
    """The branch of a union and the length, for each length of a text."""
    return tuple(NULLS[branch] + length for length in LENGTHS)


def text(value: str) -> str:
    """A text with its length."""
    data = value.encode()
    return integer(len(data)) + data.decode("latin-1")


def instant_text(microseconds: int) -> str:
    """The varint of an instant."""
    if EIGHT_BYTES_FROM <= microseconds < _NINE_BYTES_FROM:
        return eight_bytes(microseconds << 1)
    return integer(microseconds)


def eight_bytes(value: int) -> str:
    """The varint of a zigzag number that takes eight bytes."""
    return (
        f"{_MORE[value & 127]}{_MORE[value >> 7 & 127]}{_MORE[value >> 14 & 127]}{_MORE[value >> 21 & 127]}"
        f"{_PAIRS[value >> 28 & 16383]}{_ENDS[value >> 42]}"
    )


def number_text(value: int) -> str:
    """The varint of a number, most often a small one."""
    return LENGTHS[value] if 0 <= value <= _LONGEST else integer(value)


def double_text(value: float) -> str:
    """Eight bytes of a floating point number."""
    return _DOUBLE.pack(value).decode("latin-1")


def float_text(value: float) -> str:
    """Four bytes of a floating point number."""
    return _FLOAT.pack(value).decode("latin-1")


def array_text(values: Sequence[str]) -> str:
    """A list of texts: one block and its end."""
    return f"{integer(len(values))}{''.join(map(text, values))}\x00" if values else "\x00"


def properties_text(
    entries: Mapping[str, str], nul: bool, check: Callable[[Mapping[str, str]], object]
) -> str:
    """A map of texts that is not empty: one block and its end. `check` is asked about what may be against a rule."""
    count = len(entries)
    if count > _SURELY_FEW or nul:
        check(entries)
    out = LENGTHS[count]
    for key, value in entries.items():
        if not (key.isascii() and value.isascii()):
            key, value = key.encode().decode("latin-1"), value.encode().decode("latin-1")
        key_length, value_length = len(key), len(value)
        if key_length > _SURELY_SHORT or value_length > _SURELY_SHORT:
            check(entries)
        out += f"{LENGTHS[key_length]}{key}{LENGTHS[value_length]}{value}"
    return out + "\x00"


# Lists of purposes that were written before; there are few different ones.
USUAL_PURPOSES: dict[tuple[str, ...], str] = {}


def purposes_text(purposes: Sequence[str]) -> str:
    """A checked list of purposes, in a union with null."""
    found = NULLS[1] + array_text(purposes)
    if len(purposes) <= _SMALL_LISTS:
        USUAL_PURPOSES[tuple(purposes)] = found
    return found


def quoted(part: str) -> str:
    """A fixed part, for the source text of an f-string."""
    return "".join(f"\\x{ord(c):02x}" for c in part)


def expression(schema: Any, value: str) -> str:
    """The expression that writes a value of a type; `value` is a name.

    Raises:
        UnsupportedSchemaError: the type is not one of ours.
    """
    if isinstance(schema, list):
        null = schema.index("null")
        other = expression(schema[1 - null], value)
        return f"{NULLS[null]!r} if {value} is None else {NULLS[1 - null]!r} + {other}"
    kind = str(schema["type"] if isinstance(schema, dict) else schema)
    functions = {
        "int": "number_text", "long": "number_text", "double": "double_text", "float": "float_text",
        "array": "array_text",
    }  # fmt: skip
    if isinstance(schema, dict) and schema.get("logicalType") == "timestamp-micros":
        return f"instant_text({value})"
    if kind == "boolean":
        return f'("\\x01" if {value} else "\\x00")'
    if kind not in functions:
        raise UnsupportedSchemaError(f"type {schema}")
    return f"{functions[kind]}({value})"


# What the expressions call.
NAMES: Mapping[str, Any] = {
    "instant_text": instant_text,
    "eight_bytes": eight_bytes,
    "number_text": number_text,
    "double_text": double_text,
    "float_text": float_text,
    "array_text": array_text,
    "properties_text": properties_text,
    "purposes_text": purposes_text,
    "USUAL_PURPOSES": USUAL_PURPOSES,
}
