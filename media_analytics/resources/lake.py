"""Delta tables of the lake, written through Spark Connect.

Belongs here: reading a table, staging a result, publishing it in one commit, versions, history, row
hashes; the rule that one process writes a table. Does not belong here: transforms, audits, what to
compute, and tables whose writer is a stream (their process maintains them; `ops.maintenance_requests`
asks it to).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from deltalake import DeltaTable
from pyarrow import fs
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DateType, DoubleType, FloatType, MapType, TimestampType

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.spark import spark_schema
from media_analytics.errors import ContractError, DataLossError
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.spark import SparkConnect, suited_to
from media_analytics.settings import Settings

WRITER = "spark-connect"
STAGING = ".staging"
# Longer than any run.
ABANDONED_AFTER = timedelta(days=7)
_SAFE = re.compile(r"[^A-Za-z0-9_.-]+")


SparkSource = SparkSession | SparkConnect | Callable[[], SparkSession]


@dataclass(frozen=True)
class Staged:
    """A result that stands beside the lake, in the contract's columns and types, not yet published.

    `frame` reads it, `view` is its name in SQL of the same session, `rows` counts it by partition value (ISO
    text; the empty text when the table is not partitioned). Partitions without rows are absent from `rows`.
    """

    contract: TableContract
    path: str
    run_id: str
    frame: DataFrame
    view: str
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Rows over all partitions."""
        return sum(self.rows.values())


