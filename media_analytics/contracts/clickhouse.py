"""Contract to ClickHouse DDL.

Belongs here: types, engines, order and retention of a ClickHouse table. Does not belong here: running the
statements (`migrations/`).
"""

from typing import Literal

import pyarrow as pa

from media_analytics.contracts.model import Column, Contract, Daily, Full, Hourly, TableContract
from media_analytics.errors import ContractError

Variant = Literal["plain", "replicated"]
# Inserts remembered for deduplication: at five flushes a second more than half an hour of them.
DEDUPLICATION_WINDOW = 10_000


def clickhouse_type(column: Column) -> str:
    """The ClickHouse type. Lists and maps cannot be null there: null becomes empty.

    Raises:
        ContractError: the type has no ClickHouse form here.
    """
    if column.clickhouse_type:
        return column.clickhouse_type
    name = _value_type(column.arrow_type)
    nested = pa.types.is_map(column.arrow_type) or pa.types.is_list(column.arrow_type)
    return f"Nullable({name})" if column.nullable and not nested else name


def _value_type(arrow_type: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow_type):
        return "DateTime64(6, 'UTC')"
    if pa.types.is_map(arrow_type):
        return f"Map({_value_type(arrow_type.key_type)}, {_value_type(arrow_type.item_type)})"
    if pa.types.is_list(arrow_type):
        return f"Array({_value_type(arrow_type.value_type)})"
    names = {
        pa.string(): "String",
        pa.binary(): "String",
        pa.bool_(): "Bool",
        pa.int32(): "Int32",
        pa.int64(): "Int64",
        pa.float64(): "Float64",
        pa.date32(): "Date32",
    }
    if arrow_type not in names:
        raise ContractError(
            f"no ClickHouse type for {arrow_type}; use one of the types in contracts/rules.py"
        )
    return names[arrow_type]


def column_definition(column: Column) -> str:
    """One column of a DDL statement."""
    default = f" DEFAULT {column.store_default}" if column.store_default else ""
    return f"{identifier(column.name)} {clickhouse_type(column)}{default} COMMENT {text(column.description)}"


def create_database_sql(contract: TableContract, variant: Variant = "plain") -> str:
    """The statement that creates the layer's database."""
    return f"CREATE DATABASE IF NOT EXISTS {identifier(contract.layer)}{_on_cluster(variant)}"


def create_table_sql(contract: TableContract, variant: Variant = "plain") -> str:
    """The statement that creates the table.

    The replicated variant uses the server's macros `{shard}`, `{replica}` and `{cluster}`.

    Raises:
        ContractError: the table is not a ClickHouse table.
    """
    if contract.store != "clickhouse":
        raise ContractError(f"{contract.full_name} is kept in {contract.store}, not in ClickHouse")
    columns = ",\n  ".join(column_definition(column) for column in contract.columns)
    name = f"{identifier(contract.layer)}.{identifier(contract.name)}"
    parts = [
        f"CREATE TABLE IF NOT EXISTS {name}{_on_cluster(variant)} (\n  {columns}\n)",
        f"ENGINE = {_engine(variant)}",
        *_partition_by(contract),
        f"ORDER BY ({', '.join(identifier(key) for key in contract.sort_keys)})",
        *_ttl(contract),
        *([f"SETTINGS {settings(variant)}"] if remembers_inserts(contract) else []),
        f"COMMENT {text(contract.grain)}",
    ]
    return "\n".join(parts)


def staging_name(contract: TableContract) -> str:
    """The quoted name of the table in which partitions of a copy stand until they are published."""
    return f"{identifier(contract.layer)}.{identifier(f'{contract.name}__staging')}"


def create_staging_sql(contract: TableContract) -> str:
    """The statement that makes the staging table, empty, in place of what an ended run left.

    A plain table also beside a replicated one: it lives for one run on the server that the run talks to, and
    `REPLACE PARTITION` hands its parts to the replicas.
    """
    columns = ",\n  ".join(
        f"{identifier(column.name)} {clickhouse_type(column)}" for column in contract.columns
    )
    parts = [
        f"CREATE OR REPLACE TABLE {staging_name(contract)} (\n  {columns}\n)",
        f"ENGINE = {_engine('plain')}",
        *_partition_by(contract),
        f"ORDER BY ({', '.join(identifier(key) for key in contract.sort_keys)})",
    ]
    return "\n".join(parts)


def add_column_sql(contract: TableContract, column: Column, variant: Variant = "plain") -> str:
    """The statement that adds a column to an existing table."""
    name = f"{identifier(contract.layer)}.{identifier(contract.name)}"
    return f"ALTER TABLE {name}{_on_cluster(variant)} ADD COLUMN IF NOT EXISTS {column_definition(column)}"


def retention_sql(contract: TableContract, variant: Variant = "plain") -> str:
    """The statement that sets how long rows are kept."""
    name = f"{identifier(contract.layer)}.{identifier(contract.name)}"
    what = _ttl(contract)
    return f"ALTER TABLE {name}{_on_cluster(variant)} " + (f"MODIFY {what[0]}" if what else "REMOVE TTL")


def window_sql(contract: TableContract, variant: Variant = "plain") -> str:
    """The statement that sets how many insert tokens the table remembers."""
    name = f"{identifier(contract.layer)}.{identifier(contract.name)}"
    return f"ALTER TABLE {name}{_on_cluster(variant)} MODIFY SETTING {settings(variant)}"


def remembers_inserts(contract: TableContract) -> bool:
    """Whether a repeated insert must be recognised: the sink repeats inserts; copies are replaced as they are."""
    return contract.writer == "sink"


def settings(variant: Variant) -> str:
    """Table settings: without a window a repeated insert token would insert again."""
    prefix = "replicated" if variant == "replicated" else "non_replicated"
    return f"{prefix}_deduplication_window = {DEDUPLICATION_WINDOW}"


def empty_contract_columns(contract: Contract) -> list[str]:
    """Columns whose null becomes empty in ClickHouse."""
    return [
        c.name
        for c in contract.columns
        if c.nullable and (pa.types.is_list(c.arrow_type) or pa.types.is_map(c.arrow_type))
    ]


def identifier(name: str) -> str:
    """A quoted name."""
    return f"`{name}`"


def text(value: str) -> str:
    """A quoted string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _engine(variant: Variant) -> str:
    if variant == "plain":
        return "MergeTree"
    return "ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')"


def _on_cluster(variant: Variant) -> str:
    return " ON CLUSTER '{cluster}'" if variant == "replicated" else ""


def partition_key(contract: TableContract) -> str:
    """The expression rows are split by, as the store prints it; empty for none."""
    scheme = contract.partitioning
    if isinstance(scheme, Full):
        return ""
    column = next(c for c in contract.columns if c.name == scheme.column)
    if not pa.types.is_timestamp(column.arrow_type):
        return scheme.column
    return f"toStartOfHour({scheme.column})" if isinstance(scheme, Hourly) else f"toDate({scheme.column})"


def _partition_by(contract: TableContract) -> list[str]:
    key = partition_key(contract)
    return [f"PARTITION BY {key}"] if key else []


def _ttl(contract: TableContract) -> list[str]:
    if contract.retention is None or not isinstance(contract.partitioning, Daily | Hourly):
        return []
    return [f"TTL toDate({contract.partitioning.column}) + INTERVAL {contract.retention.days} DAY"]
