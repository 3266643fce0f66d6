"""silver.subscriptions: which customer subscribed to which brand, from when until when.

Belongs here: its inputs, its transform, the warning of cancels that end nothing, the dates a changed interval touches.
Does not belong here: what an interval is (`spark_jobs.transforms.intervals`).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from media_analytics.assets.ops.touched_dates import SESSION_DATES
from media_analytics.checks.audit import append_audited
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, Publication, asset_key
from media_analytics.factory_whole import Warn, WholeTable
from media_analytics.partitions import Partitions, days_between
from media_analytics.resources.delta_log import DeltaLog
from spark_jobs.transforms import intervals

CONTRACT = table("silver.subscriptions")
EVENTS = table("silver.events")
DATES = table("ops.subscription_dates")


def silver_subscriptions(inputs: Inputs) -> DataFrame:
    """Every interval of every subscription."""
    return intervals.subscriptions(inputs.lake.read(EVENTS))


def cancels_without_start(inputs: Inputs) -> int:
    """How many cancels end nothing."""
    return intervals.cancels_without_start(inputs.lake.read(EVENTS)).count()


def record_subscription_dates(publication: Publication) -> Mapping[str, Any]:
    """After publishing: the dates whose subscription numbers can have changed, as rows of ops.subscription_dates.

    A changed interval touches every date from its begin to its end (or today); a date with new events is touched
    because customers without a subscription are counted among its readers; today, because it may have begun.
    """
    version = publication.upstream_version
    if version is None:
        raise ValueError(
            "silver.subscriptions is published at a version of ops.session_dates; none was given"
        )
    log: DeltaLog = publication.context.resources.delta_log
    now: datetime = publication.context.resources.clock.now()
    touched = {now.date(), *_with_new_events(log), *_of_changed_intervals(publication, now)}
    days = Partitions.of(publication.settings).existing_days(touched, now)
    recorded = _recorded(log, days, version)
    rows = [
        {"date": day, "session_dates_version": version, "loaded_at": now}
        for day in days
        if day not in recorded
    ]
    if rows:
        append_audited(publication.lake, DATES, rows, publication.context.run.run_id)
    return {"subscription_dates": len(rows)}


def _recorded(log: DeltaLog, days: Iterable[date], version: int) -> set[date]:
    rows = log.rows(DATES, ["date", "session_dates_version"], [d.isoformat() for d in days]).to_pylist()
    return {row["date"] for row in rows if row["session_dates_version"] == version}


def _with_new_events(log: DeltaLog) -> set[date]:
    """Dates that ops.session_dates got since the version that was recorded last; all of them at first."""
    seen = log.rows(DATES, ["session_dates_version"])["session_dates_version"].to_pylist()
    tail = log.tail(SESSION_DATES, max(seen, default=-1))
    if not tail.is_complete:
        tail = log.snapshot(SESSION_DATES)
    return {date.fromisoformat(day) for day in tail.changed}


def _of_changed_intervals(publication: Publication, now: datetime) -> set[date]:
    """Dates of intervals that stand in only one of the versions before and after."""
    lake, columns = (
        publication.lake,
        ("brand", "start_event_id", "tier", "segment", "is_bot", "valid_from", "valid_to"),
    )
    newest = lake.version(CONTRACT)
    old, new = (lake.read(CONTRACT, version).select(*columns) for version in (newest - 1, newest))
    changed = old.exceptAll(new).unionByName(new.exceptAll(old)).select("valid_from", "valid_to").distinct()
    found: set[date] = set()
    for row in changed.toArrow().to_pylist():
        end = row["valid_to"] or now
        found.update(days_between(row["valid_from"].astimezone(UTC).date(), end.astimezone(UTC).date()))
    return found


TABLE = WholeTable(
    contract=CONTRACT,
    transform=silver_subscriptions,
    trigger=SESSION_DATES,
    lineage=[dg.AssetDep(asset_key(EVENTS))],
    warnings={
        "cancels_without_start": Warn(
            "Every cancel ends a subscription that a start began.", cancels_without_start
        )
    },
    after_publish=record_subscription_dates,
)
