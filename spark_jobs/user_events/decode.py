"""From Kafka records to rows of bronze.user_events, as Spark expressions.

Belongs here: decoding per writer schema, which rows cannot be used and why. Does not belong here: the
registry, sending letters, writing.

A record is used if its schema is known, it decodes, its bytes are exactly what the decoded record
encodes to, every column that must not be null is there, instants lie between 1970 and 2200 and texts
are UTF-8. Nothing else is judged: the enricher has judged the content before.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro, to_avro
from pyspark.sql.types import DataType, StringType, StructField, StructType, TimestampType

from streaming.codecs.instants import microseconds

HEADER_BYTES = 5
HOUR = "yyyy-MM-dd'T'HH"
# Columns of bronze that the stream adds to what the record says.
OWN = ("schema_id", "latest_partition", "latest_offset", "batch_id", "loaded_at", "appended_hour")
# The code of a letter whose bytes are not a record.
BROKEN = "undecodable"
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def with_schema_id(records: DataFrame) -> DataFrame:
    """Kafka records with `schema_id`, null where the value is not in the Confluent framing."""
    framed = (F.length("value") >= HEADER_BYTES) & (F.hex(F.substring("value", 1, 1)) == "00")
    number = F.conv(F.hex(F.substring("value", 2, 4)), 16, 10).cast("long")
    return records.select(
        "value",
        "partition",
        "offset",
        "timestamp",
        F.when(framed, number).alias("schema_id"),
    )


def decode(
    records: DataFrame,
    writers: Mapping[int, Mapping[str, Any]],
    reader: Mapping[str, Any],
    table: StructType,
) -> DataFrame:
    """Rows in the table's columns, and with them `value`, `latest_timestamp` and `problem` (null: can be used).

    Args:
        records: what `with_schema_id` gives.
        writers: the schema of each id that can be used.
        reader: the newest schema; what a writer did not know takes the default it names.
        table: columns of bronze.user_events. Its own columns are set, except `batch_id` and `loaded_at`.
    """
    known = F.col("schema_id").isin(list(writers))
    parts = [_decoded(records.where(F.col("schema_id") == n), w, reader, table) for n, w in writers.items()]
    empty = [F.lit(None).cast(f.dataType).alias(f.name) for f in table if f.name not in OWN]
    unknown = records.where(~F.coalesce(known, F.lit(False))).select(
        *empty,
        *_places(),
        F.when(F.col("schema_id").isNull(), "undecodable").otherwise("unknown_schema").alias("problem"),
    )
    for part in parts:
        unknown = unknown.unionByName(part)
    return unknown.withColumn("appended_hour", F.date_format("appended_at", HOUR))


def _decoded(
    records: DataFrame, writer: Mapping[str, Any], reader: Mapping[str, Any], table: StructType
) -> DataFrame:
    datum = F.expr(f"substring(value, {HEADER_BYTES + 1})")
    schema, newest = json.dumps(writer), json.dumps(reader)
    frame = records.withColumn("record", from_avro(datum, newest, {"mode": "PERMISSIVE"}))
    exact = "record"
    if writer != reader:
        options = {"mode": "PERMISSIVE", "avroSchema": newest}
        frame = records.withColumn("record", from_avro(datum, schema, options))
        frame = frame.withColumn("exact", from_avro(datum, schema, {"mode": "PERMISSIVE"}))
        exact = "exact"
    # What does not decode is a record of nulls, which cannot be encoded.
    required = [f["name"] for f in writer["fields"] if not isinstance(f["type"], list)]
    decoded = F.col(f"{exact}.{required[0]}").isNotNull() if required else F.lit(True)
    # Bytes behind the datum, or a datum that only seems to decode, encode to something else.
    encoded = F.when(decoded, F.length(to_avro(exact, schema)))
    is_exact = F.coalesce(encoded == F.length("value") - HEADER_BYTES, F.lit(False))
    wanted = [field for field in table if field.name not in OWN]
    found = {field.name: field.dataType for field in frame.select("record.*").schema}
    columns = [_column(field, found) for field in wanted]
    rows = frame.select(*columns, *_places(), is_exact.alias("is_exact"))
    return rows.withColumn("problem", F.when(~_is_usable(wanted), F.lit(BROKEN))).drop("is_exact")


def _column(field: StructField, found: Mapping[str, DataType]) -> Column:
    if field.name not in found:
        return F.lit(None).cast(field.dataType).alias(field.name)
    value = F.col(f"record.{field.name}")
    return (value if found[field.name] == field.dataType else value.try_cast(field.dataType)).alias(
        field.name
    )


def _places() -> list[Column]:
    return [
        F.col("schema_id").cast("int").alias("schema_id"),
        F.col("partition").cast("int").alias("latest_partition"),
        F.col("offset").alias("latest_offset"),
        F.col("timestamp").alias("latest_timestamp"),
        F.col("value"),
    ]


def _is_usable(wanted: list[StructField]) -> Column:
    """One flat condition: a branch for each column made a plan that took seconds to compile."""
    usable = F.col("is_exact")
    for field in wanted:
        column = F.col(field.name)
        if not field.nullable:
            usable = usable & column.isNotNull()
        if isinstance(field.dataType, TimestampType):
            inside = (column >= F.lit(_EARLIEST)) & (column < F.lit(_LATEST))
            usable = usable & F.coalesce(inside, F.lit(True))
    texts = [f.name for f in wanted if isinstance(f.dataType, StringType)]
    # A space between two texts, so that no half of a character meets another half.
    return usable & F.is_valid_utf8(F.concat_ws(" ", *texts))


def problem_of(row: Mapping[str, Any], table: StructType) -> str:
    """Code and field of the rule that a row with a `problem` breaks: `missing_field:brand`.

    Instants of `row` are microseconds since 1970.
    """
    if row["problem"] != BROKEN:
        return str(row["problem"])
    wanted = [f for f in table if f.name not in OWN]
    required = [f.name for f in wanted if not f.nullable]
    missing = [name for name in required if row[name] is None]
    if len(missing) == len(required):
        return BROKEN
    if missing:
        return f"missing_field:{missing[0]}"
    instants = [f.name for f in wanted if isinstance(f.dataType, TimestampType) and row[f.name] is not None]
    first, end = microseconds(_EARLIEST), microseconds(_LATEST)
    outside = [name for name in instants if not first <= row[name] < end]
    return f"out_of_range:{outside[0]}" if outside else BROKEN
