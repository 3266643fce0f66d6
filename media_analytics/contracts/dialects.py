"""The value rules of contracts in SQL, for Spark and for ClickHouse.

Belongs here: literals, and for each rule of pandera or `rules.py` the predicate that is true where the rule fails and
null or false where it holds or the value is null. Does not belong here: the audit query made of them (`audit.py`).

NaN fails every comparison in pandera and in ClickHouse; Spark orders it above all numbers, so there it is named.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Literal

import pyarrow as pa

from media_analytics.errors import ContractError

Dialect = Literal["spark", "clickhouse"]

_COMPARISONS = {
    "greater_than_or_equal_to": (">=", "min_value"),
    "greater_than": (">", "min_value"),
    "less_than_or_equal_to": ("<=", "max_value"),
    "less_than": ("<", "max_value"),
    "equal_to": ("=", "value"),
    "not_equal_to": ("!=", "value"),
}


def quoted(name: str) -> str:
    """A column name; both dialects take backticks."""
    return f"`{name.replace('`', '``')}`"


def text(value: str) -> str:
    """A string literal; both dialects read backslash escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def literal(value: Any, dialect: Dialect) -> str:
    """A literal of a rule's bound.

    Raises:
        ContractError: the value has no literal here.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return text(value)
        case datetime():
            if value.tzinfo is None:
                raise ContractError(f"a bound needs a time zone; got {value!r}")
            stamp = value.strftime("%Y-%m-%d %H:%M:%S.%f")
            if dialect == "spark":
                return f"TIMESTAMP '{stamp}+00:00'"
            return f"toDateTime64('{stamp}', 6, 'UTC')"
        case date():
            return f"DATE '{value.isoformat()}'" if dialect == "spark" else f"toDate32('{value.isoformat()}')"
        case _:
            raise ContractError(f"no SQL literal for {value!r} of type {type(value).__name__}")


def violates(
    name: str, statistics: Mapping[str, Any], column: str, arrow_type: pa.DataType, dialect: Dialect
) -> str:
    """The predicate that is true for a value of `column` that fails the check `name`.

    Raises:
        ContractError: the check has no SQL form; the message says where to add it.
    """
    if name in _COMPARISONS:
        operator, bound = _COMPARISONS[name]
        return _compare(column, operator, literal(statistics[bound], dialect), arrow_type, dialect)
    if name not in _CHECKS:
        raise ContractError(
            f"the check {name!r} of column {column!r} has no SQL form; add one to contracts/dialects.py"
        )
    return _CHECKS[name](quoted(column), statistics, dialect)


def violates_row(statistics: Mapping[str, Any], types: Mapping[str, pa.DataType], dialect: Dialect) -> str:
    """The predicate that is true for a row that fails a rule over two columns.

    Raises:
        ContractError: the rule has no SQL form.
    """
    match statistics.get("rule"):
        case "not_greater":
            small, large = statistics["small"], statistics["large"]
            holds = f"{quoted(small)} <= {quoted(large)}"
            if dialect == "spark" and pa.types.is_floating(types[small]):
                return f"(isnan({quoted(small)}) OR isnan({quoted(large)}) OR NOT ({holds}))"
            return f"NOT ({holds})"
        case "implies":
            return f"({quoted(statistics['condition'])} AND NOT {quoted(statistics['consequence'])})"
        case other:
            raise ContractError(f"the row rule {other!r} has no SQL form; add one to contracts/dialects.py")


def _compare(column: str, operator: str, bound: str, arrow_type: pa.DataType, dialect: Dialect) -> str:
    name = quoted(column)
    if dialect == "spark" and pa.types.is_floating(arrow_type):
        return f"(isnan({name}) OR NOT ({name} {operator} {bound}))"
    return f"NOT ({name} {operator} {bound})"


def _isin(name: str, statistics: Mapping[str, Any], dialect: Dialect) -> str:
    allowed = ", ".join(literal(value, dialect) for value in statistics["allowed_values"])
    return f"NOT ({name} IN ({allowed}))"


def _length(name: str, statistics: Mapping[str, Any], dialect: Dialect) -> str:
    length = f"length({name})" if dialect == "spark" else f"lengthUTF8({name})"
    bounds = ((">", statistics.get("max_value")), ("<", statistics.get("min_value")))
    return "(" + " OR ".join(f"{length} {sign} {value}" for sign, value in bounds if value is not None) + ")"


def _matches(name: str, statistics: Mapping[str, Any], dialect: Dialect) -> str:
    pattern = statistics["pattern"]
    if not pattern.startswith("^"):
        pattern = f"^(?:{pattern})"
    if dialect == "clickhouse":
        return f"NOT match({name}, {text(pattern)})"
    # Java's $ also stands before a last line end; Arrow's and ClickHouse's RE2 mean the end only.
    if pattern.endswith("$"):
        pattern = pattern[:-1] + r"\z"
    return f"NOT ({name} RLIKE {text(pattern)})"


def _items(name: str, statistics: Mapping[str, Any], dialect: Dialect) -> str:
    allowed = ", ".join(text(value) for value in statistics["allowed"])
    if dialect == "spark":
        return f"size(array_except({name}, array({allowed}))) > 0"
    return f"arrayExists(item -> item NOT IN ({allowed}), {name})"


def _entries(name: str, statistics: Mapping[str, Any], dialect: Dialect) -> str:
    most, longest = statistics["most"], statistics["longest"]
    if dialect == "spark":
        too_long = f"exists(map_values({name}), item -> item IS NULL OR length(item) > {longest})"
        return f"(size({name}) > {most} OR {too_long})"
    too_long = f"arrayExists(item -> lengthUTF8(item) > {longest}, mapValues({name}))"
    return f"(length({name}) > {most} OR {too_long})"


_CHECKS: dict[str, Callable[[str, Mapping[str, Any], Dialect], str]] = {
    "isin": _isin,
    "str_length": _length,
    "str_matches": _matches,
    "items_isin": _items,
    "entries_within": _entries,
}
