"""Verdicts of checks, and numbers that changed after their date was published.

Belongs here: what Dagster says of every check, the rows of `ops.restatements`. Does not belong here: judging, comparing
(`checks/`), completeness (`proofs.py`), freshness (`tables.py`).
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.dashboard.health_answers import CheckNow, RestatementNow, Verdict
from media_analytics.dashboard.reading.kept import Kept
from media_analytics.resources.dagster_api import DagsterApi
from media_analytics.resources.delta_log import DeltaLog

RESTATEMENTS = table("ops.restatements")
KEPT_SECONDS = 5.0
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
        version, since = self._version.get(), datetime.now(UTC) - timedelta(days=days)
        with self._lock:
            if self._read[0] != version:
                # A ledger: small, and read again only when a published number changed.
                ledger = self._log.rows(RESTATEMENTS, _COLUMNS, version=version) if version >= 0 else None
                self._read = (version, ledger.to_pylist() if ledger is not None else [])
            rows = self._read[1]
        found = [RestatementNow(**row) for row in rows if row["recorded_at"] >= since]
        found.sort(key=lambda r: (r.table, r.date, r.brand, r.measure))
        return sorted(found, key=lambda r: r.recorded_at, reverse=True)

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