class Lake:
    """One installation's lake. `spark` is a session or what makes one; nothing happens before first use."""

    def __init__(
        self, settings: Settings, spark: SparkSession | SparkConnect | Callable[[], SparkSession]
    ) -> None:
        """Keep the address; connect later."""
        self._settings = settings
        self._spark = spark

    @property
    def spark(self) -> SparkSession:
        """The session that reads and writes."""
        if isinstance(self._spark, SparkConnect):
            return self._spark.session()
        # A Connect session is no subclass of `SparkSession`.
        return self._spark() if callable(self._spark) else self._spark

    def suited_to(self, rows: int) -> AbstractContextManager[None]:
        """Meanwhile the session plans for so many rows."""
        return suited_to(rows, self.spark, self._settings)

    def path(self, contract: TableContract) -> str:
        """The table's address."""
        return self._settings.lake.table_path(contract.layer, contract.name)

    # -- reading

    def read(
        self, contract: TableContract, version: int | None = None, partitions: Sequence[str] | None = None
    ) -> DataFrame:
        """The table, or one version of it; `partitions` (ISO text) prunes the files that are read."""
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        frame = reader.load(self.path(contract))
        return frame if partitions is None else frame.where(partition_predicate(contract, partitions))

    def version(self, contract: TableContract) -> int:
        """The newest version, from the Delta log without Spark: cheap enough for every sensor tick."""
        return int(self._delta(contract).version())

    def history(self, contract: TableContract, limit: int = 20) -> list[dict[str, Any]]:
        """The newest commits first, as Delta describes them."""
        return list(self._delta(contract).history(limit))

    def schema_matches(self, contract: TableContract) -> bool:
        """Whether the stored columns are the contract's, in any order."""
        stored = {f.name: f.dataType for f in self.read(contract).schema.fields}
        return stored == {f.name: f.dataType for f in spark_schema(contract).fields}

    def row_counts(
        self, contract: TableContract, partitions: Sequence[str] | None = None, version: int | None = None
    ) -> dict[str, int]:
        """Rows by partition value; partitions without rows are absent."""
        return _count(contract, self.read(contract, version, partitions))

    def row_hashes(
        self, contract: TableContract, partitions: Sequence[str] | None = None, version: int | None = None
    ) -> dict[str, str]:
        """By partition value, SHA-256 over the sorted SHA-256 of its rows, provenance columns left out."""
        return _row_hashes(contract, self.read(contract, version, partitions))

    def row_hash(
        self, contract: TableContract, partitions: Sequence[str] | None = None, version: int | None = None
    ) -> str:
        """One hash over all given partitions: equal if and only if their rows are equal, provenance aside."""
        frame = self.read(contract, version, partitions)
        row = frame.select(row_sha(contract)).agg(_hash_of_rows(F.col("row_sha")).alias("hash")).collect()[0]
        return str(row["hash"])

    # -- writing

    def stage(self, contract: TableContract, df: DataFrame, run_id: str, *, counted: bool = True) -> Staged:
        """Write `df` beside the lake in the contract's columns and types and count it, unless that is not wanted.

        Staging again under the same run id replaces the first attempt.

        Raises:
            ContractError: another process writes this table, or a column is missing or unknown.
        """
        _refuse_other_writer(contract)
        spark = self.spark
        self.delete_abandoned(contract)
        path = f"{self._staging(contract)}/{_SAFE.sub('_', run_id)}"
        conform(contract, df).write.mode("overwrite").parquet(path)
        frame = spark.read.schema(spark_schema(contract)).parquet(path)
        view = re.sub(r"\W+", "_", f"staged_{contract.layer}_{contract.name}_{run_id}")
        frame.createOrReplaceTempView(view)
        return Staged(contract, path, run_id, frame, view, _count(contract, frame) if counted else {})

    def publish(self, contract: TableContract, staged: Staged, partitions: Sequence[str]) -> int:
        """Replace exactly `partitions` (ISO text) by the staged rows in one commit; return its version.

        A partition with no staged row becomes empty. A table that is not partitioned is replaced as a whole. Delta
        makes no commit when nothing replaces nothing: the version is then the one that stood.
        """
        _refuse_other_writer(contract)
        if staged.contract.key != contract.key:
            raise ContractError(
                f"what was staged for {staged.contract.full_name} cannot be published as "
                f"{contract.full_name}; stage it with the contract of {contract.full_name}"
            )
        writer, stood = staged.frame, self.version(contract)
        if contract.partition_column is not None:
            if not partitions:
                raise ContractError(f"{contract.full_name} is partitioned: say which partitions to publish")
            writer = writer.where(partition_predicate(contract, partitions))
        writing = writer.write.format("delta").mode("overwrite")
        if contract.partition_column is not None:
            writing = writing.option("replaceWhere", partition_predicate(contract, partitions))
        writing = writing.option("userMetadata", _commit_note(staged.run_id, partitions))
        writing.save(self.path(contract))
        if self.version(contract) == stood:
            return stood
        return self._version_of_run(contract, staged.run_id)

    def append(
        self,
        contract: TableContract,
        df: DataFrame,
        txn: tuple[str, int] | None = None,
        run_id: str | None = None,
    ) -> int:
        """Append rows; with `txn` = (application, version) a repeated call appends nothing."""
        _refuse_other_writer(contract)
        writing = conform(contract, df).write.format("delta").mode("append")
        if txn is not None:
            writing = writing.option("txnAppId", txn[0]).option("txnVersion", txn[1])
        if run_id is not None:
            writing = writing.option("userMetadata", _commit_note(run_id, ()))
        writing.save(self.path(contract))
        return self.version(contract)

    def merge(self, contract: TableContract, df: DataFrame, on: Sequence[str] | None = None) -> int:
        """Insert rows, or update those whose `on` columns (default: the unique key) are already there."""
        _refuse_other_writer(contract)
        keys = tuple(on or contract.unique_key)
        if not keys:
            raise ContractError(f"{contract.full_name} has no unique key; pass the columns to merge on")
        view = f"merged_{contract.layer}_{contract.name}"
        conform(contract, df).createOrReplaceTempView(view)
        condition = " AND ".join(f"target.`{name}` <=> source.`{name}`" for name in keys)
        # As SQL: over Connect, `mergeInto` a path cannot name the target's columns.
        self.spark.sql(
            f"MERGE INTO delta.`{self.path(contract)}` AS target USING {view} AS source ON {condition} "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        ).collect()
        self.spark.catalog.dropTempView(view)
        return self.version(contract)

    def restore(self, contract: TableContract, version: int) -> int:
        """Make an earlier version stand again, as a new version; its number."""
        _refuse_other_writer(contract)
        self.spark.sql(
            f"RESTORE TABLE delta.`{self.path(contract)}` TO VERSION AS OF {int(version)}"
        ).collect()
        return self.version(contract)

    def delete_staging(self, staged: Staged) -> None:
        """Remove what was staged; its frame cannot be read afterwards."""
        self.spark.catalog.dropTempView(staged.view)
        self._delete(staged.path)

    def delete_abandoned(self, contract: TableContract) -> None:
        """Remove what runs of this table staged and left behind when they were killed, a week ago or longer."""
        system, folder = self._opened(self._staging(contract))
        newest: dict[str, datetime] = {}
        for found in system.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True)):
            # Folders of object stores have no time.
            if found.mtime is not None:
                run = found.path.removeprefix(f"{folder}/").partition("/")[0]
                newest[run] = max(found.mtime, newest.get(run, found.mtime))
        for run, written_at in newest.items():
            if written_at < datetime.now(UTC) - ABANDONED_AFTER:
                system.delete_dir(f"{folder}/{run}")

    # -- inside

    def _staging(self, contract: TableContract) -> str:
        return f"{self._settings.lake.url.rstrip('/')}/{STAGING}/{contract.layer}/{contract.name}"

    def _delta(self, contract: TableContract) -> DeltaTable:
        return DeltaTable(without_hadoop(self.path(contract)))

    def _opened(self, path: str) -> tuple[fs.FileSystem, str]:
        if "://" not in path:
            return fs.LocalFileSystem(), path
        system, inner = fs.FileSystem.from_uri(without_hadoop(path))
        return system, inner

    def _delete(self, path: str) -> None:
        system, inner = self._opened(path)
        if system.get_file_info(inner).type != fs.FileType.NotFound:
            system.delete_dir(inner)

    def _version_of_run(self, contract: TableContract, run_id: str) -> int:
        for commit in self.history(contract, 50):
            if f'"run_id": "{run_id}"' in str(commit.get("userMetadata", "")):
                return int(commit["version"])
        raise DataLossError(
            f"the commit of run {run_id} is not among the newest 50 of {contract.full_name}: another process "
            f"writes this table; only {contract.writer} may"
        )


