"""Equality of two runs as one number.

Belongs here: which columns count, the canonical text of a value, the hash. Does not belong here: reading tables.

The hash is SHA-256 over the sorted rows; a row is its columns in contract order, each as canonical text.
"""

import hashlib
import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from media_analytics.contracts.model import Contract
from media_analytics.errors import ContractError

_NULL = "\\N"
_BATCH_ROWS = 10_000


def hashed_columns(contract: Contract) -> tuple[str, ...]:
    """All columns but provenance, in contract order."""
    return tuple(column.name for column in contract.columns if not column.provenance)


def row_hash(contract: Contract, table: pa.Table) -> str:
    """SHA-256 in hex over the sorted rows of `table`, without provenance columns.

    Row order, column order, batches and the time zone of instants do not matter; every value does. An empty table
    has a hash too: that of no rows.

    Raises:
        ContractError: a column of the contract is missing.
    """
    names = hashed_columns(contract)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ContractError(f"{contract.full_name} cannot be hashed: {', '.join(missing)} missing")
    digest = hashlib.sha256()
    for line in sorted(_lines(table.select(list(names)))):
        digest.update(line)
    return digest.hexdigest()


def _lines(table: pa.Table) -> Iterable[bytes]:
    for batch in table.to_batches(_BATCH_ROWS):
        columns = [column.to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            yield ("\t".join(canonical(value) for value in values) + "\n").encode()


def canonical(value: Any) -> str:
    """One text per value: null is backslash N, -0.0 is 0.0, every NaN is nan, instants are UTC microseconds.

    Raises:
        ContractError: the value is of a type that contracts do not use.
    """
    match value:
        case None:
            return _NULL
        case bool():
            return "true" if value else "false"
        case str():
            return _escaped(value)
        case int():
            return str(value)
        case float():
            return "nan" if math.isnan(value) else repr(value + 0.0)
        case bytes():
            return f"x{value.hex()}"
        case datetime():
            if value.tzinfo is None:
                raise ContractError(f"an instant without a time zone cannot be hashed: {value!r}")
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case date():
            return value.isoformat()
        case list() if value and all(isinstance(item, tuple) for item in value):
            entries = sorted(f"{canonical(key)}:{canonical(item)}" for key, item in value)
            return "{" + ",".join(entries) + "}"
        case list():
            return "[" + ",".join(canonical(item) for item in value) + "]"
        case _:
            raise ContractError(f"no canonical text for {value!r} of type {type(value).__name__}")


def _escaped(text: str) -> str:
    """Text with backslash, separators and brackets escaped, so that two rows never look alike."""
    for sign in "\\,:[]{}":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\t", "\\t").replace("\n", "\\n")
