"""What is to be told of runs: their start, end and failure, and that one takes too long.

Belongs here: reading run-status changes after a remembered position, and how a run ended. Does not belong here: SLAs,
late tables (`promises.py`), the memory (`outbox.py`).

Dagster's own run-status sensors move on when their function fails, so a notice that could not be sent would be lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

import dagster as dg

from media_analytics.automation.notices.graph import Graph, full_names
from media_analytics.automation.notices.message import CHECKS_WITH_A_PAGE, Notice, moment, names, short
from media_analytics.automation.notices.outbox import Memory

# Events of one kind read in one tick; the rest follows in the next.
EVENTS_PER_TICK = 50
Change: TypeAlias = Literal[
    dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE
]
STARTED: Final = dg.DagsterEventType.RUN_START
SUCCEEDED: Final = dg.DagsterEventType.RUN_SUCCESS
FAILED: Final = dg.DagsterEventType.RUN_FAILURE
CHANGES: tuple[Change, ...] = (STARTED, SUCCEEDED, FAILED)
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
# Errors whose text is ours and quotes no row.
_OUR_ERRORS = ("media_analytics.", "streaming.", "spark_jobs.")
_PARTITION, _FIRST, _LAST = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)


@dataclass(frozen=True)
class Stop:
    """Where and why a run stopped."""

    steps: tuple[str, ...]
    why: str
    # The first check that failed.
    check: str | None = None


def first_position(instance: dg.DagsterInstance) -> dict[str, int]:
    """The newest events: what happened before the sensor was first started is not told."""
    found = {}
    for kind in CHANGES:
        newest = instance.fetch_run_status_changes(kind, limit=1).records
        found[kind.value] = newest[0].storage_id if newest else 0
    return found


def status_changes(
    instance: dg.DagsterInstance, graph: Graph, memory: Memory, told_jobs: frozenset[str], now: datetime
) -> Iterator[Notice]:
    """Notices of what changed since the last tick; starts and successes of `told_jobs` only."""
    for kind in CHANGES:
        records = instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(event_type=kind, after_storage_id=memory.seen.get(kind.value, 0)),
            limit=EVENTS_PER_TICK,
            ascending=True,
        ).records
        for record in records:
            memory.seen[kind.value] = record.storage_id
            found = instance.get_run_record_by_id(record.event_log_entry.run_id)
            if found is None:
                continue
            at = datetime.fromtimestamp(record.event_log_entry.timestamp, UTC)
            if kind is FAILED:
                notice = _failure(instance, graph, memory, found, at, now, told_jobs)
            elif found.dagster_run.job_name in told_jobs:
                notice = _progress(kind, found, at, now)
            else:
                continue
            if notice is not None:
                yield notice


def long_runs(
    instance: dg.DagsterInstance, graph: Graph, memory: Memory, longest_seconds: float, now: datetime
) -> Iterator[Notice]:
    """A notice for each run that became too long, once."""
    under_way = instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY))
    memory.long_runs = [r.dagster_run.run_id for r in under_way if r.dagster_run.run_id in memory.long_runs]
    for record in under_way:
        run = record.dagster_run
        if record.start_time is None or run.run_id in memory.long_runs:
            continue
        if now.timestamp() - record.start_time <= longest_seconds:
            continue
        memory.long_runs.append(run.run_id)
        left = graph.tables_of_run(run) - _written(instance, graph, run.run_id)
        yield Notice(
            notice_id=f"run:{run.run_id}:long",
            kind="long-run",
            subject=f"{run.job_name} runs longer than {longest_seconds / 60:.0f} min",
            what=f"{described(run)} is still running; written next: {names(full_names(left)) or 'no table'}",
            why=f"it began {moment(datetime.fromtimestamp(record.start_time, UTC))} and is not done",
            since=datetime.fromtimestamp(record.start_time, UTC),
            blocks=full_names(left | graph.below(left)),
            run_id=run.run_id,
            noticed_at=now,
        )


def how_it_stopped(instance: dg.DagsterInstance, run_id: str) -> Stop:
    """The failed steps of a run and the reason of the first, as far as it may be told."""
    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    checks = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    failed = [
        event.asset_check_evaluation_data.check_name
        for record in checks
        if (event := record.event_log_entry.dagster_event) is not None
        and not event.asset_check_evaluation_data.passed
    ]
    events = [e for record in steps if (e := record.event_log_entry.dagster_event) is not None]
    if events:
        names_of_steps = tuple(sorted({str(event.step_key) for event in events}))
        return Stop(names_of_steps, _reason(events[0]), failed[0] if failed else None)
    ends = instance.get_records_for_run(run_id, of_type=FAILED).records
    text = next((e.message for r in ends if (e := r.event_log_entry.dagster_event) is not None), None)
    return Stop((), short(text or "it ended without a word; its process may have been killed"))


def described(run: dg.DagsterRun) -> str:
    """A run in words: its job and partitions."""
    tags = run.tags
    if _PARTITION in tags:
        return f"{run.job_name} of {tags[_PARTITION]}"
    if _FIRST in tags and _LAST in tags:
        return f"{run.job_name} of {tags[_FIRST]} to {tags[_LAST]}"
    return run.job_name


def _failure(
    instance: dg.DagsterInstance,
    graph: Graph,
    memory: Memory,
    record: dg.RunRecord,
    at: datetime,
    now: datetime,
    told_jobs: frozenset[str],
) -> Notice | None:
    run = record.dagster_run
    stop = how_it_stopped(instance, run.run_id)
    untold = 0 if run.job_name in told_jobs else memory.repeats(f"{run.job_name} {' '.join(stop.steps)}", now)
    if untold is None:
        return None
    failed = {key for step in stop.steps for key in graph.tables_of_step(step)}
    left = failed or graph.tables_of_run(run) - _written(instance, graph, run.run_id)
    where = names(full_names(failed)) or names(stop.steps)
    again = f"; {untold} like it since the last notice" if untold else ""
    last = _last_success(instance, run.job_name)
    began = record.start_time
    return Notice(
        notice_id=f"run:{run.run_id}:failure",
        kind="failure",
        subject=f"{run.job_name} failed" + (f": {where}" if where else ""),
        what=f"{described(run)} failed" + (f" at {where}" if where else "") + again,
        why=stop.why + (f" (last success {moment(last)})" if last else " (it never succeeded)"),
        since=datetime.fromtimestamp(began, UTC) if began else at,
        # Without a failed step nothing was published: what was to be written is held up, too.
        blocks=full_names((graph.below(left) - failed) | (left - failed)),
        run_id=run.run_id,
        runbook=stop.check if stop.check in CHECKS_WITH_A_PAGE else None,
        noticed_at=now,
    )


def _progress(kind: dg.DagsterEventType, record: dg.RunRecord, at: datetime, now: datetime) -> Notice:
    run, began = record.dagster_run, record.start_time
    is_start = kind is STARTED
    took = f" after {(at.timestamp() - began) / 60:.1f} min" if began and not is_start else ""
    return Notice(
        notice_id=f"run:{run.run_id}:{'start' if is_start else 'success'}",
        kind="start" if is_start else "success",
        subject=f"{run.job_name} {'started' if is_start else 'succeeded'}",
        what=f"{described(run)} {'started' if is_start else 'succeeded'}{took}",
        why=_started_by(run),
        since=at,
        run_id=run.run_id,
        noticed_at=now,
    )


def _started_by(run: dg.DagsterRun) -> str:
    for tag, text in (("dagster/schedule_name", "schedule"), ("dagster/sensor_name", "sensor")):
        if tag in run.tags:
            return f"started by the {text} {run.tags[tag]}"
    return "started by a person or a command"


def _written(instance: dg.DagsterInstance, graph: Graph, run_id: str) -> set[dg.AssetKey]:
    done = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records
    steps = {str(e.step_key) for r in done if (e := r.event_log_entry.dagster_event) is not None}
    return {key for step in steps for key in graph.tables_of_step(step)}


def _last_success(instance: dg.DagsterInstance, job: str) -> datetime | None:
    filters = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS])
    newest = instance.get_run_records(filters, limit=1)
    return datetime.fromtimestamp(newest[0].end_time, UTC) if newest and newest[0].end_time else None


def _reason(event: dg.DagsterEvent) -> str:
    """Why a step failed: our own words in full, of other errors the kind alone."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return short(data.user_failure_data.description)
    error, kind = data.error, "an error"
    while error is not None:
        if error.message.startswith(_OUR_ERRORS):
            return short(error.message.partition(": ")[2] or error.message)
        kind = error.cls_name or kind
        error = error.cause
    return f"{kind}; its text may quote data, so it stands in the run only"
