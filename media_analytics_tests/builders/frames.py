"""Frames that keep and break the rules of a contract.

Belongs here: values around each rule's edge, frames made of them, and what pandera counts in such a frame. Does not
belong here: what a compiler counts (the tests).
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from media_analytics.contracts.audit import UNIQUE, arrow_schema
from media_analytics.contracts.model import Column, Contract

_START = datetime(2026, 1, 1, tzinfo=UTC)
# Texts that fit the patterns contracts use; the first one that fits is the good value.
_TEXTS = (
    "3f2b8c1e-0a4d-4b7e-9c55-1d2e3f4a5b6c",
    "bild",
    "c:reader",
    "DE",
    "2026-01-01T00",
    "gold.reader_sessions",
    "0" * 64,
)
_ODD_TEXTS = ("", "X", "bild\n", "Bild", 'it\'s \\ "quoted"', "ü" * 3, "3F2B8C1E-0A4D-4B7E-9C55-1D2E3F4A5B6C")


def good_value(contract: Contract, column: Column, row: int) -> Any:
    """A legal value; rows differ in the columns of the unique key."""
    kind = column.arrow_type
    in_key = column.name in contract.unique_key
    if pa.types.is_timestamp(kind):
        return _START + timedelta(minutes=row if in_key else 0)
    if pa.types.is_date(kind):
        return date(2026, 1, 1) + timedelta(days=row if in_key else 0)
    if pa.types.is_integer(kind):
        least = _bounds(contract, column).get("min_value") or 0
        return int(least) + (row if in_key else 0)
    if pa.types.is_floating(kind):
        return 0.0
    if pa.types.is_boolean(kind):
        return False
    if pa.types.is_map(kind):
        return [("key", "value")]
    if pa.types.is_list(kind):
        return list(_allowed(contract, column)[:1])
    if pa.types.is_binary(kind):
        return b"bytes"
    return _good_text(contract, column, row if in_key else 0)


def edge_values(contract: Contract, column: Column) -> list[Any]:
    """Values on both sides of each rule, and null."""
    kind = column.arrow_type
    bounds = [b for b in _bounds(contract, column).values() if b is not None]
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        step = timedelta(days=1) if pa.types.is_date(kind) else timedelta(microseconds=1)
        instants = [b.to_pydatetime() if isinstance(b, pd.Timestamp) else b for b in bounds]
        return [None, *(i + k * step for i in instants for k in (-1, 0, 1))]
    if pa.types.is_integer(kind):
        return [None, -1, 0, 1, 7, *(int(b) + k for b in bounds for k in (-1, 0, 1))]
    if pa.types.is_floating(kind):
        numbers = [float(b) + k for b in bounds for k in (-0.5, 0.0, 0.5)]
        return [None, float("nan"), float("inf"), float("-inf"), -0.0, 7.5, *numbers]
    if pa.types.is_boolean(kind):
        return [None, True, False]
    if pa.types.is_map(kind):
        return [None, [], [("k", "v" * 1024)], [("k", "v" * 1025)], [(str(i), "") for i in range(65)]]
    if pa.types.is_list(kind):
        return [None, [], ["nobody agreed"], [*_allowed(contract, column)]]
    if pa.types.is_binary(kind):
        return [None, b"", b"\x00\xff"]
    lengths = [c.statistics.get("max_value") for c in _checks(contract, column) if c.name == "str_length"]
    longest = [n for n in lengths if n is not None]
    return [
        None,
        *_ODD_TEXTS,
        *_TEXTS,
        *_allowed(contract, column),
        *("ü" * (n + k) for n in longest for k in (0, 1)),
    ]


@st.composite
def frames(draw: st.DrawFn, contract: Contract, max_rows: int = 12, *, null_nested: bool = True) -> pa.Table:
    """A frame of legal rows, some with broken cells, some repeated.

    Args:
        draw: of hypothesis.
        contract: whose rules.
        max_rows: most rows before repetition.
        null_nested: whether lists and maps may be null where the contract forbids it.
    """
    columns = contract.columns
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, max_rows))):
        row = {column.name: good_value(contract, column, number) for column in columns}
        for column in draw(st.lists(st.sampled_from(columns), max_size=4, unique_by=lambda c: c.name)):
            values = edge_values(contract, column)
            nested = pa.types.is_map(column.arrow_type) or pa.types.is_list(column.arrow_type)
            if nested and not column.nullable and not null_nested:
                values = [value for value in values if value is not None]
            if column.name in contract.unique_key[:1]:
                # pandera finds rows whose whole key is null, but leaves them out of its failure cases.
                values = [value for value in values if value is not None]
            row[column.name] = draw(st.sampled_from(values))
        rows += [row] * draw(st.sampled_from((1, 1, 1, 2, 3)))
    schema = pa.schema([field.with_nullable(True) for field in arrow_schema(contract)])
    return pa.Table.from_pylist(rows, schema=schema)


def pandera_counts(contract: Contract, table: pa.Table) -> Counter[tuple[str | None, str]]:
    """Failing rows per (column, rule) as pandera counts them; rules of the row and key have no column."""
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        contract.schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return Counter()
    counts: Counter[tuple[str | None, str]] = Counter()
    of_columns = cases[cases["schema_context"] == "Column"]
    counts.update({(str(c), str(check)): len(g) for (c, check), g in of_columns.groupby(["column", "check"])})
    for check, group in cases[cases["schema_context"] != "Column"].groupby("check"):
        # Such a case is listed once for each of its columns that is not null.
        name = (
            f"{UNIQUE}({', '.join(contract.unique_key)})" if check == "multiple_fields_uniqueness" else check
        )
        counts[(None, str(name))] = group["index"].nunique()
    return counts


def _checks(contract: Contract, column: Column) -> list[Any]:
    return list(contract.schema.columns[column.name].checks)


def _bounds(contract: Contract, column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for check in _checks(contract, column):
        if check.name != "str_length":
            found |= {k: v for k, v in check.statistics.items() if k in ("min_value", "max_value")}
    return found


def _allowed(contract: Contract, column: Column) -> tuple[str, ...]:
    for check in _checks(contract, column):
        for name in ("allowed_values", "allowed"):
            if name in check.statistics:
                return tuple(check.statistics[name])
    return ()


def _good_text(contract: Contract, column: Column, row: int) -> str:
    allowed = _allowed(contract, column)
    if allowed:
        return allowed[0]
    patterns = [c.statistics["pattern"] for c in _checks(contract, column) if c.name == "str_matches"]
    if not patterns:
        return f"text {row}"
    fits = [
        t for t in _TEXTS if pd.Series([t], dtype=pd.ArrowDtype(pa.string())).str.match(patterns[0]).all()
    ]
    text = fits[0]
    # The last character is a digit or a letter in every pattern, so that rows can differ in it.
    return text[:-1] + str(row) if row and text[-1].isalnum() and text != "DE" else text
