"""The state of the platform as metrics.

Belongs here: the list of metrics, from which reading each comes. Does not belong here: the readings, limits
(`helm/media-analytics/files/alerts.yaml`), what the collector counts (`streaming.collector.metrics`).

A store that does not answer leaves out its own metrics and says so in `platform_source_up`; the others stay.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from deltalake.exceptions import DeltaError

from media_analytics.dashboard.reading.kept import Kept
from media_analytics.dashboard.reading.proofs import Proofs
from media_analytics.dashboard.reading.streams import Streams
from media_analytics.dashboard.reading.tables import Tables
from media_analytics.errors import MediaAnalyticsError
from media_analytics.exposition import Metric, text
from media_analytics.resources.dagster_api import DagsterApi

LAG = "platform_consumer_lag_messages"
END = "platform_topic_end_offset_total"
AGE = "platform_table_age_seconds"
AGE_LIMIT = "platform_table_age_limit_seconds"
MISSING = "platform_completeness_missing_messages"
DUPLICATES = "platform_completeness_duplicate_messages"
JUDGED = "platform_completeness_judged_age_seconds"
FAILED = "platform_check_failed"
HEARTBEAT = "platform_daemon_heartbeat_age_seconds"
DISK = "platform_disk_free_ratio"
UP = "platform_source_up"

METRICS = {
    LAG: Metric("gauge", "Messages a consumer group is behind the end of a topic.", ("group", "topic")),
    END: Metric("counter", "End offsets of a topic's partitions, added up.", ("topic",)),
    AGE: Metric("gauge", "Seconds since the newest change of a table that has any.", ("table",)),
    AGE_LIMIT: Metric("gauge", "Seconds after which the contract calls a table stale.", ("table",)),
    MISSING: Metric("gauge", "Offsets of the last day's minutes that a store lacks.", ("topic", "store")),
    DUPLICATES: Metric("gauge", "Rows of the last day's minutes that repeat an offset.", ("topic", "store")),
    JUDGED: Metric("gauge", "Seconds since the end of the newest judged minute.", ("topic", "store")),
    FAILED: Metric(
        "gauge", "1 where the newest verdict of a check is a failure, else 0.", ("table", "check")
    ),
    HEARTBEAT: Metric("gauge", "Seconds since a daemon of Dagster last lived; +Inf: never.", ("daemon",)),
    DISK: Metric("gauge", "Share of the disk below the home folder that is free, 0 to 1."),
    UP: Metric("gauge", "1 where a source of these metrics could be read, else 0.", ("source",)),
}
HOURS = 24
# Dagster looks through its history for them.
CHECKS_SECONDS = 60.0
Sample = tuple[str, tuple[str, ...], float]
_LOG = logging.getLogger(__name__)


class Metrics:
    """Reads when asked; each reading keeps its own answers for a moment."""

    def __init__(
        self, streams: Streams, tables: Tables, proofs: Proofs, dagster: DagsterApi, home: Path
    ) -> None:
        """Read nothing yet."""
        self._streams = streams
        self._tables = tables
        self._proofs = proofs
        self._dagster = dagster
        self._home = home
        self._checks = Kept(dagster.checks, CHECKS_SECONDS)
        self._sources: dict[str, Callable[[], Iterator[Sample]]] = {
            "event_log": self._event_log,
            "tables": self._freshness,
            "completeness": self._completeness,
            "checks": self._verdicts,
            "daemons": self._heartbeats,
            "disk": self._disk,
        }

    def text(self) -> str:
        """All metrics, as Prometheus reads them."""
        return text(METRICS, self._samples())

    def _samples(self) -> Iterator[Sample]:
        for name, read in self._sources.items():
            try:
                found = list(read())
            except (MediaAnalyticsError, DeltaError, OSError) as error:
                _LOG.warning("no metrics of %s: %s", name, error)
                found = []
                is_up = 0.0
            else:
                is_up = 1.0
            yield from found
            yield UP, (name,), is_up

    def _event_log(self) -> Iterator[Sample]:
        for topic in self._streams.topics():
            yield END, (topic.name,), sum(p.end for p in topic.partitions)
        for group in self._streams.groups():
            behind: dict[str, int] = {}
            for one in group.partitions:
                behind[one.topic] = behind.get(one.topic, 0) + one.lag
            for name, lag in behind.items():
                yield LAG, (group.group, name), lag

    def _freshness(self) -> Iterator[Sample]:
        for table in self._tables.now():
            if table.age_seconds is not None:
                yield AGE, (table.table,), table.age_seconds
                yield AGE_LIMIT, (table.table,), table.fail_seconds

    def _completeness(self) -> Iterator[Sample]:
        now = datetime.now(UTC)
        for proof in self._proofs.complete(HOURS).proofs:
            labels = (proof.topic, proof.store)
            yield MISSING, labels, proof.missing
            yield DUPLICATES, labels, proof.duplicates
            if proof.judged_through is not None:
                yield JUDGED, labels, max(0.0, (now - proof.judged_through).total_seconds())

    def _verdicts(self) -> Iterator[Sample]:
        for name, state in self._checks.get().items():
            table, _, check = name.partition(": ")
            yield FAILED, (table, check), float(state in ("FAILED", "EXECUTION_FAILED"))

    def _heartbeats(self) -> Iterator[Sample]:
        found = self._dagster.heartbeats()
        now = time.time()
        for daemon, last in found.items():
            yield HEARTBEAT, (daemon,), float("inf") if last is None else max(0.0, now - last)

    def _disk(self) -> Iterator[Sample]:
        usage = shutil.disk_usage(self._home)
        yield DISK, (), usage.free / usage.total
