"""Which dates of a table are due, read from the tables alone.

Belongs here: what changed in a table's inputs since its newest commit said what it had seen. Does not belong here:
computing the dates, Dagster.

Every commit of silver and gold carries the versions of its inputs (`seen`). Without such a commit all dates are due.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from media_analytics.contracts.model import TableContract
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake
from spark_jobs.transforms import video_gold

SEEN = "seen"
_NO_DATE = ("None", "")
# A replaced catalogue can be read this long; Delta keeps the files for 7 days.
OLD_VERSION_READABLE = timedelta(days=6)


@dataclass(frozen=True)
class Catalogue:
    """A catalogue that a mart reads: its id, the columns that the mart shows or divides by, the facts that name it."""

    contract: TableContract
    key: str
    columns: tuple[str, ...]
    facts: tuple[TableContract, ...]


def seen(log: DeltaLog, contract: TableContract) -> dict[str, int]:
    """Versions of the inputs that the table was computed from, by full name; -1 stands for never."""
    found: Mapping[str, int] = log.noted(contract, SEEN) or {}
    return dict(found)


def changed_dates(log: DeltaLog, contract: TableContract, since: int) -> set[date]:
    """Dates of which a commit after version `since` (-1: any) added or removed rows."""
    tail = log.tail(contract, since)
    if not tail.is_complete:
        tail = log.snapshot(contract)
    return _dates(tail.changed)


def has_changed(log: DeltaLog, contract: TableContract, since: int) -> bool:
    """Whether a commit after version `since` (-1: any) brought or removed rows; rewriting files is no change."""
    tail = log.tail(contract, since)
    return not tail.is_complete or bool(tail.added or tail.changed)


def stored_dates(log: DeltaLog, contract: TableContract, version: int | None = None) -> set[date]:
    """Dates of which the table, or one version of it, holds rows."""
    return _dates(log.row_counts(contract, version))


def _dates(partitions: Iterable[str]) -> set[date]:
    """Rows without a date stand in a partition of their own, which is no date."""
    return {date.fromisoformat(day) for day in partitions if day not in _NO_DATE}


def is_readable(log: DeltaLog, contract: TableContract, version: int, now: datetime) -> bool:
    """Whether a former version can still be read: what replaced it is not so old that its files may be deleted."""
    if version < 0:
        return False
    replaced_at = log.committed_at(contract, version + 1)
    return replaced_at is not None and now - replaced_at <= OLD_VERSION_READABLE


def dates_using_changed_ids(
    lake: Lake, log: DeltaLog, catalogue: Catalogue, since: int, now: datetime
) -> set[date]:
    """Dates whose facts use an id of which a column differs between version `since` of the catalogue and now."""
    newest = log.version(catalogue.contract)
    if since == newest:
        return set()
    if not is_readable(log, catalogue.contract, since, now):
        return set().union(*(stored_dates(log, fact) for fact in catalogue.facts))
    changed = video_gold.changed_ids(
        lake.read(catalogue.contract, since),
        lake.read(catalogue.contract, newest),
        catalogue.key,
        catalogue.columns,
    )
    facts: Sequence[tuple[TableContract, str]] = [(fact, catalogue.key) for fact in catalogue.facts]
    rows = video_gold.dates_using([(lake.read(fact), key) for fact, key in facts], changed, catalogue.key)
    return {row["date"] for row in rows.collect()}
