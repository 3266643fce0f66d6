"""The sensor that starts proofs: completeness while data flows, offset bounds when an hour closes.

Belongs here: when a proof is due, at the cost of a few offsets a tick. Does not belong here: the proofs (`assets/ops`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import dagster as dg

from media_analytics.automation.jobs import COMPLETENESS, OFFSET_BOUNDS, AssetJob
from media_analytics.checks.completeness_stores import CHECKED
from media_analytics.contracts.registry import table
from media_analytics.factory import asset_key
from media_analytics.partitions import hour_key, hour_of
from media_analytics.resources.clock import Clock
from media_analytics.resources.kafka import KafkaLog

INTERVAL_SECONDS = 60
COMPLETENESS_EVERY = timedelta(minutes=4)
# After a longer pause only the hours of the last days are looked at: Kafka keeps no more.
LOOK_BACK = timedelta(days=7)
HOURS_PER_TICK = 24
HOUR = timedelta(hours=1)
CLOSED_AFTER = timedelta(minutes=5)
ONLY_NEW = {"ops": {"ops__completeness": {"config": {"recheck": False}}}}
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def proofs_sensor(jobs: Sequence[AssetJob]) -> dg.SensorDefinition:
    """Asks for completeness within five minutes while data flows, and for bounds once an hour closed."""

    @dg.sensor(
        name="proofs",
        jobs=[job for job in jobs if job.name in (COMPLETENESS, OFFSET_BOUNDS)],
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"kafka", "clock"},
        description="Starts completeness while records wait to be judged, and offset bounds when an hour closes.",
    )
    def proofs(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        clock: Clock = context.resources.clock
        kafka: KafkaLog = context.resources.kafka
        now = clock.now()
        requests: list[dg.RunRequest] = []
        ends = {topic.name: kafka.end_offsets(topic.name) for topic in CHECKED}
        due, why = completeness_is_due(context.instance, ends, now)
        if due and not is_running(context.instance, COMPLETENESS):
            requests.append(
                dg.RunRequest(
                    job_name=COMPLETENESS, partition_key=now.date().isoformat(), run_config=ONLY_NEW
                )
            )
        hours = list(islice(closed_hours(context.cursor, now), HOURS_PER_TICK))
        requests += [
            dg.RunRequest(
                run_key=f"bounds {hour_of(hour)}",
                job_name=OFFSET_BOUNDS,
                partition_key=hour_key(hour_of(hour)),
            )
            for hour in hours
            if _saw_records(kafka, hour)
        ]
        return dg.SensorResult(
            run_requests=requests,
            cursor=hour_of(hours[-1]) if hours else context.cursor,
            skip_reason=None if requests else dg.SkipReason(why),
        )

    return proofs


def completeness_is_due(
    instance: dg.DagsterInstance, ends: Mapping[str, Mapping[int, int]], now: datetime
) -> tuple[bool, str]:
    """Whether records wait to be judged and the last judgement is old enough; and why (not). `ends` are by topic."""
    key = asset_key(table("ops.completeness"))
    newest = instance.fetch_materializations(key, limit=1).records
    if not newest:
        return any(sum(partitions.values()) for partitions in ends.values()), "no records yet"
    event = newest[0]
    age = now - datetime.fromtimestamp(event.timestamp, UTC)
    if age < COMPLETENESS_EVERY:
        return False, f"judged {age.total_seconds():.0f} s ago"
    metadata = event.asset_materialization.metadata if event.asset_materialization else {}
    checked = json.loads(str(metadata["checked_offsets"].value)) if "checked_offsets" in metadata else {}
    for name, partitions in ends.items():
        judged = {int(partition): offset for partition, offset in checked.get(name, {}).items()}
        if any(end != judged.get(partition, 0) for partition, end in partitions.items()):
            return True, f"records of {name} wait"
    return False, "every record is judged"


def closed_hours(after: str | None, now: datetime) -> Iterator[datetime]:
    """Starts of hours that closed since `after` (an hour as text), oldest first."""
    newest = (now - CLOSED_AFTER).astimezone(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    oldest = newest - LOOK_BACK
    start = max(datetime.fromisoformat(f"{after}:00+00:00") + HOUR, oldest) if after else oldest
    while start <= newest:
        yield start
        start += HOUR


def _saw_records(kafka: KafkaLog, hour: datetime) -> bool:
    return any(
        kafka.offsets_at(topic.name, hour) != kafka.offsets_at(topic.name, hour + HOUR) for topic in CHECKED
    )


def is_running(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job waits or is under way."""
    return bool(instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_UNFINISHED), limit=1))
