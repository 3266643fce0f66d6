"""The one assembler: settings in, definitions out.

Belongs here: which assets, checks, jobs, sensors, schedules and resources there are. Does not belong here: what any of
them does, reading the environment, connecting to anything.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from media_analytics.assets.bronze import (
    compliance_events,
    content_events,
    dead_letters,
    interactions,
    security_events,
    session_events,
)
from media_analytics.assets.bronze import user_events as bronze
from media_analytics.assets.bronze import video_files as raw_video
from media_analytics.assets.extracts import interactions as extracts
from media_analytics.assets.gold import (
    reader_devices,
    reader_engagement,
    reader_geography,
    reader_sessions,
    reader_sources,
    reader_subscriptions,
    video_marts,
)
from media_analytics.assets.kafka import topics
from media_analytics.assets.ops import (
    completeness,
    dead_letter_replays,
    maintenance,
    offset_bounds,
    restatements,
    subscription_dates,
    touched_dates,
    video_maintenance,
)
from media_analytics.assets.realtime import tables as realtime
from media_analytics.assets.results import interactions as results
from media_analytics.assets.silver import consent, content, events, sessions, subscriptions
from media_analytics.assets.silver import video_files as silver_video
from media_analytics.assets.warehouse import copies, models
from media_analytics.automation.conditions import automation_sensor, of_models, on_arrival
from media_analytics.automation.jobs import MICRO_BATCHES, MINUTE_ANALYSIS, VIDEO_FILES, asset_jobs
from media_analytics.automation.micro_batch_maintenance import maintenance_job
from media_analytics.automation.micro_batches import micro_batch_sensor
from media_analytics.automation.minutes import minutes_sensor
from media_analytics.automation.monitors import monitor_sensors
from media_analytics.automation.notices.sensor import notices_sensors
from media_analytics.automation.pipeline import PIPELINE, pipeline_schedules, retries, run_tags
from media_analytics.automation.proofs import proofs_sensor
from media_analytics.automation.schedules import schedules
from media_analytics.automation.video_files import video_files_sensor
from media_analytics.checks.external import external_checks
from media_analytics.checks.micro_batches import micro_batch_lag
from media_analytics.factory import asset_key, table_asset
from media_analytics.factory_whole import whole_table_asset
from media_analytics.micro_batches.asset import micro_batch_asset, micro_batch_specs
from media_analytics.partitions import Partitions
from media_analytics.resources.channels import Channels
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.clock import Clock
from media_analytics.resources.dashboard import Dashboard
from media_analytics.resources.dbt import Dbt
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.lake import Lake
from media_analytics.resources.minute_files import MinuteFiles
from media_analytics.resources.spark import SparkConnect
from media_analytics.settings import Settings

EXTERNAL = (topics, realtime, bronze, touched_dates, subscription_dates, restatements, maintenance, raw_video)
MICRO_BATCHED = (
    content_events,
    session_events,
    security_events,
    compliance_events,
    interactions,
    dead_letters,
)
PROOFS = (offset_bounds, completeness)
MINUTES = (extracts, results)
REPLAYS = (dead_letter_replays,)
VIDEO = (raw_video, silver_video, video_marts)
COMPUTED = (
    events.TABLE,
    sessions.TABLE,
    reader_sessions.TABLE,
    reader_engagement.TABLE,
    reader_geography.TABLE,
    reader_devices.TABLE,
    reader_sources.TABLE,
    reader_subscriptions.TABLE,
)
WHOLE = (content.TABLE, consent.TABLE, subscriptions.TABLE)


def build_defs(settings: Settings, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Everything Dagster knows of this installation. `resource_overrides` replaces resources by name, for tests."""
    with warnings.catch_warnings():
        # Code references are beta; a warning per table and load would hide others.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _definitions(settings, resource_overrides or {})


def _definitions(settings: Settings, resource_overrides: Mapping[str, Any]) -> dg.Definitions:
    partitions = Partitions.of(settings)
    micro_batched = [module.TABLE for module in MICRO_BATCHED]
    checks = [*external_checks(), micro_batch_lag(micro_batched), events.far_copies_check()]
    jobs = {job.name: job for job in asset_jobs(checks, run_tags(settings.operations))}
    micro_batch_maintenance = maintenance_job(micro_batched)
    return dg.Definitions(
        assets=[
            *(spec for module in EXTERNAL for spec in module.specs(partitions)),
            *(table_asset(t, partitions, on_arrival(asset_key(t.trigger))) for t in COMPUTED),
            *(whole_table_asset(t, on_arrival(asset_key(t.trigger))) for t in WHOLE),
            *(micro_batch_asset(m.TABLE, partitions, m) for m in MICRO_BATCHED),
            *(spec for m in MICRO_BATCHED for spec in micro_batch_specs(m.TABLE, partitions, m)),
            *(module.asset(partitions) for module in (*PROOFS, *MINUTES, *REPLAYS, video_maintenance)),
            *copies.assets(partitions, on_arrival),
            *models.assets(partitions, of_models(**models.selections())),
            *(a for module in VIDEO for a in module.assets(partitions, retries(settings.operations))),
        ],
        asset_checks=checks,
        jobs=[*jobs.values(), maintenance.maintenance_request, micro_batch_maintenance],
        sensors=[
            automation_sensor(),
            *monitor_sensors(settings),
            proofs_sensor(list(jobs.values())),
            minutes_sensor(jobs[MINUTE_ANALYSIS]),
            micro_batch_sensor(settings, micro_batched, jobs[MICRO_BATCHES]),
            video_files_sensor(settings, jobs[VIDEO_FILES]),
            *notices_sensors(settings, [PIPELINE]),
        ],
        schedules=[
            *schedules(
                settings,
                list(jobs.values()),
                maintenance.maintenance_request,
                micro_batch_maintenance,
                micro_batched,
            ),
            *pipeline_schedules(settings, [job for job in jobs.values() if job.name == PIPELINE]),
        ],
        resources=resources(settings) | dict(resource_overrides),
        # A step costs 0.05 s in this process and seconds in one of its own; runs are what is parallel.
        executor=dg.in_process_executor,
    )


def resources(settings: Settings) -> dict[str, Any]:
    """What assets, checks and sensors use. Nothing is connected before its first use."""
    spark = SparkConnect(settings)
    return {
        "settings": settings,
        "clock": Clock(),
        "spark": spark,
        "lake": Lake(settings, spark),
        "delta_log": DeltaLog(settings),
        "kafka": KafkaLog(settings),
        "clickhouse": ClickHouse(settings),
        "dbt": Dbt(settings),
        "minute_files": MinuteFiles(settings),
        "dashboard": Dashboard(settings),
        "channels": Channels(settings),
    }
