"""From records to rows: what can be decoded and keeps every rule of its columns, and what becomes a dead letter.

Belongs here: decoding with the writer's schema, the contract's column rules row by row, the letter's code of each. Does
not belong here: the audit of all rows together (`judge.py`), sending letters.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandera.api.checks import Check

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.model import Column
from media_analytics.micro_batches.records import Record
from media_analytics.micro_batches.table import MicroBatched
from streaming.codecs.avro import Codec, DecodeError
from streaming.codecs.framing import FramingError, unframe
from streaming.codecs.registry import RegistryClient, UnknownSchemaError

# The letter's code of each rule; a rule that is not named here gives `invalid_value`.
CODES = {
    "isin": "unknown_value",
    "items_isin": "unknown_value",
    "str_length": "too_long",
    "entries_within": "too_many",
    "greater_than_or_equal_to": "out_of_range",
    "less_than_or_equal_to": "out_of_range",
    "greater_than": "out_of_range",
    "less_than": "out_of_range",
}
MISSING, INVALID, UNDECODABLE, UNKNOWN_SCHEMA = (
    "missing_field",
    "invalid_value",
    "undecodable",
    "unknown_schema",
)


@dataclass(frozen=True)
class Rejected:
    """A record without a row. `reason` is the letter's code."""

    record: Record
    reason: str
    message: str
    field: str | None = None
    event_id: str | None = None
    schema_id: int | None = None


@dataclass(frozen=True)
class Decoded:
    """Usable rows in the table's columns, their records in the same order, and what is not usable."""

    rows: pa.Table
    records: tuple[Record, ...]
    rejected: tuple[Rejected, ...]


class Decoder:
    """Decodes the records of one table's topic. Schemas are kept by id."""

    def __init__(self, table: MicroBatched, registry: RegistryClient) -> None:
        self._table = table
        self._registry = registry
        self._codec = Codec.from_file(table.topic.name)

    def decode(self, records: Sequence[Record]) -> Decoded:
        """Rows of `records`, without the columns that say how a row came here.

        Raises:
            RegistryUnreachableError: a schema is not known yet and the registry does not answer.
        """
        values: list[dict[str, Any]] = []
        kept: list[Record] = []
        rejected: list[Rejected] = []
        for record in records:
            found = self._decoded(record)
            if isinstance(found, Rejected):
                rejected.append(found)
            else:
                values.append(found)
                kept.append(record)
        rows = self._as_table(values)
        broken = dict(self._broken(rows))
        for place, (reason, field, message) in sorted(broken.items()):
            one = values[place]
            rejected.append(
                Rejected(
                    *(kept[place], reason, message, field),
                    event_id=one.get("event_id"),
                    schema_id=one[self._table.coordinates.schema_id],
                )
            )
        good = [place for place in range(len(values)) if place not in broken]
        return Decoded(
            rows.take(pa.array(good, pa.int64())), tuple(kept[place] for place in good), tuple(rejected)
        )

    def _decoded(self, record: Record) -> dict[str, Any] | Rejected:
        schema_id: int | None = None
        try:
            schema_id, datum = unframe(record.value or b"")
            writer = self._registry.schema_by_id(schema_id)
            if writer["name"] != self._codec.name:
                message = f"a {writer['name']}, not a {self._codec.name}"
                return Rejected(record, UNDECODABLE, message, schema_id=schema_id)
            values = self._codec.decode_as(datum, schema_id, writer)
        except UnknownSchemaError as error:
            return Rejected(record, UNKNOWN_SCHEMA, str(error), schema_id=schema_id)
        except (FramingError, DecodeError) as error:
            return Rejected(record, UNDECODABLE, str(error), schema_id=schema_id)
        return values | self._place(record, schema_id)

    def _place(self, record: Record, schema_id: int) -> dict[str, Any]:
        names = self._table.coordinates
        place = {
            names.partition: record.partition,
            names.offset: record.offset,
            names.schema_id: schema_id,
            "appended_at": record.appended_at,
        }
        return place if names.topic is None else {names.topic: self._table.topic.name, **place}

    def _as_table(self, values: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Every column the record gives, nullable: what must not be null is judged row by row."""
        fields = [
            f
            for f in arrow_schema(self._table.contract)
            if f.name not in ("appended_hour", "batch_id", "loaded_at")
        ]
        arrays = [_array([value.get(f.name) for value in values], f.type) for f in fields]
        return pa.table(arrays, names=[f.name for f in fields]).append_column(
            "appended_hour", _hours(arrays, fields)
        )

    def _broken(self, rows: pa.Table) -> Iterator[tuple[int, tuple[str, str, str]]]:
        """Row number, and code, field and message of the first rule it breaks. Earlier columns come last: they win."""
        if rows.num_rows == 0:
            # Arrow's `indices_nonzero` ends the process on a column without values.
            return
        for column in reversed(self._table.contract.columns):
            if column.name not in rows.column_names:
                continue
            values = rows[column.name]
            for check in reversed(self._table.contract.schema.columns[column.name].checks):
                yield from _failures(column, values, check)
            if not column.nullable:
                for place in pc.indices_nonzero(pc.is_null(values)).to_pylist():
                    yield place, (MISSING, column.name, f"{column.name} is missing")


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_map(kind):
        values = [None if v is None else list(v.items()) for v in values]
    return pa.array(values, kind)


def _hours(arrays: Sequence[pa.Array], fields: Sequence[pa.Field]) -> pa.Array:
    place = next(n for n, field in enumerate(fields) if field.name == "appended_at")
    return pc.strftime(arrays[place], "%Y-%m-%dT%H")


def _failures(
    column: Column, values: pa.ChunkedArray, check: Check
) -> Iterator[tuple[int, tuple[str, str, str]]]:
    known = pd.Series(values, dtype=pd.ArrowDtype(column.arrow_type)).dropna()
    if known.empty:
        return
    output = check(known).check_output
    failed = known.index[~output.astype(bool)]
    code = CODES.get(str(check.name), INVALID)
    for place in failed:
        yield int(place), (code, column.name, f"{column.name}: {check.error or check.name}")
