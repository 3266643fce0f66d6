"""The loop: `user.latest` into `bronze.user_events`, exactly once.

Belongs here: starting where the tables say, running the query, maintenance between batches, health.
Does not belong here: the effects of a batch (`batches`), the rules of a start (`positions`).

Every start makes a checkpoint of its own and throws older ones away: the tables alone decide where it
goes on.
"""

import json
import logging
import shutil
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from media_analytics.errors import DataLossError, MediaAnalyticsError, ServiceError
from media_analytics.settings import Settings
from spark_jobs import io
from spark_jobs.user_events import positions, source
from spark_jobs.user_events.batches import Batches
from spark_jobs.user_events.letters import LetterBox
from spark_jobs.user_events.maintenance import RESULTS, Maintenance
from spark_jobs.user_events.positions import Bounds
from streaming.codecs.registry import RegistryClient
from streaming.runtime import clients, effects
from streaming.runtime.health import Health
from streaming.runtime.stop import StoppedError, StopSignal

NAME = "stream"
CHECKPOINTS = "stream-checkpoints"
_POLL_SECONDS = 0.5
_RETRY_SECONDS = 2.0
_MAINTENANCE_SECONDS = 5.0
_REPORT_SECONDS = 2.0
_LOG = logging.getLogger(NAME)


