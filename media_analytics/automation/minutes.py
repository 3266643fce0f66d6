"""The sensor of the minute analysis: which minutes are closed and have no result.

Belongs here: when a minute is closed, at most one run a minute for all new ones, results of minutes without events.
Does not belong here: the analysis (`assets/extracts`, `assets/results`).

A tick asks Kafka for a few offsets, reads one small file and counts rows of the new minutes. A run costs seconds of
processor time, so minutes in which nothing happened get their files here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from media_analytics.assets.extracts.interactions import SOURCE, empty
from media_analytics.assets.extracts.minutes import CLOSES_AFTER
from media_analytics.assets.results import interactions as results
from media_analytics.automation.jobs import MINUTE_ANALYSIS, AssetJob
from media_analytics.checks import health
from media_analytics.checks.audit import CHECK_NAME
from media_analytics.contracts.registry import topic
from media_analytics.factory import asset_key
from media_analytics.modelling.minutes import MINUTE
from media_analytics.partitions import hour_key, hour_of
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.clock import Clock
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.minute_files import MinuteFiles

INTERVAL_SECONDS = 30
TOPIC = topic("interactions.events")
# Minutes a run catches up at most: it ends soon, and a failure repeats little.
MINUTES_PER_RUN = 240
RUN_EVERY = timedelta(seconds=55)
AFTER_A_FAILURE = timedelta(minutes=5)
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
# What empty minutes name as their run.
SENSOR_ID = "minute_analysis sensor"
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def minutes_sensor(job: AssetJob) -> dg.SensorDefinition:
    """Asks for the analysis of every closed minute that has no result, oldest first."""

    @dg.sensor(
        name="minute_analysis",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"kafka", "clickhouse", "minute_files", "dashboard", "clock"},
        description="Starts the analysis of closed minutes; a minute without events gets its result at once.",
    )
    def minute_analysis(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        resources = context.resources
        now: datetime = resources.clock.now()
        wait = reason_to_wait(context.instance, now)
        if wait:
            return dg.SkipReason(wait)
        start = next_minute(resources.minute_files, resources.clickhouse)
        if start is None:
            return dg.SkipReason("no interactions yet")
        end = closed_end(resources.kafka, start, now)
        if end <= start:
            return dg.SkipReason(f"{start:%H:%M} is not closed yet")
        minutes = [start + n * MINUTE for n in range(min(MINUTES_PER_RUN, (end - start) // MINUTE))]
        quiet = quiet_minutes(resources.clickhouse, minutes)
        if quiet:
            return dg.SensorResult(asset_events=list(_publish_quiet(resources, quiet)))
        return dg.SensorResult(run_requests=[_request(minutes[0], minutes[-1])])

    return minute_analysis


def next_minute(files: MinuteFiles, clickhouse: ClickHouse) -> datetime | None:
    """The minute after the newest result; before the first result that of the oldest row; None without rows."""
    progress = files.progress()
    if progress is not None:
        return progress.latest + MINUTE
    sql = f"SELECT count(), toUnixTimestamp(toStartOfMinute(min(appended_at))) FROM {SOURCE.full_name}"
    rows, oldest = clickhouse.rows(sql, comment=SENSOR_ID)[0]
    return datetime.fromtimestamp(oldest, UTC) if rows else None


def closed_end(kafka: KafkaLog, start: datetime, now: datetime) -> datetime:
    """The end of the newest closed minute; not after `start` when none from there on is closed.

    A minute is closed when it ended 60 s ago and the sink stored everything appended before its end. While the sink is
    behind, older minutes are tried in growing steps.
    """
    committed = kafka.committed(health.SINK_GROUP).get(TOPIC.name, {})
    end = (now - CLOSES_AFTER).astimezone(UTC).replace(second=0, microsecond=0)
    back = MINUTE
    while end > start and not is_stored(committed, kafka.offsets_at(TOPIC.name, end)):
        end -= back
        back *= 2
    return end


def is_stored(committed: Mapping[int, int], needed: Mapping[int, int]) -> bool:
    """Whether a reader has come as far as needed in every partition."""
    return all(committed.get(partition, 0) >= offset for partition, offset in needed.items())


def quiet_minutes(clickhouse: ClickHouse, minutes: Sequence[datetime]) -> list[datetime]:
    """The minutes without rows that come before the first one with rows."""
    sql = (
        f"SELECT count(), toUnixTimestamp(toStartOfMinute(min(appended_at))) FROM {SOURCE.full_name} "
        "WHERE appended_at >= fromUnixTimestamp({start:Int64}) AND appended_at < fromUnixTimestamp({end:Int64})"
    )
    bounds = {"start": int(minutes[0].timestamp()), "end": int((minutes[-1] + MINUTE).timestamp())}
    rows, oldest = clickhouse.rows(sql, bounds, comment=SENSOR_ID)[0]
    return [m for m in minutes if not rows or m.timestamp() < oldest]


def _publish_quiet(resources: Any, minutes: Sequence[datetime]) -> Iterator[dg.AssetMaterialization | Any]:
    files: MinuteFiles = resources.minute_files
    clock: Clock = resources.clock
    for minute in minutes:
        files.write_extract(minute, empty())
    counts: dict[datetime, dict[str, Any]] = {minute: {} for minute in minutes}
    published = results.publish(files, resources.dashboard, clock, minutes, counts, SENSOR_ID)
    for contract in (results.EXTRACTS, results.CONTRACT):
        for hour in sorted({hour_of(minute) for minute in minutes}):
            yield dg.AssetMaterialization(
                asset_key(contract),
                partition=hour_key(hour),
                metadata={"minutes_without_events": len(minutes)},
            )
        yield dg.AssetCheckEvaluation(
            asset_key=asset_key(contract), check_name=CHECK_NAME, passed=True, metadata={"rows": 0}
        )
    late = results.seconds_late(published[-1])
    yield dg.AssetCheckEvaluation(
        asset_key=asset_key(results.CONTRACT),
        check_name=results.TIMELY,
        passed=late <= 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"seconds_late": late},
    )


def _request(first: datetime, last: datetime) -> dg.RunRequest:
    config = {"config": {"first": first.isoformat(), "last": last.isoformat()}}
    hours = (hour_key(hour_of(first)), hour_key(hour_of(last)))
    return dg.RunRequest(
        job_name=MINUTE_ANALYSIS,
        run_config={"ops": {"extracts__interactions": config, "results__interactions": config}},
        tags=dict(zip(RANGE, hours, strict=True)),
    )


def reason_to_wait(instance: dg.DagsterInstance, now: datetime) -> str | None:
    """Why no run may start now: one is under way, started within the minute, or failed a moment ago."""
    newest = instance.get_run_records(dg.RunsFilter(job_name=MINUTE_ANALYSIS), limit=1)
    if not newest:
        return None
    status = newest[0].dagster_run.status
    age = now - newest[0].create_timestamp.astimezone(UTC)
    if status not in _ENDED:
        return f"run {newest[0].dagster_run.run_id} is under way"
    if age < timedelta(0):
        # The clock was set back: waiting would take as long.
        return None
    if status is not dg.DagsterRunStatus.SUCCESS and age < AFTER_A_FAILURE:
        return f"the last run failed {age.total_seconds():.0f} s ago"
    if age < RUN_EVERY:
        return f"the last run started {age.total_seconds():.0f} s ago"
    return None
