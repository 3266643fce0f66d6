"""Maintenance of the tables that the stream writes, between its batches.

Belongs here: carrying out `ops.maintenance_requests`, answering in `ops.maintenance_results`,
compacting closed hours unasked. Does not belong here: who asks and when, reading records (`batches`).

Every action can be repeated: a request whose answer was lost in a crash is carried out again with the
same result. Commits of maintenance carry the note of the last batch on, so the newest commit always
says where the stream stopped.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.errors import PySparkException
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import Settings
from spark_jobs import io
from spark_jobs.user_events import positions
from spark_jobs.user_events.batches import Batches
from spark_jobs.user_events.rebuild import RefusedError, rebuild_hour

REQUESTS = ("ops", "maintenance_requests")
RESULTS = ("ops", "maintenance_results")
NOTE_SETTING = "spark.databricks.delta.commitInfo.userMetadata"
# An hour is compacted this long after its end; records on their way have arrived by then.
SETTLE = timedelta(minutes=5)
VACUUM_INTERVAL = timedelta(days=1)
FIRST_AFTER = timedelta(minutes=10)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a request: `done`, `refused` or `failed`, in a sentence."""

    status: str
    message: str


class Maintenance:
    """Carries out requests. The caller makes sure that no batch is being written meanwhile."""

    def __init__(self, settings: Settings, spark: SparkSession, batches: Batches) -> None:
        self._settings = settings
        self._spark = spark
        self._batches = batches
        self._requests = settings.lake.table_path(*REQUESTS)
        self._results = settings.lake.table_path(*RESULTS)
        self._tables = {"bronze.user_events": batches.table, "ops.user_events_dates": batches.dates}
        self._seen_version: int | None = None
        # Nothing unasked in the first minutes: a start has a backlog to read.
        self._small_at = datetime.now(UTC) + FIRST_AFTER
        self._vacuum_at = self._small_at + FIRST_AFTER

    def answer_requests(self) -> int:
        """Carry out what is asked and not yet answered; returns how many. Costs one look at a log when idle."""
        version = io.version(self._requests)
        if version is None or version == self._seen_version:
            return 0
        requests = self._open_requests()
        for request in requests:
            self._answer(request, self._carried_out(request))
        self._seen_version = version
        return len(requests)

    def keep_small(self, now: datetime) -> None:
        """Once an hour: compact closed hours and the dates table; once a day: remove files nothing refers to."""
        if now < self._small_at:
            return
        hour = (now - SETTLE).strftime("%Y-%m-%dT%H")
        files = io.files_per_partition(self._batches.table, "appended_hour")
        for closed in sorted(h for h, count in files.items() if h < hour and count > 1):
            self._compact(closed)
        self._optimize(self._batches.dates, "", "compact the dates")
        self._small_at = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1) + SETTLE
        if now >= self._vacuum_at:
            for path in self._tables.values():
                self._vacuum(path, "vacuum")
            self._vacuum_at = now + VACUUM_INTERVAL

    def _open_requests(self) -> list[Row]:
        requests = self._spark.read.format("delta").load(self._requests)
        answered = self._spark.read.format("delta").load(self._results).select("request_id")
        return (
            requests.join(answered, "request_id", "left_anti").orderBy("requested_at", "request_id").collect()
        )

    def _carried_out(self, request: Row) -> Outcome:
        _LOG.info("request %s: %s of %s", request.request_id, request.action, request.table)
        actions: dict[str, Callable[[Row], str]] = {
            "compact": self._compact_request,
            "rebuild_hour": self._rebuild_request,
            "delete": self._delete_request,
            "vacuum": self._vacuum_request,
        }
        try:
            if request.table not in self._tables:
                raise RefusedError(f"the stream writes {', '.join(self._tables)}, not {request.table}")
            if request.action not in actions:
                raise RefusedError(f"unknown action {request.action}; known are {', '.join(actions)}")
            return Outcome("done", actions[request.action](request))
        except RefusedError as error:
            return Outcome("refused", str(error))
        except (MediaAnalyticsError, PySparkException) as error:
            return Outcome("failed", f"{type(error).__name__}: {str(error)[:2000]}")

    def _answer(self, request: Row, outcome: Outcome) -> None:
        _LOG.info("request %s: %s, %s", request.request_id, outcome.status, outcome.message)
        known = self._tables.get(request.table)
        version = io.version(known) if known and outcome.status == "done" else None
        schema = self._spark.read.format("delta").load(self._results).schema
        values = {
            "request_id": request.request_id,
            "status": outcome.status,
            "message": outcome.message[:8000],
            "version": version,
            "finished_at": datetime.now(UTC),
        }
        rows = self._spark.createDataFrame([tuple(values[name] for name in schema.names)], schema)
        application = f"maintenance-{request.request_id}"
        self._batches.append(rows, self._results, application, 1, json.dumps(values, default=str))

    def _compact_request(self, request: Row) -> str:
        if request.table == "ops.user_events_dates":
            self._optimize(self._batches.dates, "", request.request_id)
            return "compacted"
        if not request.hour:
            raise RefusedError("say which hour to compact")
        if request.hour >= datetime.now(UTC).strftime("%Y-%m-%dT%H"):
            raise RefusedError(f"hour {request.hour} is still open; it is compacted when it has closed")
        self._compact(request.hour)
        return f"compacted {request.hour}"

    def _compact(self, hour: str) -> None:
        self._optimize(self._batches.table, f"WHERE appended_hour = {_literal(hour)}", f"compact {hour}")

    def _optimize(self, path: str, where: str, reason: str) -> None:
        self._with_note(path, reason, lambda: self._spark.sql(f"OPTIMIZE delta.`{path}` {where}").collect())

    def _vacuum(self, path: str, reason: str) -> None:
        self._with_note(path, reason, lambda: self._spark.sql(f"VACUUM delta.`{path}`").collect())

    def _vacuum_request(self, request: Row) -> str:
        self._vacuum(self._tables[request.table], request.request_id)
        return "removed files that no version within the table's retention refers to"

    def _rebuild_request(self, request: Row) -> str:
        if request.table != "bronze.user_events" or not request.hour:
            raise RefusedError("only an hour of bronze.user_events can be rebuilt; say which")
        note = self._note(self._batches.table, f"rebuild-{request.request_id}")
        bounds = self._settings.lake.table_path("ops", "offset_bounds")
        return rebuild_hour(
            self._spark, self._settings, self._batches, bounds, request.hour, request.request_id, note
        )

    def _delete_request(self, request: Row) -> str:
        predicate = (request.predicate or "").strip()
        if not predicate or ";" in predicate:
            raise RefusedError("say which rows to delete, as one SQL predicate")
        path = self._tables[request.table]
        batch = f"delete-{request.request_id}"
        done: Callable[[], None] | None = None
        if request.table == "bronze.user_events":
            doomed = self._spark.read.format("delta").load(path).where(F.expr(predicate))
            done = self._batches.announce(doomed, batch, self._note(self._batches.dates, batch))
        sql = f"DELETE FROM delta.`{path}` WHERE {predicate}"
        (row,) = self._with_note(path, batch, lambda: self._spark.sql(sql).collect())
        if done is not None:
            done()
        return f"deleted {row[0]} rows"

    def _note(self, path: str, reason: str) -> str:
        """The note of the last batch, carried on."""
        last = positions.last_batch(path)
        return last.note(maintenance=reason) if last else json.dumps({"maintenance": reason})

    def _with_note(self, path: str, reason: str, action: Callable[[], list[Row]]) -> list[Row]:
        self._spark.conf.set(NOTE_SETTING, self._note(path, reason))
        try:
            return action()
        finally:
            self._spark.conf.unset(NOTE_SETTING)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