class UserEventsStream:
    """The stream. One runs on a table."""

    def __init__(
        self,
        settings: Settings,
        spark: SparkSession,
        health: Health,
        stop: StopSignal,
        hook: effects.Hook = effects.nothing,
    ) -> None:
        self._settings = settings
        self._spark = spark
        self._health = health
        self._stop = stop
        self._errors = clients.Errors(NAME, _LOG)
        self._admin = clients.admin(settings.kafka, self._errors)
        self._registry = RegistryClient(settings.registry.url)
        letters = LetterBox(settings, self._registry, self._errors, stop)
        self._batches = Batches(settings, spark, self._registry, letters, health, stop, hook)
        self._maintenance = Maintenance(settings, spark, self._batches)
        # Held while a batch or maintenance writes: never both.
        self._writing = threading.Lock()
        self._last: Bounds | None = None
        self._topic_id = ""
        self._partitions: list[int] = []
        self._failure: BaseException | None = None
        self._reported_at = float("-inf")

    def run(self) -> None:
        """Stream until asked to stop.

        Raises:
            DataLossError: going on would lose or repeat records; the message names the fix.
            ServiceError: Kafka refuses this process.
        """
        try:
            while not self._stop.is_set():
                try:
                    self._start()
                    query = self._query()
                    try:
                        self._watch(query)
                    finally:
                        self._end(query)
                except (ServiceError, PySparkException) as error:
                    self._errors.check()
                    self._wait(f"{type(error).__name__}: {str(error).partition(chr(10))[0][:500]}")
        except (Py4JError, ConnectionError) as error:
            if not self._stop.is_set():
                raise ServiceError(
                    f"{NAME}: the Java process ended: {error}; start the stream again"
                ) from error
        finally:
            self._registry.close()

    def go_on_at(self, offsets: dict[int, int]) -> None:
        """Commit a start chosen by a person: an empty batch that ends at `offsets` of the topic as it is now."""
        topic = source.describe(self._admin, source.TOPIC, self._errors)
        number = 1 + max(
            io.transaction_version(path, positions.APPLICATION) or 0
            for path in (self._batches.dates, self._batches.table)
        )
        bounds = Bounds(number, topic.topic_id, offsets, offsets)
        for path in (self._batches.dates, self._batches.table):
            empty = self._spark.createDataFrame([], self._spark.read.format("delta").load(path).schema)
            self._batches.append(
                empty, path, positions.APPLICATION, number, bounds.note(maintenance="go on at")
            )

    def _start(self) -> None:
        """Wait for tables and topic, repeat a batch that was cut off, know where to go on."""
        tables = [self._batches.table, self._batches.dates, self._settings.lake.table_path(*RESULTS)]
        while missing := [path for path in tables if not io.exists(path)]:
            self._wait(f"waiting for tables {missing}: `media-analytics contracts apply` creates them")
        source.let_in(self._admin, self._settings.kafka, self._errors)
        topic = source.describe(self._admin, source.TOPIC, self._errors)
        self._topic_id = topic.topic_id
        self._partitions = sorted(topic.high)
        self._last = positions.last_batch(self._batches.table)
        announced = positions.last_batch(self._batches.dates)
        positions.check(source.TOPIC, topic.topic_id, self._last, topic.low, topic.high)
        if announced is not None and announced.number > (self._last.number if self._last else 0):
            positions.check(source.TOPIC, topic.topic_id, announced, topic.low, topic.high)
            with self._writing:
                self._batches.repeat(announced)
            self._last = announced
        _LOG.info("going on at %s", json.dumps(positions.next_offsets(self._last, self._partitions)))

    def _query(self) -> StreamingQuery:
        """A query with a checkpoint of its own, from where the table ends."""
        folder = self._settings.home / "run" / CHECKPOINTS
        shutil.rmtree(folder, ignore_errors=True)
        self._failure = None
        reader = self._spark.readStream.format("kafka").options(**source.options(self._settings.kafka))
        reader = reader.option("maxOffsetsPerTrigger", self._settings.stream.max_offsets_per_trigger)
        begin = positions.next_offsets(self._last, self._partitions)
        reader = reader.option("startingOffsets", source.offsets_json(source.TOPIC, begin))
        writer = reader.load().writeStream.foreachBatch(self._on_batch).queryName(NAME)
        writer = writer.option("checkpointLocation", _location(folder / uuid.uuid4().hex))
        trigger = f"{int(self._settings.stream.trigger_seconds * 1000)} milliseconds"
        return writer.trigger(processingTime=trigger).start()

    def _on_batch(self, records: DataFrame, query_batch: int) -> None:
        """Called by the query in a thread of its own. Its error ends the query and is raised by `_watch`."""
        try:
            with self._writing:
                self._wait_for_disk()
                began = time.monotonic()
                begin = positions.next_offsets(self._last, self._partitions)
                number = 1 + (self._last.number if self._last else 0)
                written = self._batches.write(records, number, self._topic_id, begin)
                if written is not None:
                    self._last = written
                    records_seen = sum(o - begin.get(p, 0) for p, o in written.end.items())
                    _LOG.info("batch %d: %d offsets, %.1f s", number, records_seen, time.monotonic() - began)
                    self._health.report("ready", "streaming", **self._facts())
        except (MediaAnalyticsError, StoppedError) as error:
            self._failure = error
            raise

    def _watch(self, query: StreamingQuery) -> None:
        """Report and maintain until the query ends or the process is asked to stop."""
        maintained = time.monotonic()
        while not self._stop.is_set():
            if not query.isActive:
                self._raise_failure(query)
            self._errors.check()
            self._report(query)
            if time.monotonic() - maintained > _MAINTENANCE_SECONDS and self._writing.acquire(timeout=1.0):
                try:
                    self._maintenance.answer_requests()
                    self._maintenance.keep_small(datetime.now(UTC))
                finally:
                    self._writing.release()
                maintained = time.monotonic()
            self._pause(_POLL_SECONDS)

    def _report(self, query: StreamingQuery) -> None:
        """Compare the table with the topic as it is now; while Kafka does not answer, say so.

        Raises:
            DataLossError: the topic was created again, or records expired before they were read.
        """
        if time.monotonic() - self._reported_at < _REPORT_SECONDS:
            return
        last = self._last
        try:
            topic = source.describe(self._admin, source.TOPIC, self._errors)
        except ServiceError as error:
            self._errors.check()
            self._health.report("waiting", str(error), **self._facts())
        else:
            positions.check(source.TOPIC, topic.topic_id, last, topic.low, topic.high)
            done = _read_up_to(query)
            places = {p: max(done.get(p, 0), last.end.get(p, 0) if last else 0) for p in topic.high}
            lag = sum(max(0, end - places[p]) for p, end in topic.high.items())
            self._health.report("ready", "streaming", lag=lag, **self._facts())
        self._reported_at = time.monotonic()

    def _raise_failure(self, query: StreamingQuery) -> None:
        if isinstance(self._failure, DataLossError):
            raise self._failure
        raise ServiceError(f"the query ended: {_reason(query)}")

    def _end(self, query: StreamingQuery) -> None:
        """Stop the query between two batches; one that does not end in time is cut off, as in a crash."""
        held = self._writing.acquire(timeout=15.0)
        try:
            if query.isActive:
                query.stop()
        finally:
            if held:
                self._writing.release()

    def _wait_for_disk(self) -> None:
        least = self._settings.collector.min_free_disk_pct
        while True:
            usage = shutil.disk_usage(self._settings.home)
            free = 100 * usage.free / usage.total
            if free >= least:
                return
            self._health.report(
                "waiting", f"{free:.1f} % of the disk is free; at least {least:g} % are needed"
            )
            self._stop.wait(_RETRY_SECONDS)

    def _wait(self, why: str) -> None:
        _LOG.warning("%s", why)
        self._health.report("waiting", why)
        self._pause(_RETRY_SECONDS)
        if self._stop.is_set():
            raise StoppedError

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stop.is_set() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _facts(self) -> dict[str, Any]:
        last = self._last
        return {
            "batch": last.number if last else 0,
            "offsets": {str(p): o for p, o in last.end.items()} if last else {},
            "topic_id": self._topic_id,
        }


def _reason(query: StreamingQuery) -> str:
    """What the query's error says, without the stack traces of two languages."""
    lines = str(query.exception()).splitlines()
    told = [line for line in lines if line and not line[0].isspace() and not line.startswith(("JVM", "\tat"))]
    return " / ".join(told[:4])[:1000]


def _read_up_to(query: StreamingQuery) -> dict[int, int]:
    """Where the newest finished batch ended, marks of transactions included; empty before the first."""
    progress = query.lastProgress
    if not progress or not progress["sources"]:
        return {}
    end = progress["sources"][0]["endOffset"]
    found = json.loads(end) if isinstance(end, str) else end
    return {int(p): int(o) for p, o in (found or {}).get(source.TOPIC, {}).items()}


def _location(folder: Path) -> str:
    folder.mkdir(parents=True)
    return folder.as_uri()
