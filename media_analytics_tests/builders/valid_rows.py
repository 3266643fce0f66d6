"""Rows that keep a contract, for tables whose content does not matter.

Belongs here: one value a column that satisfies its rules, keys that differ from row to row. Does not belong here: rows
that mean something (`events.py`, `video_rows.py`), rows that break rules (`frames.py`).
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.model import Column, Contract
from media_analytics.contracts.rules import UUID


def valid_rows(contract: Contract, days: Sequence[date], rows: int = 3, seed: int = 0) -> pa.Table:
    """`rows` rows for each day; `seed` changes numbers and keeps keys. Every third nullable value is null."""
    made = []
    for day in days:
        for number in range(rows):
            values = {c.name: _value(contract, c, day, number, seed) for c in contract.columns}
            made.append(values)
    return pa.Table.from_pylist(made, schema=arrow_schema(contract))


def _value(contract: Contract, column: Column, day: date, number: int, seed: int) -> Any:
    is_key = column.name in contract.unique_key
    if column.nullable and not is_key and number % 3 == 2:
        return None
    kind = column.arrow_type
    if pa.types.is_timestamp(kind):
        return datetime.combine(day, time(9, number), UTC) + timedelta(microseconds=1)
    if pa.types.is_date(kind):
        return day
    if pa.types.is_boolean(kind):
        return True
    if pa.types.is_integer(kind):
        return 7 + seed
    if pa.types.is_floating(kind):
        return 0.1 + seed / 10
    if pa.types.is_list(kind):
        return ["ä", "b"][: number % 3]
    return _text(contract, column, day, number)


def _text(contract: Contract, column: Column, day: date, number: int) -> str:
    rules = {check.name: check.statistics for check in contract.schema.columns[column.name].checks}
    if "isin" in rules:
        return str(rules["isin"]["allowed_values"][0])
    pattern = rules.get("str_matches", {}).get("pattern", "")
    if pattern == UUID:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{column.name} {day} {number}"))
    if "unknown" in pattern:
        return "unknown"
    return f"a:{number}" if ":" in pattern else f"{column.name}_{number}"
