"""Completeness, as `ops.completeness` has it.

Belongs here: reading the table of the last days when it has a new version, and what its rows say. Does not belong here:
judging minutes (`checks/`).
"""

import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.registry import table
from media_analytics.dashboard.answers import Complete, MinuteOfTopic, Page, Proof, RedMinute
from media_analytics.dashboard.reading.kept import Kept
from media_analytics.modelling.completeness import since, summed
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
_EMPTY = arrow_schema(CONTRACT).empty_table().select(list(_COLUMNS))


class Proofs:
    """Rows of the last days, read again when the table changed."""

    def __init__(self, log: DeltaLog) -> None:
        """Read nothing yet."""
        self._log = log
        self._version = Kept(self._ask_version, KEPT_SECONDS)
        self._lock = threading.Lock()
        # Days in memory: what was asked for, at which version and date.
        self._read: tuple[int, str, int] | None = None
        self._rows = _EMPTY

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
        rows = self._since(hours)
        if topic is not None:
            rows = rows.filter(pc.field("topic") == topic)
        rows = rows.sort_by([(name, "descending") for name in ("minute", "topic", "partition")])
        part = rows.select(list(MinuteOfTopic.model_fields)).slice(start, limit).to_pylist()
        is_more = start + limit < rows.num_rows
        return Page(
            items=[MinuteOfTopic(**row) for row in part], next=str(start + limit) if is_more else None
        )

    def _ask_version(self) -> int:
        """The newest version of the table; -1 when there is none."""
        try:
            return self._log.version(CONTRACT)
        except TableNotFoundError:
            return -1

    def _since(self, hours: int) -> pa.Table:
        now = datetime.now(UTC)
        start = now - timedelta(hours=hours)
        days = (now.date() - start.date()).days + 1
        version, today = self._version.get(), now.date().isoformat()
        with self._lock:
            if self._read is None or self._read[:2] != (version, today) or self._read[2] < days:
                wanted = [(now.date() - n * _DAY).isoformat() for n in range(days)]
                self._rows = _EMPTY if version < 0 else self._log.rows(CONTRACT, _COLUMNS, wanted, version)
                self._read = (version, today, days)
            rows = self._rows
        return since(rows, start)
