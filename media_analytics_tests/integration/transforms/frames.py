"""From rows to frames and back.

Belongs here: making a frame of a contract's schema, comparing rows with the reference. Does not belong here: traffic.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema

PROVENANCE = "loaded_at"


def frame(spark: SparkSession, contract: TableContract, rows: Iterable[dict[str, Any]]) -> DataFrame:
    """A frame of exactly the contract's columns; what a row does not name is null."""
    schema = pa.schema([(c.name, c.arrow_type) for c in contract.columns])
    full = [{name: row.get(name) for name in schema.names} for row in rows]
    return spark.createDataFrame(pa.Table.from_pylist(full, schema=schema), schema=spark_schema(contract))


def silver_frame(spark: SparkSession, rows: Iterable[dict[str, Any]]) -> DataFrame:
    return frame(spark, table("silver.events"), rows)


def bronze_frame(spark: SparkSession, rows: Iterable[dict[str, Any]]) -> DataFrame:
    return frame(spark, table("bronze.user_events"), rows)


def collected(df: DataFrame) -> list[dict[str, Any]]:
    """All rows, instants in UTC."""
    rows = df.toArrow().to_pylist()
    return [
        {k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in row.items() if k != PROVENANCE}
        for row in rows
    ]


def assert_same_rows(
    found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]], keys: Sequence[str]
) -> None:
    """The same keys, each with the same values; floats to 1e-9."""

    def by_key(rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        keyed = {tuple(str(r[k]) for k in keys): r for r in rows}
        assert len(keyed) == len(rows), "two rows of one key"
        return keyed

    ours, theirs = by_key(found), by_key(expected)
    assert sorted(set(ours) ^ set(theirs)) == []
    wrong = [
        (key, name, ours[key].get(name, "no such column"), value)
        for key, row in theirs.items()
        for name, value in row.items()
        if name != PROVENANCE and not _same(ours[key].get(name, "no such column"), value)
    ]
    assert wrong[:5] == []


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, float) and isinstance(expected, (float, int)):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == expected)
