"""One batch of the stream: from Kafka records to two Delta commits.

Belongs here: the order of effects. Does not belong here: where a batch begins and ends (`positions`),
what a row is (`decode`), the loop (`spark_jobs.jobs.user_events_stream`).

Effects, in this order; a crash test stops the process between every two of them:

1. read     records of the batch, decoded and split (no effect outside the process)
2. letters  dead letters of what cannot be used, acknowledged
3. dates    rows of ops.user_events_dates: one commit, its note says the batch's bounds
4. rows     rows of bronze.user_events: one commit with the same note

Both commits are Delta transactions under the batch's number: repeated, they write nothing. A crash
before 3 has left letters at most, which a repetition sends again under the same ids. After 3 and before
4 the note in the dates table is ahead of the one in bronze: the next start reads exactly those bounds
again and repeats 4. Because readers may have seen the dates while the rows were missing, such a
repetition writes the dates a second time, as of another batch.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType, TimestampType

from media_analytics.errors import DataLossError
from media_analytics.settings import Settings
from spark_jobs.user_events import decode, positions, source
from spark_jobs.user_events.letters import LetterBox
from spark_jobs.user_events.positions import APPLICATION, Bounds
from streaming.codecs.registry import RegistryClient, RegistryUnreachableError, UnknownSchemaError
from streaming.runtime import effects
from streaming.runtime.health import Health
from streaming.runtime.stop import StopSignal

TABLE = ("bronze", "user_events")
DATES = ("ops", "user_events_dates")
RECORD = "UserLatest"
# From so many records on, expressions that are compiled save more than compiling them costs (decision 0022).
COMPILED_FROM = 4_000
_RETRY_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Batches:
    """Writes batches. One for a process."""

    def __init__(
        self,
        settings: Settings,
        spark: SparkSession,
        registry: RegistryClient,
        letters: LetterBox,
        health: Health,
        stop: StopSignal,
        hook: effects.Hook = effects.nothing,
    ) -> None:
        self._settings = settings
        self._spark = spark
        self._registry = registry
        self._letters = letters
        self._health = health
        self._stop = stop
        self._hook = hook
        # The newest schema, and the ids that had been seen when it was asked for.
        self._newest: Mapping[str, Any] = {}
        self._seen: set[int] = set()
        self.table = settings.lake.table_path(*TABLE)
        self.dates = settings.lake.table_path(*DATES)

    def write(
        self, records: DataFrame, number: int, topic_id: str, begin: Mapping[int, int]
    ) -> Bounds | None:
        """Write the records of a batch that begins at `begin`; None when there is no record.

        Raises:
            DataLossError: another process wrote this batch: two streams run.
            StoppedError: asked to stop while waiting; what was not committed is not there.
        """
        framed = self._framed(records)
        try:
            bounds, ids = self._bounds(framed, number, topic_id, begin)
            if not ids:
                return None
            self._store(self.rows_of(framed, ids), bounds)
            return bounds
        finally:
            framed.unpersist()

    def repeat(self, bounds: Bounds) -> None:
        """Write the rows of a batch whose dates were committed and whose rows were not."""
        _LOG.info("batch %d was cut off before its rows; reading it again", bounds.number)
        framed = self._framed(self.read(bounds.first, bounds.end))
        try:
            _, ids = self._bounds(framed, bounds.number, bounds.topic_id, bounds.first)
            self._store(self.rows_of(framed, ids), bounds, is_repeated=True)
        finally:
            framed.unpersist()

    def read(self, first: Mapping[int, int], end: Mapping[int, int]) -> DataFrame:
        """Exactly the committed records of the given offsets."""
        reader = self._spark.read.format("kafka").options(**source.options(self._settings.kafka))
        # A partition that was added within the batch was read from its beginning.
        begins = {p: first.get(p, 0) for p in end}
        reader = reader.option("startingOffsets", source.offsets_json(source.TOPIC, begins))
        return reader.option("endingOffsets", source.offsets_json(source.TOPIC, end)).load()

    def rows_of(self, framed: DataFrame, ids: list[int | None]) -> DataFrame:
        """Decoded rows of records, with `problem`."""
        writers: dict[int, Mapping[str, Any]] = {}
        for schema_id in ids:
            schema = None if schema_id is None else self._schema(schema_id)
            if schema is not None and schema_id is not None:
                writers[schema_id] = schema
        return decode.decode(framed, writers, self._reader(writers), self.schema())

    def schema(self) -> StructType:
        """The table's columns as they are now: a column that was added meanwhile is filled from then on."""
        return self._spark.read.format("delta").load(self.table).schema

    def dates_of(self, rows: DataFrame, batch: str) -> DataFrame:
        """What rows of ops.user_events_dates say of rows of bronze."""
        keys = (F.to_date("occurred_at").alias("event_date"), "appended_hour", "source_partition")
        grouped = rows.groupBy(*keys).agg(
            F.lit(batch).alias("batch_id"),
            F.count(F.lit(1)).alias("rows"),
            F.min("occurred_at").alias("min_occurred_at"),
            F.max("occurred_at").alias("max_occurred_at"),
            F.min("source_offset").alias("first_offset"),
            F.max("source_offset").alias("last_offset"),
        )
        return grouped.withColumn("loaded_at", F.current_timestamp())

    def announce(self, rows: DataFrame, batch: str, note: str) -> Callable[[], None]:
        """Write the dates of rows that maintenance is about to change; the result writes them again, afterwards.

        Before, so that no change goes unannounced; afterwards, because a reader may have come in between.
        """
        # Held outside Spark: afterwards the rows are gone. Arrow keeps instants as they are, with their zone.
        found = self.dates_of(rows, batch).toArrow()
        self.append(self._spark.createDataFrame(found), self.dates, batch, 1, note)

        def again() -> None:
            repeated = self._spark.createDataFrame(found).withColumn("batch_id", F.lit(f"{batch}-done"))
            self.append(repeated, self.dates, f"{batch}-done", 1, note)

        return again

    def append(self, rows: DataFrame, path: str, application: str, number: int, note: str) -> None:
        """One commit, once per application and number."""
        writing = rows.coalesce(1).write.format("delta").mode("append")
        writing = writing.option("txnAppId", application).option("txnVersion", number)
        writing.option("userMetadata", note).save(path)

    def _framed(self, records: DataFrame) -> DataFrame:
        # A task for each core, not for each of the topic's partitions: each task generates the code of its plan anew.
        return decode.with_schema_id(records.coalesce(self._settings.spark.cores)).persist()

    def _bounds(
        self, framed: DataFrame, number: int, topic_id: str, begin: Mapping[int, int]
    ) -> tuple[Bounds, list[int | None]]:
        last, count = F.max("offset").alias("last"), F.count(F.lit(1)).alias("records")
        found = framed.groupBy("partition", "schema_id").agg(last, count).collect()
        is_large = sum(row["records"] for row in found) >= COMPILED_FROM
        mode = "FALLBACK" if is_large else "NO_CODEGEN"
        framed.sparkSession.conf.set("spark.sql.codegen.factoryMode", mode)
        end = dict(begin)
        for row in found:
            end[row["partition"]] = max(end.get(row["partition"], 0), row["last"] + 1)
        return Bounds(number, topic_id, dict(begin), end), sorted(
            {row["schema_id"] for row in found}, key=lambda n: (n is not None, n or 0)
        )

    def _store(self, decoded: DataFrame, bounds: Bounds, *, is_repeated: bool = False) -> None:
        batch = positions.batch_id(bounds.number)
        decoded = decoded.persist()
        try:
            broken = self._broken(decoded)
            good = decoded.where(F.col("problem").isNull()).drop("problem", "value", "latest_timestamp")
            self._hook("read")
            self._until_registry_answers(lambda: self._letters.send(broken))
            self._hook("letters")
            dates = self.dates_of(good, batch)
            self.append(dates, self.dates, APPLICATION, bounds.number, bounds.note())
            if is_repeated:
                again = self.dates_of(good, f"{batch}-repeated")
                self.append(again, self.dates, f"{APPLICATION}-repeated", bounds.number, bounds.note())
            self._require_ours(self.dates, bounds)
            self._hook("dates")
            stamped = good.withColumns({"batch_id": F.lit(batch), "loaded_at": F.current_timestamp()})
            self.append(self._ordered(stamped), self.table, APPLICATION, bounds.number, bounds.note())
            self._require_ours(self.table, bounds)
            self._hook("rows")
        finally:
            decoded.unpersist()

    def _broken(self, decoded: DataFrame) -> list[dict[str, Any]]:
        # Only broken rows leave Spark; as microseconds, because an instant may be out of Python's range.
        instants = [f.name for f in decoded.schema if f.dataType == TimestampType()]
        plain = {name: F.unix_micros(name) for name in instants}
        rows = decoded.where(F.col("problem").isNotNull()).withColumns(plain).collect()
        table = self.schema()
        return [row.asDict() | {"problem": decode.problem_of(row.asDict(), table)} for row in rows]

    def _ordered(self, rows: DataFrame) -> DataFrame:
        return rows.select(*self.schema().names)

    def _require_ours(self, path: str, bounds: Bounds) -> None:
        """A transaction that Delta skipped was written by somebody else: with other bounds, records would be lost."""
        found = positions.last_batch(path)
        if found != bounds:
            raise DataLossError(
                f"batch {bounds.number} of {path} was written by another process ({found}; ours is {bounds}): two "
                "streams run on one table. This one stops; run one only"
            )

    def _schema(self, schema_id: int) -> Mapping[str, Any] | None:
        """The writer's schema, or None when it cannot be used; waits while the registry does not answer."""
        try:
            schema = self._until_registry_answers(lambda: self._registry.schema_by_id(schema_id))
        except UnknownSchemaError:
            return None
        return schema if schema["name"] == RECORD else None

    def _reader(self, writers: Mapping[int, Any]) -> Mapping[str, Any]:
        """The newest schema of the topic, asked for again when an id is new: fields may have been added."""
        if not self._newest or not self._seen.issuperset(writers):
            subject = f"{source.TOPIC}-value"
            _, self._newest = self._until_registry_answers(lambda: self._registry.latest(subject))
            self._seen.update(writers)
        return self._newest

    def _until_registry_answers(self, ask: Any) -> Any:
        while True:
            try:
                return ask()
            except RegistryUnreachableError as error:
                self._health.report("waiting", str(error))
                _LOG.warning("%s; trying again", error)
                self._stop.wait(_RETRY_SECONDS)
