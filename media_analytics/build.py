"""The one assembler: settings in, definitions out.

Belongs here: which assets, checks, jobs, sensors, schedules and resources there are. Does not belong here: what any of
them does, reading the environment, connecting to anything.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from media_analytics.assets.bronze import families as family_bronze
from media_analytics.assets.bronze import user_events as bronze
from media_analytics.assets.gold import (
    reader_devices,
    reader_engagement,
    reader_geography,
    reader_sessions,
    reader_sources,
)
from media_analytics.assets.kafka import topics
from media_analytics.assets.ops import completeness, maintenance, offset_bounds, restatements, touched_dates
from media_analytics.assets.realtime import tables as realtime
from media_analytics.assets.silver import events, sessions
from media_analytics.automation.conditions import automation_sensor, on_arrival
from media_analytics.automation.jobs import asset_jobs
from media_analytics.automation.monitors import monitor_sensors
from media_analytics.automation.proofs import proofs_sensor
from media_analytics.automation.schedules import schedules
from media_analytics.checks.external import external_checks
from media_analytics.factory import asset_key, table_asset
from media_analytics.partitions import Partitions
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.clock import Clock
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.lake import Lake
from media_analytics.resources.spark import SparkConnect
from media_analytics.settings import Settings

EXTERNAL = (topics, realtime, bronze, family_bronze, touched_dates, restatements, maintenance)
PROOFS = (offset_bounds, completeness)
COMPUTED = (
    events.TABLE,
    sessions.TABLE,
    reader_sessions.TABLE,
    reader_engagement.TABLE,
    reader_geography.TABLE,
    reader_devices.TABLE,
    reader_sources.TABLE,
)


def build_defs(settings: Settings, resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Everything Dagster knows of this installation. `resource_overrides` replaces resources by name, for tests."""
    with warnings.catch_warnings():
        # Code references are beta; a warning per table and load would hide others.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _definitions(settings, resource_overrides or {})


def _definitions(settings: Settings, resource_overrides: Mapping[str, Any]) -> dg.Definitions:
    partitions = Partitions.of(settings)
    checks = [*external_checks(), events.far_copies_check()]
    jobs = asset_jobs(checks)
    return dg.Definitions(
        assets=[
            *(spec for module in EXTERNAL for spec in module.specs(partitions)),
            *(table_asset(t, partitions, on_arrival(asset_key(t.trigger))) for t in COMPUTED),
            *(module.asset(partitions) for module in PROOFS),
        ],
        asset_checks=checks,
        jobs=[*jobs, maintenance.maintenance_request],
        sensors=[automation_sensor(), *monitor_sensors(settings), proofs_sensor(jobs)],
        schedules=schedules(settings, jobs, maintenance.maintenance_request),
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
    }
