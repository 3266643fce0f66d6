"""Values of a file's column in the type of bronze's column.

Belongs here: which types of a Parquet column are taken, and what texts of a CSV are a number, a flag, a date, an
instant. Does not belong here: files, rows, rules about values.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SPACE = " \t\n\r\v\f"
# A whole number; zeros after a point are what tools write for a whole number in a column with nulls.
_INTEGER = r"^[+-]?[0-9]+(\.0+)?$"
_FLOAT = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_FINITE = r"^([+-]?)(nan|inf|infinity)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_INSTANT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    r"([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"
)
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_DIGITS_OF_MICROSECONDS = 6


@dataclass(frozen=True)
class Parsed:
    """Values, and the texts of those that are not of the type (null elsewhere); None when all are."""

    values: pa.Array
    failed: pa.Array | None = None


def accepts(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a Parquet column of type `kind` can hold the values of a column of type `wanted`."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return True
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if pa.types.is_string(wanted):
        return bool(
            pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        )
    if pa.types.is_integer(wanted) or pa.types.is_floating(wanted):
        return bool(numbers)
    if pa.types.is_date(wanted):
        return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))
    if pa.types.is_timestamp(wanted):
        return bool(pa.types.is_timestamp(kind))
    return bool(pa.types.is_boolean(kind) and pa.types.is_boolean(wanted))


def parse(values: pa.Array, wanted: pa.DataType) -> Parsed:
    """A column in the wanted type."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type == wanted:
        return Parsed(values)
    if pa.types.is_null(values.type):
        return Parsed(values.cast(wanted))
    if pa.types.is_string(wanted):
        return Parsed(values.cast(pa.string()))
    if pa.types.is_string(values.type):
        return _from_text(values, wanted)
    return _from_typed(values, wanted)


def as_text(values: pa.Array) -> pa.Array:
    """A column that no contract knows, as text."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _from_typed(values: pa.Array, wanted: pa.DataType) -> Parsed:
    """From another Parquet type: what does not fit without loss failed."""
    if pa.types.is_timestamp(wanted):
        # Without a zone they are UTC, as all times are.
        return Parsed(pc.cast(values, pa.timestamp("us", tz=values.type.tz), safe=False).cast(wanted))
    if pa.types.is_floating(wanted):
        return Parsed(pc.cast(values, wanted, safe=False))
    if pa.types.is_timestamp(values.type):
        midnight = pc.equal(values, pc.floor_temporal(values, unit="day"))
        days = pc.if_else(midnight, values, pa.scalar(None, values.type)).cast(wanted)
        return _with_failures(days, as_text(values))
    try:
        return Parsed(values.cast(wanted))
    except pa.ArrowInvalid:
        return _one_by_one(values, as_text(values), wanted, _whole(wanted))


def _from_text(texts: pa.Array, wanted: pa.DataType) -> Parsed:
    trimmed = pc.ascii_trim(texts, _SPACE)
    if pa.types.is_boolean(wanted):
        return _flags(texts, pc.ascii_lower(trimmed))
    pattern, convert = _FORMS[_form(wanted)]
    good = pc.match_substring_regex(trimmed, pattern)
    candidates = pc.if_else(good, trimmed, pa.scalar(None, pa.string()))
    if pa.types.is_integer(wanted):
        candidates = pc.replace_substring_regex(candidates, r"\.0+$", "")
        candidates = pc.replace_substring_regex(candidates, r"^\+", "")
    try:
        if pa.types.is_floating(wanted):
            return (
                _one_by_one(texts, texts, wanted, _number)
                if _odd(trimmed, good)
                else Parsed(candidates.cast(wanted))
            )
        values = candidates.cast(wanted)
    except pa.ArrowInvalid:
        whole = _whole(wanted) if pa.types.is_integer(wanted) else convert
        return _one_by_one(trimmed, texts, wanted, whole)
    return _with_failures(values, texts)


def _form(wanted: pa.DataType) -> str:
    if pa.types.is_integer(wanted):
        return "integer"
    if pa.types.is_floating(wanted):
        return "float"
    return "date" if pa.types.is_date(wanted) else "instant"


def _odd(trimmed: pa.Array, good: pa.Array) -> bool:
    """Whether there is a text that is not a plain number."""
    return bool(pc.any(pc.and_(trimmed.is_valid(), pc.invert(good.fill_null(True)))).as_py())


def _flags(texts: pa.Array, lowered: pa.Array) -> Parsed:
    words = pa.array(list(_FLAGS))
    place = pc.index_in(lowered, words)
    return _with_failures(pc.take(pa.array(list(_FLAGS.values())), place), texts)


def _with_failures(values: pa.Array, texts: pa.Array) -> Parsed:
    lost = pc.and_(texts.is_valid(), values.is_null())
    if not pc.any(lost).as_py():
        return Parsed(values)
    return Parsed(values, pc.if_else(lost, texts, pa.scalar(None, pa.string())))


def _one_by_one(
    values: pa.Array, texts: pa.Array, wanted: pa.DataType, convert: Callable[[Any], Any]
) -> Parsed:
    found: list[Any] = []
    for value in values.to_pylist():
        try:
            found.append(None if value is None else convert(value))
        except (ValueError, OverflowError):
            found.append(None)
    return _with_failures(pa.array(found, wanted), texts)


def _whole(wanted: pa.DataType) -> Callable[[Any], int]:
    limit = 1 << (wanted.bit_width - 1)

    def convert(value: Any) -> int:
        if isinstance(value, str):
            if not re.match(_INTEGER, value):
                raise ValueError(value)
            number = int(value.split(".")[0])
        else:
            number = int(value)
            if number != value:
                raise ValueError(value)
        if not -limit <= number < limit:
            raise ValueError(value)
        return number

    return convert


def _number(text: str) -> float:
    trimmed = text.strip(_SPACE)
    if not (re.match(_FLOAT, trimmed) or re.match(_NOT_FINITE, trimmed, re.IGNORECASE)):
        raise ValueError(text)
    return float(trimmed)


def _day(text: str) -> date:
    if not re.match(_DATE, text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _instant(text: str) -> datetime:
    if not re.match(_INSTANT, text):
        raise ValueError(text)
    head, sign, tail = (
        re.split(r"([.,])", text.upper().replace(" ", "T"), maxsplit=1)
        if ("." in text or "," in text)
        else (text.upper().replace(" ", "T"), "", "")
    )
    if sign:
        digits = re.match(r"[0-9]+", tail)
        fraction = digits.group(0) if digits else ""
        head += "." + fraction[:_DIGITS_OF_MICROSECONDS].ljust(_DIGITS_OF_MICROSECONDS, "0")
        head += tail[len(fraction) :]
    return datetime.fromisoformat(head).astimezone(UTC)


_FORMS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "integer": (_INTEGER, int),
    "float": (_FLOAT, _number),
    "date": (_DATE, _day),
    "instant": (_INSTANT, _instant),
}
