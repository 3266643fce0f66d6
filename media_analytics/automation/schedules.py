"""What happens by the clock.

Belongs here: schedules, each declared for every environment. Does not belong here: anything that data arriving should
start (`conditions.py`, `proofs.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any, get_args

import dagster as dg

from media_analytics.automation.jobs import (
    COMPLETENESS,
    DEAD_LETTER_REPLAYS,
    EXTERNAL_CONTRACTS,
    VIDEO_MAINTENANCE,
    AssetJob,
)
from media_analytics.automation.micro_batch_maintenance import maintenance_config
from media_analytics.automation.micro_batches import RANGE_TAGS
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
        "recheck_completeness": partial(
            _dated,
            "recheck_completeness",
            by_name[COMPLETENESS],
            f"Judges every minute of the last {RECHECKED_DAYS} days again.",
            _recheck,
        ),
        "audit_external_tables": partial(_plain, "audit_external_tables", by_name[EXTERNAL_CONTRACTS], None),
        "maintain_video_tables": partial(_plain, "maintain_video_tables", by_name[VIDEO_MAINTENANCE], None),
        "vacuum_streamed_tables": lambda cron: _vacuum(cron, maintenance),
        "settle_dead_letter_replays": partial(
            _dated,
            "settle_dead_letter_replays",
            by_name[DEAD_LETTER_REPLAYS],
            "Finishes the books of replays that were stopped; sends nothing.",
            _settle,
        ),
        **{
            name: partial(_plain, name, micro_batches, maintenance_config(micro_batched, action))
            for action in ("compact", "vacuum")
            for name in (f"{action}_micro_batched_tables",)
        },
    }
    result = []
    for name, make in made.items():
        cron = cron_of(name, settings.environment)
        if cron is not None:
            result.append(make(cron))
    return result


def _plain(
    name: str, job: AssetJob | dg.JobDefinition, config: Mapping[str, Any] | None, cron: str
) -> dg.ScheduleDefinition:
    """A schedule whose run is always the same."""
    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        job=job,
        run_config=config,
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


def _dated(
    name: str, job: AssetJob, description: str, request: Callable[[date], dg.RunRequest], cron: str
) -> dg.ScheduleDefinition:
    """A schedule whose run depends on its date."""

    @dg.schedule(
        name=name,
        cron_schedule=cron,
        job=job,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def evaluated(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return request(context.scheduled_execution_time.date())

    return evaluated


def _recheck(today: date) -> dg.RunRequest:
    first = today - timedelta(days=RECHECKED_DAYS)
    return dg.RunRequest(
        tags=dict(zip(RANGE_TAGS, (first.isoformat(), today.isoformat()), strict=True)),
        run_config={"ops": {"ops__completeness": {"config": {"recheck": True}}}},
    )


def _settle(today: date) -> dg.RunRequest:
    return dg.RunRequest(tags={"dagster/partition": today.isoformat()})


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
