"""Completeness, as `ops.completeness` has it.

Belongs here: reading the table of the last days when it has a new version, and what its rows say. Does not belong here:
judging minutes (`checks/`).
"""

import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.dashboard.answers import Complete, MinuteOfTopic, Page, Proof, RedMinute
from media_analytics.dashboard.reading.kept import Kept
from media_analytics.modelling.completeness import summed
from media_analytics.resources.delta_log import DeltaLog

CONTRACT = table("ops.completeness")
# The table keeps the last 8 days open; about 30,000 rows a day.
MOST_HOURS = 7 * 24
KEPT_SECONDS = 0.8
RED_SHOWN = 20
_COLUMNS = (
    "minute", "topic", "partition", "first_offset", "last_offset", "kafka_count",
    "realtime_count", "lake_count", "dead_letters_enricher", "dead_letters_realtime", "dead_letters_lake",
    "missing_realtime", "missing_lake", "duplicates_realtime", "duplicates_lake",
)  # fmt: skip
_DAY = timedelta(days=1)


class Proofs:
    """Rows of the last days, read again when the table changed."""

    def __init__(self, log: DeltaLog) -> None:
        """Read nothing yet."""
        self._log = log
        self._version = Kept(self._ask_version, KEPT_SECONDS)
        self._lock = threading.Lock()
        # Days in memory: what was asked for, at which version and date.
        self._read: tuple[int, str, int] | None = None
        self._rows: list[dict[str, Any]] = []

    def complete(self, hours: int) -> Complete:
        """What the judged minutes of the last hours say."""
        proofs = [
            Proof(
                **{name: value for name, value in asdict(p).items() if name != "red"},
                red=[RedMinute(**red) for red in p.red[::-1][:RED_SHOWN]],
            )
            for p in summed(self._since(hours))
        ]
        verdict = all(p.missing == 0 and p.duplicates == 0 and not p.red for p in proofs) if proofs else None
        return Complete(hours=hours, is_complete=verdict, proofs=proofs)

    def minutes(self, topic: str | None, hours: int, limit: int, start: int) -> Page[MinuteOfTopic]:
        """Judged minutes, the newest first."""
        rows = [row for row in self._since(hours) if topic is None or row["topic"] == topic]
        rows.sort(key=lambda r: (r["minute"], r["topic"], r["partition"]), reverse=True)
        names = MinuteOfTopic.model_fields
        items = [MinuteOfTopic(**{n: row[n] for n in names}) for row in rows[start : start + limit]]
        return Page(items=items, next=str(start + limit) if start + limit < len(rows) else None)

    def _ask_version(self) -> int:
        """The newest version of the table; -1 when there is none."""
        try:
            return self._log.version(CONTRACT)
        except TableNotFoundError:
            return -1

    def _since(self, hours: int) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        start = now - timedelta(hours=hours)
        days = (now.date() - start.date()).days + 1
        version, today = self._version.get(), now.date().isoformat()
        with self._lock:
            if self._read is None or self._read[:2] != (version, today) or self._read[2] < days:
                wanted = [(now.date() - n * _DAY).isoformat() for n in range(days)]
                self._rows = (
                    [] if version < 0 else self._log.rows(CONTRACT, _COLUMNS, wanted, version).to_pylist()
                )
                self._read = (version, today, days)
            rows = self._rows
        return [row for row in rows if row["minute"] >= start]
