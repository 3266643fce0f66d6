"""Contract to reference pages.

Belongs here: the Markdown of `docs/reference/tables.md` and `topics.md`. Does not belong here: hand-written pages,
writing files (the command).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from media_analytics.contracts.clickhouse import clickhouse_type
from media_analytics.contracts.model import (
    Column,
    Contract,
    Daily,
    Full,
    Hourly,
    TableContract,
    TopicContract,
)
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics.contracts.spark import spark_type

TABLES_PAGE = "docs/reference/tables.md"
TOPICS_PAGE = "docs/reference/topics.md"
_GENERATED = "Generated from the contracts by `media-analytics contracts docs`; do not edit."


def doc_files() -> dict[str, str]:
    """The reference pages by path in the repository."""
    return {TABLES_PAGE: tables_page(TABLES.values()), TOPICS_PAGE: topics_page(TOPICS.values())}


def tables_page(contracts: Iterable[TableContract]) -> str:
    """Every table: grain, partitions, freshness, owner, rules and columns."""
    contracts = list(contracts)
    head = [
        "# Tables",
        "",
        _GENERATED,
        "",
        "| table | grain | kept in | partitions | fails after |",
        "|---|---|---|---|---|",
    ]
    head += [
        f"| [{c.full_name}](#{_anchor(c.full_name)}) | {_cell(c.grain)} | {_store(c)} | {partitions(c)} "
        f"| {duration(c.freshness.fail)} |"
        for c in contracts
    ]
    return "\n".join([*head, *(line for c in contracts for line in _table(c))]) + "\n"


def topics_page(contracts: Iterable[TopicContract]) -> str:
    """Every topic: grain, key, partitions, retention, owner and fields."""
    contracts = list(contracts)
    head = [
        "# Topics",
        "",
        _GENERATED,
        "",
        "| topic | grain | key | partitions | kept |",
        "|---|---|---|---|---|",
    ]
    head += [
        f"| [{c.name}](#{_anchor(c.name)}) | {_cell(c.grain)} | `{c.key}` | {c.partitions} | {c.retention.days} d |"
        for c in contracts
    ]
    return "\n".join([*head, *(line for c in contracts for line in _topic(c))]) + "\n"


def partitions(contract: Contract) -> str:
    """The partition scheme in words."""
    match contract.partitioning:
        case Hourly(column, _):
            return f"`{column}`" if column == "hour" else f"hour of `{column}`"
        case Daily(column, _):
            return f"`{column}`" if column.endswith("date") else f"date of `{column}`"
        case Full(reason):
            return f"none: {reason}"


def duration(length: timedelta) -> str:
    """A length of time in the largest whole unit."""
    minutes = int(length.total_seconds() // 60)
    for size, unit in ((1440, "d"), (60, "h")):
        if minutes % size == 0:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"


def facts(contract: Contract) -> list[tuple[str, str]]:
    """What stands above the columns, as name and value."""
    found = [
        ("Grain", contract.grain),
        ("Unique key", ", ".join(f"`{name}`" for name in contract.unique_key) or "none"),
        ("Partitions", partitions(contract)),
        ("Refreshed", f"every {duration(contract.refresh_interval)}"),
        (
            "Stale",
            f"warning after {duration(contract.freshness.warn)}, failure after {duration(contract.freshness.fail)}",
        ),
        ("Owner", contract.owner),
        ("Consent needed", ", ".join(contract.purposes) or "none"),
    ]
    if isinstance(contract, TableContract):
        found.insert(1, ("Kept in", f"{_store(contract)}, written by `{contract.writer}` only"))
        if contract.copy_of is not None:
            found.insert(2, ("Copy of", f"`{contract.copy_of}`"))
        found.insert(4, ("Sorted by", ", ".join(f"`{name}`" for name in contract.sort_keys)))
    else:
        kept = f"kept {contract.retention.days} d"
        found.insert(1, ("Messages", f"key `{contract.key}`, {contract.partitions} partitions, {kept}"))
        found.insert(2, ("Schema", f"`{contract.subject}`, {contract.compatibility}"))
        found.insert(3, ("Proven complete in", ", ".join(contract.stores) or "not checked"))
        removed = ", ".join(f"`{name}`" for name in contract.removed_without_analytics)
        if removed:
            found.append(("Null without consent to analytics", removed))
    rules = [str(check.name).replace("_", " ") for check in contract.schema.checks]
    if rules:
        found.append(("Rules of a row", "; ".join(rules)))
    return found


def rules_of(contract: Contract, column: Column) -> str:
    """The value rules of a column in words."""
    return "; ".join(_rule(check) for check in contract.schema.columns[column.name].checks)


def _rule(check: Any) -> str:
    values = {name: _value(value) for name, value in check.statistics.items()}
    match check.name:
        case "greater_than_or_equal_to":
            return f"at least {values['min_value']}"
        case "less_than_or_equal_to":
            return f"at most {values['max_value']}"
        case "less_than":
            return f"below {values['max_value']}"
        case "isin":
            return f"one of {values['allowed_values']}"
        case "items_isin":
            return f"each one of {values['allowed']}"
        case "str_length" if check.statistics.get("max_value") is None:
            return f"at least {values['min_value']} character"
        case "str_length":
            return f"at most {values['max_value']} characters"
        case "str_matches":
            return f"matches `{values['pattern']}`"
        case "entries_within":
            return f"at most {values['most']} entries of {values['longest']} characters"
        case _:
            return str(check.error or check.name)


def _value(value: Any) -> str:
    match value:
        case datetime():
            return value.strftime("%Y-%m-%d")
        case list() | tuple():
            return ", ".join(str(item) for item in value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _table(contract: TableContract) -> list[str]:
    types = clickhouse_type if contract.store == "clickhouse" else _spark_name
    return _section(contract, contract.full_name, [(c, types(c)) for c in contract.columns])


def _topic(contract: TopicContract) -> list[str]:
    return _section(contract, contract.name, [(c, _spark_name(c)) for c in contract.columns])


def _section(contract: Contract, title: str, columns: list[tuple[Column, str]]) -> list[str]:
    lines = ["", f"## {title}", ""]
    lines += [f"- **{name}**: {value}" for name, value in facts(contract)]
    if isinstance(contract, TableContract) and contract.copy_of is not None:
        original = f"[{contract.copy_of}](#{_anchor(contract.copy_of)})"
        return [*lines, "", f"Columns, rules and personal data are those of {original}."]
    lines += ["", "| column | type | null | what | personal data | rules |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{column.name}` | `{_cell(kind)}` | {'yes' if column.nullable else ''} | {_cell(_what(column))} "
        f"| {(column.personal_data or '').replace('_', ' ')} | {_cell(rules_of(contract, column))} |"
        for column, kind in columns
    ]
    return lines


def _what(column: Column) -> str:
    origin = f" From {column.derived_from}." if column.derived_from else ""
    return column.description + origin + (" Provenance." if column.provenance else "")


def _store(contract: TableContract) -> str:
    kept = f", {contract.retention.days} d" if contract.retention else ""
    return {"clickhouse": "ClickHouse", "delta": "Delta", "files": "files"}[contract.store] + kept


def _spark_name(column: Column) -> str:
    return spark_type(column.arrow_type)


def _anchor(title: str) -> str:
    return "".join(sign for sign in title.lower() if sign.isalnum() or sign in "-_")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
