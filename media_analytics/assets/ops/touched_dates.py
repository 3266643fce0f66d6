"""ops.user_events_dates and ops.session_dates: which dates an arrival, and then a publication, touches.

Belongs here: both as assets, and the session dates that a publication of silver.events records. Does not belong here:
when a touched date is recomputed (`automation/`), the arithmetic of dates (`partitions.py`).
"""

import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

import dagster as dg

from media_analytics.checks.audit import append_audited
from media_analytics.contracts.registry import table
from media_analytics.errors import ServiceError
from media_analytics.factory import AUTOMATIC_TAG, Publication, asset_key, external_table
from media_analytics.partitions import Partitions, session_dates
from media_analytics.resources.delta_log import DeltaLog

EVENT_DATES = table("ops.user_events_dates")
SESSION_DATES = table("ops.session_dates")
BRONZE = table("bronze.user_events")
# The stream's name in the transactions of both tables.
STREAM_APPLICATION = "user_events_stream"
ROWS_FOLLOW_SECONDS = 60.0
POLL_SECONDS = 0.2
_DAY = timedelta(days=1)
# Session date, event date, version of ops.user_events_dates.
Ledger: TypeAlias = frozenset[tuple[date, date, int]]


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Both tables. Their partitions do not follow arrival hours, so the lineage edge maps nothing."""
    here = sys.modules[__name__]
    bronze = dg.AssetDep(asset_key(BRONZE), partition_mapping=dg.AllPartitionMapping())
    silver = dg.AssetDep(asset_key(table("silver.events")), partition_mapping=dg.AllPartitionMapping())
    return [
        external_table(EVENT_DATES, partitions, declared_in=here, deps=[bronze]),
        external_table(SESSION_DATES, partitions, declared_in=here, deps=[silver]),
    ]


def stored_version(log: DeltaLog) -> int:
    """The version of ops.user_events_dates all of whose batches bronze holds.

    The stream commits a batch's dates before its rows, both under the batch's number. A reader that took the newest
    version in between would believe it has seen rows that were not there yet.

    Raises:
        ServiceError: the rows of a batch do not follow its dates.
    """
    deadline = time.monotonic() + ROWS_FOLLOW_SECONDS
    while True:
        version, announced = log.transaction(EVENT_DATES, STREAM_APPLICATION)
        stored = log.transaction(BRONZE, STREAM_APPLICATION)[1]
        if stored >= announced:
            return version
        if time.monotonic() > deadline:
            raise ServiceError(
                f"batch {announced} is in {EVENT_DATES.full_name} but after {ROWS_FOLLOW_SECONDS:.0f} s not in "
                f"{BRONZE.full_name}; see the process `stream` in `media-analytics status`"
            )
        time.sleep(POLL_SECONDS)


def record_session_dates(publication: Publication) -> Mapping[str, Any]:
    """After silver.events is published: which session dates this can alter, as rows of ops.session_dates.

    A date counts as changed when batches arrived for it since the version recorded last, when it was published
    because rows moved, or when a run by hand gave other rows than before. Rows that stand already are not added again,
    so a run that is tried again adds nothing twice.
    """
    version = publication.upstream_version
    if version is None:
        raise ValueError("silver.events is published at a version of ops.user_events_dates; none was given")
    log: DeltaLog = publication.context.resources.delta_log
    recorded = _recorded(log, publication.dates)
    changed = _changed(publication, log, recorded, version)
    existing = Partitions.of(publication.settings)
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {"session_date": touched, "event_date": day, "dates_version": version, "loaded_at": now}
        for day, latest in sorted(changed.items())
        for touched in existing.existing_days(session_dates(day, latest), now)
        if (touched, day, version) not in recorded
    ]
    if rows:
        append_audited(publication.lake, SESSION_DATES, rows, publication.context.run.run_id)
    return {
        "changed_dates": [d.isoformat() for d in sorted(changed)],
        "session_dates": sorted({r["session_date"].isoformat() for r in rows}),
    }


def _recorded(log: DeltaLog, dates: Iterable[date]) -> Ledger:
    """The ledger's rows of these event dates."""
    days = set(dates)
    around = {d + n * _DAY for d in days for n in (-1, 0, 1, 2)}
    columns = ("session_date", "event_date", "dates_version")
    rows = log.rows(SESSION_DATES, columns, [d.isoformat() for d in around])
    return frozenset(
        (touched, day, version)
        for touched, day, version in zip(*(rows[name].to_pylist() for name in columns), strict=True)
        if day in days
    )


def _changed(publication: Publication, log: DeltaLog, ledger: Ledger, version: int) -> dict[date, datetime]:
    """Changed event dates and the latest event that can have changed them."""
    dates = set(publication.dates)
    recorded: dict[date, int] = {}
    for _, day, seen in ledger:
        recorded[day] = max(seen, recorded.get(day, -1))
    new = _new_batches(log, recorded, version)
    asked = {date.fromisoformat(key) for key in publication.context.partition_keys}
    # Without a record, or with too long a log since then, everything of the date counts.
    whole = dates if new is None else dates - set(recorded) | (dates - asked)
    changed = {d: t for d, t in (new or {}).items() if d in dates - whole}
    if AUTOMATIC_TAG not in publication.context.run.tags:
        whole |= _with_other_rows(publication, log, dates - whole - set(changed))
    return changed | _latest_events(log, version, whole)


def _new_batches(log: DeltaLog, recorded: Mapping[date, int], version: int) -> dict[date, datetime] | None:
    """Latest event of the batches after each date's recorded version; None when the log does not say."""
    if not recorded:
        return {}
    tail = log.tail(EVENT_DATES, min(recorded.values()))
    if not tail.is_complete:
        return None
    latest: dict[date, datetime] = {}
    for file in tail.added:
        day = date.fromisoformat(file.partition or "")
        if day not in recorded or not recorded[day] < file.version <= version:
            continue
        text = file.maximum.get("max_occurred_at")
        if text is None:
            return None
        at = datetime.fromisoformat(text).astimezone(UTC)
        latest[day] = max(at, latest.get(day, at))
    return latest


def _latest_events(log: DeltaLog, version: int, dates: Iterable[date]) -> dict[date, datetime]:
    """Latest event of each date that has any."""
    days = [d.isoformat() for d in dates]
    if not days:
        return {}
    rows = log.rows(EVENT_DATES, ("event_date", "max_occurred_at"), days, version)
    newest = rows.group_by("event_date").aggregate([("max_occurred_at", "max")])
    return dict(zip(newest["event_date"].to_pylist(), newest["max_occurred_at_max"].to_pylist(), strict=True))


def _with_other_rows(publication: Publication, log: DeltaLog, dates: set[date]) -> set[date]:
    """Those of `dates` whose rows differ from what stood before this publication."""
    lake, contract = publication.lake, publication.contract
    now = lake.version(contract)
    stood, stands = log.row_counts(contract, now - 1), log.row_counts(contract, now)
    days = {d.isoformat() for d in dates}
    other = {d for d in days if stood.get(d, 0) != stands.get(d, 0)}
    if same := sorted(d for d in days - other if d in stands):
        before, after = (lake.row_hashes(contract, same, version) for version in (now - 1, now))
        other |= {d for d in same if before.get(d) != after.get(d)}
    return {date.fromisoformat(d) for d in other}
