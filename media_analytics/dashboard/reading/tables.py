"""How old the newest data of each table is.

Belongs here: the newest change of each Delta table by its log, the newest row of each live table, the newest part of
each copy in the warehouse, the newest minute of files. Does not belong here: Dagster's freshness policies, which count
runs and not data.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TABLES
from media_analytics.contracts.tables import warehouse
from media_analytics.dashboard.answers import Freshness, TableNow
from media_analytics.dashboard.reading.absent import is_absent
from media_analytics.dashboard.reading.kept import Kept
from media_analytics.errors import ServiceError
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.minute_files import MinuteFiles

KEPT_SECONDS = 0.8
# Logs are looked at as a whole this often: a table may have been made anew, or cleaned while nobody asked.
WHOLE_SECONDS = 600.0
_ORDER: tuple[Freshness, ...] = ("stale", "late", "empty", "fresh")


class Tables:
    """The newest change of every table. Logs are read on from where they were read last."""

    def __init__(self, log: DeltaLog, clickhouse: ClickHouse, files: MinuteFiles) -> None:
        """Read nothing yet."""
        self._log = log
        self._clickhouse = clickhouse
        self._files = files
        self._seen: dict[str, tuple[int, datetime | None]] = {}
        self._began = time.monotonic()
        self._kept = Kept(lambda: dict(self._changes()), KEPT_SECONDS)

    def now(self) -> list[TableNow]:
        """Every table, those that are late first.

        Raises:
            ServiceError: the live store does not answer.
        """
        now = datetime.now(UTC)
        found = [_judged(TABLES[name], changed, now) for name, changed in self._kept.get().items()]
        return sorted(found, key=lambda t: (_ORDER.index(t.state), t.table))

    def _changes(self) -> Iterator[tuple[str, datetime | None]]:
        if time.monotonic() - self._began > WHOLE_SECONDS:
            self._seen, self._began = {}, time.monotonic()
        copied = self._newest_parts()
        for name, contract in TABLES.items():
            if contract.copy_of:
                yield name, copied.get(contract.name)
            elif contract.store == "clickhouse":
                yield name, self._newest_row(contract)
            elif contract.store == "files":
                progress = self._files.progress()
                yield name, progress.latest + timedelta(minutes=1) if progress else None
            else:
                after, changed = self._seen.get(name, (-1, None))
                version, newest = self._log.newest_change(contract, after)
                self._seen[name] = (version, newest or changed)
                yield name, newest or changed

    def _newest_parts(self) -> dict[str, datetime]:
        """When rows last came into each copy that has any: its rows do not say, its parts do."""
        rows = self._clickhouse.rows(
            "SELECT table, max(modification_time) FROM system.parts "
            f"WHERE database = '{warehouse.LAYER}' AND active AND rows > 0 GROUP BY table",
            comment="dashboard freshness",
        )
        return {str(table): changed_at for table, changed_at in rows}

    def _newest_row(self, contract: TableContract) -> datetime | None:
        try:
            rows = self._clickhouse.rows(
                f"SELECT count(), max(appended_at) FROM {contract.full_name} "
                "WHERE appended_at >= now() - INTERVAL 7 DAY",
                comment="dashboard freshness",
            )
        except ServiceError as error:
            # A table that no contract was applied for yet is empty, not broken.
            if is_absent(error):
                return None
            raise
        count, newest = rows[0]
        return newest if count else None


def _judged(contract: TableContract, changed: datetime | None, now: datetime) -> TableNow:
    age = None if changed is None else max(0.0, (now - changed).total_seconds())
    warn, fail = (limit.total_seconds() for limit in (contract.freshness.warn, contract.freshness.fail))
    state: Freshness = (
        "empty" if age is None else "fresh" if age <= warn else "late" if age <= fail else "stale"
    )
    return TableNow(
        table=contract.full_name,
        store=contract.store,
        state=state,
        changed_at=changed,
        age_seconds=age,
        warn_seconds=warn,
        fail_seconds=fail,
        grain=contract.grain,
    )
