"""What a contract is.

Belongs here: `TableContract`, `TopicContract` and the values they are made of. Does not belong here: a
contract of one table (`tables/`, `topics/`), a rule (`rules.py`), or what is derived from contracts (one
module per compiler).
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa
from pandera.pandas import DataFrameModel, DataFrameSchema

from media_analytics.errors import ContractError

# What makes a column personal data, strongest first. None: says nothing about a person.
PersonalData = Literal[
    "identifier", "pseudonym", "network_address", "device", "location", "behaviour", "content"
]
Store = Literal["delta", "clickhouse", "files"]
# `micro-batch`: runs that a Kafka sensor starts, one at a time for each table. `minute-analysis`: its runs and sensor.
# `replay`: runs that replay dead letters, one at a time. `warehouse-load`: runs that copy a table of the lake.
Writer = Literal[
    "spark-connect", "stream", "sink", "micro-batch", "minute-analysis", "replay", "warehouse-load"
]
CheckedStore = Literal["realtime", "lake"]


@dataclass(frozen=True)
class Freshness:
    """How old the newest publication may be before a warning and before a failure."""

    warn: timedelta
    fail: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) < self.warn < self.fail:
            raise ContractError(f"freshness needs 0 < warn < fail; got warn={self.warn}, fail={self.fail}")


@dataclass(frozen=True)
class Hourly:
    """One partition per UTC hour of `column`; `stored` is the Delta partition column, if there is one."""

    column: str
    stored: str | None = None


@dataclass(frozen=True)
class Daily:
    """One partition per UTC date of `column`; `stored` is the Delta partition column, if there is one."""

    column: str
    stored: str | None = None


@dataclass(frozen=True)
class Full:
    """The table is replaced as a whole, for the reason given."""

    reason: str


Partitioning = Hourly | Daily | Full


@dataclass(frozen=True)
class Column:
    """One column, as every compiler sees it.

    `provenance` columns say how a row came here, not what it says: they are left out of row hashes.
    `store_default` is an SQL default of the ClickHouse column; such a column may be missing from an insert.
    """

    name: str
    arrow_type: pa.DataType
    nullable: bool
    description: str
    personal_data: PersonalData | None = None
    provenance: bool = False
    derived_from: str | None = None
    clickhouse_type: str | None = None
    store_default: str | None = None
    # Value an Avro reader takes when the writer did not know the field; only meaningful with has_default.
    has_default: bool = False
    default: Any = None


def _columns(schema: DataFrameSchema) -> tuple[Column, ...]:
    columns = []
    for name, column in schema.columns.items():
        hints = dict(column.metadata or {})
        columns.append(
            Column(
                name=name,
                arrow_type=column.dtype.type.pyarrow_dtype,
                nullable=bool(column.nullable),
                description=column.description or "",
                personal_data=hints.get("personal_data"),
                provenance=bool(hints.get("provenance", False)),
                derived_from=hints.get("derived_from"),
                clickhouse_type=hints.get("clickhouse_type"),
                store_default=hints.get("store_default"),
                has_default=bool(column.nullable) or "avro_default" in hints,
                default=hints.get("avro_default"),
            )
        )
    return tuple(columns)


def _schema(model: type[DataFrameModel]) -> DataFrameSchema:
    schema = model.to_schema()
    # A key that stands n times counts n - 1 failures, as `count(*) - count(distinct key)` does.
    schema.report_duplicates = "exclude_first"
    return schema


def grain_of(model: type[DataFrameModel], unit: str | None = None) -> str:
    """What a table's rows are, in the model's own words; `unit` says what one row is where its Config does not."""
    return f"{(model.__doc__ or '').strip()} {(unit or model.Config.__doc__ or '').strip()}"


@dataclass(frozen=True)
class TableContract:
    """A table exists when its contract does."""

    layer: str
    name: str
    grain: str
    model: type[DataFrameModel]
    partitioning: Partitioning
    sort_keys: tuple[str, ...]
    freshness: Freshness
    refresh_interval: timedelta
    owner: str
    store: Store
    writer: Writer
    # Consent purposes a row needs to be used for anything beyond counting.
    purposes: tuple[str, ...] = ()
    # ClickHouse only: days a row is kept.
    retention: timedelta | None = None
    # Layers bronze and realtime: the topic whose messages are the rows.
    source: str | None = None
    # Layer warehouse: the table of the lake whose rows these are, partition by partition.
    copy_of: str | None = None
    # Columns that its files bring and the contract does not know are added to the stored table.
    keeps_unknown_columns: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The asset key."""
        return (self.layer, self.name)

    @property
    def full_name(self) -> str:
        """`layer.name`."""
        return f"{self.layer}.{self.name}"

    @cached_property
    def schema(self) -> DataFrameSchema:
        """The pandera schema of a frame that holds this table."""
        return _schema(self.model)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns in order."""
        return _columns(self.schema)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns in order."""
        return tuple(column.name for column in self.columns)

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return tuple(self.schema.unique or ())

    @property
    def partition_column(self) -> str | None:
        """The Delta partition column, or None when the files are not split."""
        return None if isinstance(self.partitioning, Full) else self.partitioning.stored


@dataclass(frozen=True)
class TopicContract:
    """A topic exists when its contract does. The value is Avro in Confluent framing."""

    name: str
    grain: str
    model: type[DataFrameModel]
    key: str
    partitions: int
    retention: timedelta
    freshness: Freshness
    refresh_interval: timedelta
    owner: str
    compatibility: Literal["BACKWARD"] = "BACKWARD"
    # The stores in which every offset must be found again.
    stores: tuple[CheckedStore, ...] = ()
    purposes: tuple[str, ...] = ()
    # The topic it is made from; None for the first topic that holds an event.
    made_from: str | None = None
    # False: written in transactions, whose marks have offsets too; its records are counted one by one.
    is_contiguous: bool = True
    # Fields that are null when the event's consent lacks `analytics`.
    removed_without_analytics: tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        """Topics stand in the layer `kafka`."""
        return "kafka"

    @property
    def asset_key(self) -> tuple[str, str]:
        """The asset key: a topic keeps its dot."""
        return ("kafka", self.name)

    @property
    def full_name(self) -> str:
        """`kafka.` and the topic's name."""
        return f"kafka.{self.name}"

    @property
    def partitioning(self) -> Partitioning:
        """A topic is one unpartitioned asset: Kafka deletes its past by itself."""
        return Full("a topic is a log; its hours are bounded in ops.offset_bounds")

    @property
    def family(self) -> str:
        """The family whose events it holds: `user.raw` is `user`."""
        return self.name.partition(".")[0]

    @property
    def subject(self) -> str:
        """The registry subject of the value."""
        return f"{self.name}-value"

    @property
    def record_name(self) -> str:
        """The Avro record's name: `user.raw` is `UserRaw`."""
        return "".join(part.capitalize() for part in self.name.replace("_", ".").split("."))

    @cached_property
    def schema(self) -> DataFrameSchema:
        """The pandera schema of a frame that holds messages of this topic."""
        return _schema(self.model)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All fields in order."""
        return _columns(self.schema)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all fields in order."""
        return tuple(column.name for column in self.columns)

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The fields that identify a message's fact."""
        return tuple(self.schema.unique or ())


Contract = TableContract | TopicContract
