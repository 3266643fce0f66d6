"""SQL that copies partitions of a table of the lake into ClickHouse and compares the two.

Belongs here: the statements, made from the contract of the copy. Does not belong here: running them (`loading.py`), the
tables' DDL (`contracts/clickhouse.py`).

Rows never pass through a client: ClickHouse reads Delta itself. The rows that are inserted, the rows that are compared
and the rows of an error are the same subquery (`selected`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import pyarrow as pa

from media_analytics.contracts.clickhouse import clickhouse_type, identifier, staging_name, text
from media_analytics.contracts.dialects import literal
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.errors import ContractError, SettingsError
from media_analytics.settings import PREFIX, Settings

PART, ROWS, KEYS, VALUES, SUM = "parity_part", "parity_rows", "parity_keys", "parity_values", "parity_sum_"
# The one partition of a table without any, in ClickHouse's text and in ours.
WHOLE = ""


def original(contract: TableContract) -> TableContract:
    """The table of the lake that a copy shows.

    Raises:
        ContractError: the contract is not of a copy.
    """
    if contract.copy_of is None:
        raise ContractError(f"{contract.full_name} is not a copy of a table of the lake")
    return table(contract.copy_of)


def lake_source(settings: Settings, contract: TableContract) -> str:
    """The table function by which ClickHouse reads the original.

    Raises:
        SettingsError: the lake is on an object store, and nothing says how ClickHouse reaches it.
    """
    source, clickhouse = original(contract), settings.clickhouse
    root = clickhouse.lake_url or settings.lake.url
    path = f"{root.rstrip('/')}/{source.layer}/{source.name}"
    if "://" not in root:
        return f"deltaLakeLocal({text(path)})"
    if not root.startswith(("http://", "https://")) or clickhouse.lake_collection is None:
        raise SettingsError(
            f"the lake is at {settings.lake.url}; ClickHouse needs its HTTP address and the named collection with its "
            f"credentials: set {PREFIX}CLICKHOUSE__LAKE_URL and {PREFIX}CLICKHOUSE__LAKE_COLLECTION"
        )
    return f"deltaLake({identifier(clickhouse.lake_collection)}, url = {text(f'{path}/')})"


def at_version(version: int) -> Mapping[str, int]:
    """Settings of a query that reads one version of the original, however many commits follow meanwhile."""
    # A count from file statistics alone ignores deletion vectors.
    return {"delta_lake_snapshot_version": version, "optimize_trivial_count_query": 0}


def selected(contract: TableContract, source: str, partitions: Sequence[str]) -> str:
    """A subquery of the rows of `partitions` (ISO text; none for a table without) in the copy's types.

    Delta's columns come back nullable: a null where the contract has none is an error of the cast, not a default.
    """
    casts = ", ".join(
        f"CAST({identifier(c.name)} AS {clickhouse_type(c)}) AS {identifier(c.name)}"
        for c in contract.columns
    )
    return f"(SELECT {casts} FROM (SELECT * FROM {source}{_where(contract, partitions)}))"


def insert_sql(contract: TableContract, source: str, partitions: Sequence[str]) -> str:
    """The statement that fills the staging table."""
    names = ", ".join(identifier(name) for name in contract.column_names)
    return (
        f"INSERT INTO {staging_name(contract)} ({names}) SELECT {names} "
        f"FROM {selected(contract, source, partitions)}"
    )


def measures(contract: TableContract) -> tuple[str, ...]:
    """Numbers that are no keys: their sums are compared."""
    return tuple(
        c.name
        for c in contract.columns
        if c.name not in contract.unique_key
        and (pa.types.is_integer(c.arrow_type) or pa.types.is_floating(c.arrow_type))
    )


def fingerprint_sql(contract: TableContract, rows: str) -> str:
    """By partition: count, a hash of the keys, a hash of all values, the sum of each measure.

    Hashes are sums of the rows' 64-bit hashes: the order of rows does not matter, a row that stands twice does.
    """
    column = contract.partition_column
    parts = [
        f"{f'toString({identifier(column)})' if column else text(WHOLE)} AS {PART}",
        f"count() AS {ROWS}",
        f"sum({_hash(contract.unique_key)}) AS {KEYS}",
        f"sum({_hash(contract.column_names)}) AS {VALUES}",
        *(f"sum({identifier(name)}) AS {SUM}{n}" for n, name in enumerate(measures(contract))),
    ]
    return f"SELECT {', '.join(parts)} FROM {rows} GROUP BY {PART}"


def publish_sql(contract: TableContract, filled: Iterable[str], emptied: Iterable[str]) -> str:
    """One statement that puts staged partitions in place of those that stand, and drops those without rows.

    Each partition changes atomically: a reader sees its old rows or its new ones.
    """
    commands = [
        *(f"REPLACE PARTITION {_partition(part)} FROM {staging_name(contract)}" for part in filled),
        *(f"DROP PARTITION {_partition(part)}" for part in emptied),
    ]
    return f"ALTER TABLE {_name(contract)} " + ", ".join(commands)


def published_rows_sql(contract: TableContract) -> str:
    """Rows by partition as the store's own list of parts has them."""
    part = "partition" if contract.partition_column else text(WHOLE)
    return (
        f"SELECT {part} AS {PART}, sum(rows) FROM system.parts WHERE active AND database = {text(contract.layer)} "
        f"AND table = {text(contract.name)} GROUP BY {PART}"
    )


def drop_staging_sql(contract: TableContract) -> str:
    """The statement that removes the staging table at once."""
    return f"DROP TABLE IF EXISTS {staging_name(contract)} SYNC"


def _hash(names: Iterable[str]) -> str:
    return f"sipHash64(tuple({', '.join(identifier(name) for name in names)}))"


def _where(contract: TableContract, partitions: Sequence[str]) -> str:
    column = contract.partition_column
    if column is None:
        return ""
    days = [literal(date.fromisoformat(part), "clickhouse") for part in partitions]
    return f" WHERE {identifier(column)} IN ({', '.join(days)})"


def _partition(part: str) -> str:
    return text(part) if part else "tuple()"


def _name(contract: TableContract) -> str:
    return f"{identifier(contract.layer)}.{identifier(contract.name)}"
