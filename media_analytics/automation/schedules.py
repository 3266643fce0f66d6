"""What happens by the clock.

Belongs here: schedules, each declared for every environment. Does not belong here: anything that data arriving should
start (`conditions.py`, `proofs.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import get_args

import dagster as dg

from media_analytics.automation.jobs import (
    COMPLETENESS,
    DEAD_LETTER_REPLAYS,
    EXTERNAL_CONTRACTS,
    VIDEO_MAINTENANCE,
    AssetJob,
)
from media_analytics.automation.micro_batch_maintenance import maintenance_config
from media_analytics.errors import SettingsError
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.settings import Environment, Settings

# Cron (UTC) by schedule and environment; None: it does not run there. Every environment must be named.
CRONS: Mapping[str, Mapping[Environment, str | None]] = {
    "recheck_completeness": {
        "dev": "30 3 * * *",
        "qa": "30 3 * * *",
        "uat": "30 3 * * *",
        "prod": "30 3 * * *",
    },
    "audit_external_tables": {
        "dev": "10 * * * *",
        "qa": "10 * * * *",
        "uat": "10 * * * *",
        "prod": "10 * * * *",
    },
    "vacuum_streamed_tables": {
        "dev": "0 4 * * *",
        "qa": "0 4 * * *",
        "uat": "0 4 * * *",
        "prod": "0 4 * * *",
    },
    "compact_micro_batched_tables": {
        "dev": "25 * * * *",
        "qa": "25 * * * *",
        "uat": "25 * * * *",
        "prod": "25 * * * *",
    },
    "settle_dead_letter_replays": {
        "dev": "20 5 * * *",
        "qa": "20 5 * * *",
        "uat": "20 5 * * *",
        "prod": "20 5 * * *",
    },
    "maintain_video_tables": {
        "dev": "50 4 * * *",
        "qa": "50 4 * * *",
        "uat": "50 4 * * *",
        "prod": "50 4 * * *",
    },
    "vacuum_micro_batched_tables": {
        "dev": "40 4 * * *",
        "qa": "40 4 * * *",
        "uat": "40 4 * * *",
        "prod": "40 4 * * *",
    },
}
RECHECKED_DAYS = 7
VACUUMED = ("bronze.user_events", "ops.user_events_dates")


def schedules(
    settings: Settings,
    jobs: Sequence[AssetJob],
    maintenance: dg.JobDefinition,
    micro_batches: dg.JobDefinition,
    micro_batched: Sequence[MicroBatched],
) -> list[dg.ScheduleDefinition]:
    """The schedules of this environment. `micro_batches` is the job that maintains the tables `micro_batched`.

    Raises:
        SettingsError: a schedule does not say what it does in each environment.
    """
    by_name = {job.name: job for job in jobs}
    made: dict[str, Callable[[str], dg.ScheduleDefinition]] = {
        "recheck_completeness": lambda cron: _recheck(cron, by_name[COMPLETENESS]),
        "audit_external_tables": lambda cron: dg.ScheduleDefinition(
            name="audit_external_tables",
            cron_schedule=cron,
            job=by_name[EXTERNAL_CONTRACTS],
            default_status=dg.DefaultScheduleStatus.RUNNING,
        ),
        "maintain_video_tables": lambda cron: dg.ScheduleDefinition(
            name="maintain_video_tables",
            cron_schedule=cron,
            job=by_name[VIDEO_MAINTENANCE],
            default_status=dg.DefaultScheduleStatus.RUNNING,
        ),
        "vacuum_streamed_tables": lambda cron: _vacuum(cron, maintenance),
        "settle_dead_letter_replays": lambda cron: _settle(cron, by_name[DEAD_LETTER_REPLAYS]),
        **{
            f"{action}_micro_batched_tables": partial(_maintain, action, micro_batches, micro_batched)
            for action in ("compact", "vacuum")
        },
    }
    result = []
    for name, make in made.items():
        cron = cron_of(name, settings.environment)
        if cron is not None:
            result.append(make(cron))
    return result


def _maintain(
    action: str, job: dg.JobDefinition, tables: Sequence[MicroBatched], cron: str
) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{action}_micro_batched_tables",
        cron_schedule=cron,
        job=job,
        run_config=maintenance_config(tables, action),
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def cron_of(name: str, environment: Environment) -> str | None:
    """When a schedule runs in an environment.

    Raises:
        SettingsError: the schedule is unknown, or one of the environments is not named.
    """
    entry = CRONS.get(name, {})
    missing = [e for e in get_args(Environment) if e not in entry]
    if missing:
        raise SettingsError(
            f"schedule {name!r} has no entry for {', '.join(missing)}; add a cron or None for each environment to "
            "CRONS in media_analytics/automation/schedules.py"
        )
    return entry[environment]


def _recheck(cron: str, job: AssetJob) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="recheck_completeness",
        cron_schedule=cron,
        job=job,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Judges every minute of the last {RECHECKED_DAYS} days again.",
    )
    def recheck_completeness(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.date()
        return dg.RunRequest(
            tags={
                "dagster/asset_partition_range_start": (today - timedelta(days=RECHECKED_DAYS)).isoformat(),
                "dagster/asset_partition_range_end": today.isoformat(),
            },
            run_config={"ops": {"ops__completeness": {"config": {"recheck": True}}}},
        )

    return recheck_completeness


def _settle(cron: str, job: AssetJob) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="settle_dead_letter_replays",
        cron_schedule=cron,
        job=job,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Finishes the books of replays that were stopped; sends nothing.",
    )
    def settle_dead_letter_replays(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.date().isoformat()
        return dg.RunRequest(tags={"dagster/partition": today})

    return settle_dead_letter_replays


def _vacuum(cron: str, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="vacuum_streamed_tables",
        cron_schedule=cron,
        job=job,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Asks the writers of streamed tables to remove files that no version within retention needs.",
    )
    def vacuum_streamed_tables() -> Iterator[dg.RunRequest]:
        for name in VACUUMED:
            config = {"table": name, "action": "vacuum"}
            yield dg.RunRequest(run_config={"ops": {"file_maintenance_request": {"config": config}}})

    return vacuum_streamed_tables
