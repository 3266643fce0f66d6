"""A topic as a streaming view.

Belongs here: decoding records with the schemas they were written with, which columns are shown, event time. Does not
belong here: which columns name a person (the contracts say), the query.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from media_analytics.settings import Kafka
from spark_jobs.user_events import source
from spark_jobs.user_events.decode import HEADER_BYTES, with_schema_id

APPENDED = "appended_at"
VISITOR, VISITOR_KEY = "visitor_id", "visitor_key"


@dataclass(frozen=True)
class LiveTopic:
    """What is read and shown of a topic.

    `writers`: schema of each id that is decoded; others are left out. `start`: partition to the offset to begin with.
    """

    name: str
    reader: Mapping[str, Any]
    writers: Mapping[int, Mapping[str, Any]]
    columns: Sequence[str]
    start: Mapping[int, int]

    @property
    def view(self) -> str:
        """Its name in SQL: `user.latest` is `user_latest`."""
        return self.name.replace(".", "_")


@dataclass(frozen=True)
class Window:
    """Which column is the event time, and how late an event may come (Spark's interval)."""

    event_time: str
    lateness: str


def create_view(spark: SparkSession, kafka: Kafka, topic: LiveTopic, window: Window, salt: str) -> None:
    """Make the topic's temporary view in this session.

    `visitor_key` tells visitors apart within one query; its salt is forgotten with the query.
    """
    options = source.options(kafka, topic.name) | {
        "failOnDataLoss": "false",
        "startingOffsets": source.offsets_json(topic.name, topic.start),
    }
    records = with_schema_id(spark.readStream.format("kafka").options(**options).load())
    rows = records.select(_record(topic).alias("record"), "timestamp").where("record IS NOT NULL")
    fields = [field["name"] for field in topic.reader["fields"]]
    columns = [F.col(f"record.{name}").alias(name) for name in topic.columns]
    if VISITOR in fields:
        text = F.concat(F.lit(salt), F.col(f"record.{VISITOR}"))
        columns.append(F.substring(F.sha2(text, 256), 1, 16).alias(VISITOR_KEY))
    if APPENDED not in fields:
        columns.append(F.col("timestamp").alias(APPENDED))
    _with_event_time(rows.select(*columns), window).createOrReplaceTempView(topic.view)


def _record(topic: LiveTopic) -> Column:
    """The decoded record; null where it is not framed, of an unknown schema or does not decode."""
    datum = F.expr(f"substring(value, {HEADER_BYTES + 1})")
    options = {"mode": "PERMISSIVE", "avroSchema": json.dumps(topic.reader)}
    # What does not decode is a record of nulls.
    first = next(f["name"] for f in topic.reader["fields"] if not isinstance(f["type"], list))
    found = F.lit(None)
    for number, writer in topic.writers.items():
        decoded = from_avro(datum, json.dumps(writer), options)
        is_whole = (F.col("schema_id") == number) & decoded.getField(first).isNotNull()
        found = F.when(is_whole, decoded).otherwise(found)
    return found


def _with_event_time(rows: DataFrame, window: Window) -> DataFrame:
    return rows.withWatermark(window.event_time, window.lateness)