def conform(contract: TableContract, df: DataFrame) -> DataFrame:
    """`df` with the contract's columns in its order and types.

    Raises:
        ContractError: a column is missing, or one is not in the contract.
    """
    schema = spark_schema(contract)
    missing = [f.name for f in schema.fields if f.name not in df.columns]
    unknown = [name for name in df.columns if name not in schema.names]
    if missing or unknown:
        raise ContractError(
            f"{contract.full_name}: missing columns {missing}, unknown columns {unknown}; expected exactly "
            f"{schema.names}"
        )
    return df.select([F.col(f.name).cast(f.dataType).alias(f.name) for f in schema.fields])


def partition_predicate(contract: TableContract, partitions: Iterable[str]) -> str:
    """`column IN (...)`: one flat list; a chain of ORs exhausts the parser's stack at some hundred dates."""
    column = contract.partition_column
    if column is None:
        raise ContractError(f"{contract.full_name} is not partitioned: it is read and replaced as a whole")
    values = sorted(set(partitions))
    if not values:
        return "false"
    if isinstance(_type_of(contract, column), DateType):
        literals = [f"DATE'{date.fromisoformat(v).isoformat()}'" for v in values]
        return f"`{column}` IN ({', '.join(literals)})"
    bad = [v for v in values if not re.fullmatch(r"[0-9T:-]+", v)]
    if bad:
        raise ContractError(
            f"{contract.full_name}: {bad[0]!r} is no partition; expected a date or an hour in ISO text"
        )
    return f"`{column}` IN ({', '.join(repr(v) for v in values)})"


def row_sha(contract: TableContract) -> Column:
    """SHA-256 of a row as JSON: contract order, nulls kept, instants in microseconds, maps sorted by key."""
    provenance = {column.name for column in contract.columns if column.provenance}
    values = [
        _canonical(f.name, f.dataType) for f in spark_schema(contract).fields if f.name not in provenance
    ]
    return F.sha2(F.to_json(F.struct(*values), {"ignoreNullFields": "false"}), 256).alias("row_sha")


def _canonical(name: str, kind: DataType) -> Column:
    column = F.col(name)
    if isinstance(kind, TimestampType):
        column = F.unix_micros(column)
    elif isinstance(kind, (DateType, DoubleType, FloatType)):
        column = column.cast("string")
    elif isinstance(kind, MapType):
        column = F.array_sort(F.map_entries(column))
    return column.alias(name)


def _hash_of_rows(row: Column) -> Column:
    return F.sha2(F.concat_ws("", F.array_sort(F.collect_list(row))), 256)


def _row_hashes(contract: TableContract, frame: DataFrame) -> dict[str, str]:
    column = contract.partition_column
    part = F.lit("") if column is None else F.col(column).cast("string")
    grouped = frame.select(part.alias("part"), row_sha(contract)).groupBy("part")
    return {
        r["part"]: r["hash"] for r in grouped.agg(_hash_of_rows(F.col("row_sha")).alias("hash")).collect()
    }


def _count(contract: TableContract, frame: DataFrame) -> dict[str, int]:
    column = contract.partition_column
    part = F.lit("") if column is None else F.col(column).cast("string")
    return {r["part"]: int(r["count"]) for r in frame.groupBy(part.alias("part")).count().collect()}


def _type_of(contract: TableContract, column: str) -> DataType:
    return spark_schema(contract)[column].dataType


def _commit_note(run_id: str, partitions: Iterable[str]) -> str:
    values = sorted(set(partitions))
    note: dict[str, Any] = {"run_id": run_id, "partitions": len(values)}
    if values:
        note |= {"first": values[0], "last": values[-1]}
    return json.dumps(note)


def _refuse_other_writer(contract: TableContract) -> None:
    if contract.store != "delta" or contract.writer != WRITER:
        raise ContractError(
            f"{contract.full_name} is written by {contract.writer!r} only; this process is {WRITER!r}. One "
            "process writes a table, because two overwrite each other's commits on object stores. Ask its "
            "writer by a row in ops.maintenance_requests."
        )
