"""Comparing a table of the platform with the reference, cell by cell.

Belongs here: what is equal (floats to 1e-9 of the larger) and how differences are told. Does not belong here: how the
tables are made.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

TOLERANCE = 1e-9
MOST_SHOWN = 8
Key = tuple[Any, ...]


def differences(expected: pa.Table, actual: pa.Table, key: Sequence[str]) -> list[str]:
    """Every difference as a line; columns only the actual table has are its own affair.

    Lines name the key, the column, what was expected and what was found; rows too many, missing or twice are named.
    """
    missing = [name for name in expected.column_names if name not in actual.column_names]
    if missing:
        return [f"no column {name}" for name in missing]
    wanted, found = _rows(expected, expected.column_names, key), _rows(actual, expected.column_names, key)
    lines = [
        f"{_said(key, k)}: {count} rows of this key" for k, count in _counts(actual, key).items() if count > 1
    ]
    lines += [f"{_said(key, k)}: missing" for k in wanted if k not in found]
    lines += [f"{_said(key, k)}: not expected" for k in found if k not in wanted]
    for k, row in wanted.items():
        if k in found:
            lines += [
                f"{_said(key, k)}: {name} is {found[k][name]!r}, expected {value!r}"
                for name, value in row.items()
                if not same(value, found[k][name])
            ]
    return lines


def assert_same(name: str, expected: pa.Table, actual: pa.Table, key: Sequence[str]) -> None:
    """Fail with the first differences, how many there are, and how many in each column."""
    lines = differences(expected, actual, key)
    if not lines:
        return
    columns = Counter(line.split(": ", 1)[1].split(" is ")[0] for line in lines)
    shown = "\n  ".join(lines[:MOST_SHOWN])
    more = f"\n  and {len(lines) - MOST_SHOWN} more" if len(lines) > MOST_SHOWN else ""
    raise AssertionError(
        f"{name}: {len(lines)} differences in {expected.num_rows} expected and {actual.num_rows} actual rows"
        f" ({', '.join(f'{what} {count}' for what, count in columns.most_common())})\n  {shown}{more}"
    )


def same(expected: Any, actual: Any) -> bool:
    """Exactly, floats to 1e-9 relative; null equals null only."""
    if expected is None or actual is None:
        return expected is actual
    if isinstance(expected, float) or isinstance(actual, float):
        return math.isclose(float(expected), float(actual), rel_tol=TOLERANCE, abs_tol=0.0)
    return bool(expected == actual)


def _rows(table: pa.Table, names: Sequence[str], key: Sequence[str]) -> dict[Key, dict[str, Any]]:
    return {tuple(row[k] for k in key): row for row in table.select(list(names)).to_pylist()}


def _counts(table: pa.Table, key: Sequence[str]) -> Counter[Key]:
    return Counter(zip(*(table[k].to_pylist() for k in key), strict=True))


def _said(key: Sequence[str], values: Key) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(key, values, strict=True))
