"""What is to be told of promises that were not kept: SLAs of scheduled jobs, tables that became late.

Belongs here: judging a scheduled time once its SLA is over, reading Dagster's freshness states. Does not belong here:
the promises (`media_analytics.environments`, contracts), runs by themselves (`runs.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from media_analytics.automation.notices.graph import Graph, full_names
from media_analytics.automation.notices.message import Notice, moment, names
from media_analytics.automation.notices.outbox import Memory
from media_analytics.automation.notices.runs import described, how_it_stopped
from media_analytics.environments.operations import Pipeline

DAY = timedelta(days=1)
_ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Promise:
    """A job that runs every day at `hour:minute` UTC for the day before, and how long it may take from then on."""

    job: str
    hour: int
    minute: int
    sla: timedelta

    @classmethod
    def of(cls, job: str, pipeline: Pipeline) -> "Promise | None":
        """The promise of an environment; None where there is none."""
        if pipeline.cron is None or pipeline.sla is None:
            return None
        minute, hour = pipeline.cron.split(" ")[:2]
        return cls(job, int(hour), int(minute), pipeline.sla)

    def last_due(self, now: datetime) -> datetime:
        """The newest scheduled time whose SLA is over."""
        latest = now.astimezone(UTC) - self.sla
        scheduled = latest.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return scheduled if scheduled <= latest else scheduled - DAY


def broken_promises(
    instance: dg.DagsterInstance, graph: Graph, memory: Memory, promises: Sequence[Promise], now: datetime
) -> Iterator[Notice]:
    """A notice for each scheduled time at whose SLA the tables did not stand; each is judged once."""
    for promise in promises:
        due = promise.last_due(now)
        if memory.judged.setdefault(promise.job, due) >= due:
            continue
        memory.judged[promise.job] = due
        runs = _runs_for(instance, promise, due)
        if any(_kept(record, due + promise.sla) for record in runs):
            continue
        tables = graph.tables_of_job(promise.job)
        day = (due - DAY).date()
        yield Notice(
            notice_id=f"sla:{promise.job}:{due.isoformat()}",
            kind="sla",
            subject=f"SLA of {promise.job} missed",
            what=f"{promise.job} of {day} was due {moment(due + promise.sla)} and its tables do not stand",
            why=_why(instance, runs),
            since=due + promise.sla,
            blocks=full_names(tables | graph.below(tables)),
            run_id=runs[0].dagster_run.run_id if runs else None,
            noticed_at=now,
        )


def late_tables(
    instance: dg.DagsterInstance, graph: Graph, memory: Memory, keys: Sequence[dg.AssetKey], now: datetime
) -> Iterator[Notice]:
    """One notice for all tables whose freshness began to fail since the last tick."""
    states = instance.get_freshness_state_records(keys)
    failing = {
        ".".join(key.path): (key, record.updated_at.astimezone(UTC))
        for key, record in states.items()
        if record.freshness_state == FreshnessState.FAIL
    }
    fresh = {name: since for name, (_, since) in failing.items() if memory.late.get(name) != since}
    memory.late = {name: since for name, (_, since) in failing.items()}
    if not fresh:
        return
    late = {failing[name][0] for name in fresh}
    listed, since = sorted(fresh), min(fresh.values())
    yield Notice(
        notice_id=f"late:{','.join(listed)}:{since.isoformat()}",
        kind="late",
        subject=f"late: {names(listed)}",
        what=f"{names(listed)} {'was' if len(listed) == 1 else 'were'} not written in time",
        why="no materialization within the window of the table's contract",
        since=since,
        blocks=full_names(graph.below(late) - late),
        noticed_at=now,
    )


def _runs_for(instance: dg.DagsterInstance, promise: Promise, due: datetime) -> list[dg.RunRecord]:
    """Runs of the job for the day before, made since the scheduled time, newest first."""
    filters = dg.RunsFilter(job_name=promise.job, created_after=due - timedelta(seconds=1))
    day = (due - DAY).date().isoformat()
    return [record for record in instance.get_run_records(filters) if _is_of(record.dagster_run, day)]


def _is_of(run: dg.DagsterRun, day: str) -> bool:
    first = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start")
    last = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_end")
    return first is None or last is None or first <= day <= last


def _kept(record: dg.RunRecord, deadline: datetime) -> bool:
    is_success = record.dagster_run.status == dg.DagsterRunStatus.SUCCESS
    return is_success and record.end_time is not None and record.end_time <= deadline.timestamp()


def _why(instance: dg.DagsterInstance, runs: Sequence[dg.RunRecord]) -> str:
    if not runs:
        return "no run was started for it"
    newest = runs[0].dagster_run
    if newest.status in _ENDED_BADLY:
        return f"{described(newest)} failed: {how_it_stopped(instance, newest.run_id).why}"
    if newest.status == dg.DagsterRunStatus.SUCCESS:
        return f"{described(newest)} succeeded too late"
    return f"{described(newest)} is {newest.status.value.lower()}"
