"""Verdicts of checks, and numbers that changed after their date was published.

Belongs here: what Dagster says of every check, the rows of `ops.restatements`. Does not belong here: judging, comparing
(`checks/`), completeness (`proofs.py`), freshness (`tables.py`).
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.dashboard.health_answers import CheckNow, RestatementNow, Verdict
from media_analytics.dashboard.reading.kept import Kept
from media_analytics.resources.dagster_api import DagsterApi
from media_analytics.resources.delta_log import DeltaLog

RESTATEMENTS = table("ops.restatements")
KEPT_SECONDS = 5.0
MOST_DAYS = 366
# Dagster is asked for every check there is.
CHECKS_SECONDS = 30.0
_VERDICTS: dict[str, Verdict] = {"SUCCEEDED": "passed", "FAILED": "failed", "EXECUTION_FAILED": "failed"}
_ORDER: tuple[Verdict, ...] = ("failed", "not judged", "passed")
_COLUMNS = ("table", "date", "brand", "measure", "old_value", "new_value", "cause", "recorded_at")


class Health:
    """Answers about checks and restatements. Nothing is asked before first use."""

    def __init__(self, log: DeltaLog, dagster: DagsterApi) -> None:
        """Ask nothing yet."""
        self._log = log
        self._dagster = dagster
        self._version = Kept(self._ask_version, KEPT_SECONDS)
        self._checks = Kept(self._ask_checks, CHECKS_SECONDS)
        self._lock = threading.Lock()
        self._read: tuple[int, list[dict[str, Any]]] = (-1, [])

    def checks(self) -> list[CheckNow]:
        """The newest verdict of every check, those that failed first.

        Raises:
            ServiceError: Dagster does not answer.
        """
        return self._checks.get()

    def restatements(self, days: int) -> list[RestatementNow]:
        """Numbers that changed in the last days, the newest change first."""
        version, now = self._version.get(), datetime.now(UTC)
        since = now - timedelta(days=days)
        with self._lock:
            if self._read[0] != version:
                # Read again only when a published number changed.
                self._read = (version, self._ledger(version, now) if version >= 0 else [])
            rows = self._read[1]
        found = [RestatementNow(**row) for row in rows if row["recorded_at"] >= since]
        found.sort(key=lambda r: (r.table, r.date, r.brand, r.measure))
        return sorted(found, key=lambda r: r.recorded_at, reverse=True)

    def _ledger(self, version: int, now: datetime) -> list[dict[str, Any]]:
        """What anybody may ask for, not all of history."""
        recent = pc.field("recorded_at") >= pa.scalar(
            now - timedelta(days=MOST_DAYS), pa.timestamp("us", "UTC")
        )
        rows = self._log.rows(RESTATEMENTS, _COLUMNS, version=version, where=recent)
        found: list[dict[str, Any]] = rows.to_pylist()
        return found

    def _ask_checks(self) -> list[CheckNow]:
        found = []
        for name, state in self._dagster.checks().items():
            of, _, check = name.partition(": ")
            found.append(CheckNow(table=of, check=check, verdict=_VERDICTS.get(state, "not judged")))
        return sorted(found, key=lambda c: (_ORDER.index(c.verdict), c.table, c.check))

    def _ask_version(self) -> int:
        """The newest version of the table; -1 when there is none."""
        try:
            return self._log.version(RESTATEMENTS)
        except TableNotFoundError:
            return -1
