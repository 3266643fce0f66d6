"""What an environment promises of the job `media_analytics_pipeline`, as Dagster applies it.

Belongs here: its schedule, the longest a run may take, the retries of its steps. Does not belong here: the numbers
(`media_analytics.environments`), the job's assets (`jobs.py`), telling people (`notices/`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import dagster as dg

from media_analytics.automation.jobs import VIDEO_FILES, AssetJob
from media_analytics.environments.operations import Operations
from media_analytics.settings import Settings

PIPELINE = VIDEO_FILES
# Dagster's run monitoring ends a run that takes longer.
LONGEST_RUN_TAG = "dagster/max_runtime"
# Seconds before the first retry; the next waits twice as long.
RETRY_DELAY_SECONDS = 10


def run_tags(operations: Operations) -> Mapping[str, str]:
    """What every run of the job carries."""
    return {LONGEST_RUN_TAG: str(int(operations.pipeline.timeout.total_seconds()))}


def retries(operations: Operations) -> dg.RetryPolicy:
    """How often a step of the job is tried again."""
    return dg.RetryPolicy(
        max_retries=operations.pipeline.retries,
        delay=RETRY_DELAY_SECONDS,
        backoff=dg.Backoff.EXPONENTIAL,
        jitter=dg.Jitter.PLUS_MINUS,
    )


def pipeline_schedules(settings: Settings, jobs: Sequence[AssetJob]) -> list[dg.ScheduleDefinition]:
    """The daily run of each job, for the day before; none where it runs on demand.

    Raises:
        SettingsError: there is a schedule and no folder to load.
    """
    cron = settings.operations.pipeline.cron
    if cron is None:
        return []
    settings.check_schedule()
    return [_daily(job, cron) for job in jobs]


def _daily(job: AssetJob, cron: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{job.name}_daily",
        cron_schedule=cron,
        job=job,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Loads the day before and computes it up to gold.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
        return dg.RunRequest(run_key=f"{job.name} {day}", tags={"dagster/partition": day})

    return daily
