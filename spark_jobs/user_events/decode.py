"""From Kafka records to rows of bronze.user_events, as Spark expressions.

Belongs here: decoding per writer schema, which rows cannot be used and why. Does not belong here: the
registry, sending letters, writing.

A record is used if its schema is known, it decodes, its bytes are exactly what the decoded record
encodes to, every column that must not be null is there, instants lie between 1970 and 2200 and texts
are UTF-8. Nothing else is judged: the enricher has judged the content before.
"""

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro, to_avro
from pyspark.sql.types import StringType, StructField, StructType, TimestampType

HEADER_BYTES = 5
HOUR = "yyyy-MM-dd'T'HH"
# Columns of bronze that the stream adds to what the record says.
OWN = ("schema_id", "latest_partition", "latest_offset", "batch_id", "loaded_at", "appended_hour")
_EARLIEST, _LATEST = "1970-01-01", "2200-01-01"


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
    schema = json.dumps(writer)
    options = {"mode": "PERMISSIVE", "avroSchema": json.dumps(reader)}
    names = {field["name"] for field in reader["fields"]}
    # What does not decode is a record of nulls, which cannot be encoded.
    required = [f["name"] for f in writer["fields"] if not isinstance(f["type"], list)]
    decoded = F.col(f"exact.{required[0]}").isNotNull() if required else F.lit(True)
    columns = [_column(field, names) for field in table if field.name not in OWN]
    wanted = [field for field in table if field.name not in OWN]
    return (
        records.withColumn("record", from_avro(datum, schema, options))
        .withColumn("exact", from_avro(datum, schema, {"mode": "PERMISSIVE"}))
        # Bytes behind the datum, or a datum that only seems to decode, encode to something else.
        .withColumn("encoded_bytes", F.when(decoded, F.length(to_avro("exact", schema))))
        .select(*columns, *_places(), F.col("encoded_bytes"))
        .withColumn("problem", _problem(wanted))
        .drop("encoded_bytes")
    )


def _column(field: StructField, names: set[str]) -> Column:
    value = F.col(f"record.{field.name}") if field.name in names else F.lit(None)
    return value.try_cast(field.dataType).alias(field.name)


def _places() -> list[Column]:
    return [
        F.col("schema_id").cast("int").alias("schema_id"),
        F.col("partition").cast("int").alias("latest_partition"),
        F.col("offset").alias("latest_offset"),
        F.col("timestamp").alias("latest_timestamp"),
        F.col("value"),
    ]


def _problem(wanted: list[StructField]) -> Column:
    """The first rule a row breaks, as the letter's code and the column; null for a row that can be used."""
    problem = F.when(
        F.col("encoded_bytes").isNull() | (F.col("encoded_bytes") != F.length("value") - HEADER_BYTES),
        F.lit("undecodable"),
    )
    for field in wanted:
        column = F.col(field.name)
        if not field.nullable:
            problem = problem.when(column.isNull(), F.lit(f"missing_field:{field.name}"))
        if isinstance(field.dataType, TimestampType):
            outside = (column < F.lit(_EARLIEST).cast("timestamp")) | (
                column >= F.lit(_LATEST).cast("timestamp")
            )
            problem = problem.when(outside, F.lit(f"out_of_range:{field.name}"))
        if isinstance(field.dataType, StringType):
            problem = problem.when(~F.is_valid_utf8(column), F.lit(f"not_utf8:{field.name}"))
    return problem
