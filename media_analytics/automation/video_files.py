"""The sensor that loads new and replaced video files.

Belongs here: which files of the landing folder are due, when a run is asked for. Does not belong here: loading
(`media_analytics/video_files`).

A file is due when its content is neither what stands in bronze nor what was blocked before, and two ticks found it the
same (it is not being written any more). The ledger says what was loaded; the cursor only saves reading files again.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import BaseModel, Field

from media_analytics.automation.jobs import VIDEO_FILES, AssetJob
from media_analytics.automation.proofs import is_running
from media_analytics.factory import CAUSE_TAG
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings
from media_analytics.video_files import ledger
from media_analytics.video_files.asset import BLOCKED_TAG, INGEST, up_to_date
from media_analytics.video_files.landing import LandingError, SourceFile, discover, sha256

# A tick reads at most this much; the rest waits for the next.
BYTES_PER_TICK = 2 << 30
# A run that failed for another reason than its files is asked for again after this long.
AFTER_A_FAILURE = timedelta(minutes=5)


class Seen(BaseModel):
    """A file as a tick saw it. `stamp` changes with the file; the content is known once it was read."""

    stamp: str
    content: str | None = None


class Memory(BaseModel):
    """The sensor's cursor: files by address."""

    files: dict[str, Seen] = Field(default_factory=dict)


def video_files_sensor(settings: Settings, job: AssetJob) -> dg.SensorDefinition:
    """Asks for one run for all files that are due; never while one is under way."""

    @dg.sensor(
        name="video_files",
        job=job,
        minimum_interval_seconds=settings.video.interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"settings", "clock", "delta_log"},
        description="Loads new and replaced files of the landing folder, each content once.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        resources = context.resources
        return tick(
            context.instance,
            resources.settings,
            resources.delta_log,
            resources.clock.now(),
            context.cursor,
        )

    return sensor


def tick(
    instance: dg.DagsterInstance, settings: Settings, log: DeltaLog, now: datetime, cursor: str | None
) -> dg.SensorResult:
    """What is due now, and the next cursor."""
    memory = Memory.model_validate_json(cursor) if cursor else Memory()
    landing = settings.video.landing
    if landing is None:
        return _nothing("no landing folder is set (video.landing)", memory)
    try:
        files = discover(landing, store=settings.video.store)
    except LandingError as error:
        return _nothing(str(error), memory)
    settled = look(files, memory)
    if why := _why_wait(instance, now):
        return _nothing(why, memory)
    units = due_units(files, settled, memory, ledger.standing(log))
    if not units:
        return _nothing("nothing new", memory)
    request = dg.RunRequest(
        run_config={"ops": {INGEST: {"config": {"path": landing, "units": units}}}},
        tags={CAUSE_TAG: f"new or replaced files in {landing}", **up_to_date(files, settings, now)},
    )
    return dg.SensorResult(run_requests=[request], cursor=memory.model_dump_json())


def look(files: list[SourceFile], memory: Memory) -> set[str]:
    """Remember the files as they are; the addresses of those that stand still and whose content is known."""
    settled: set[str] = set()
    left = BYTES_PER_TICK
    now: dict[str, Seen] = {}
    for file in files:
        before = memory.files.get(file.address)
        if before is None or before.stamp != file.stamp:
            now[file.address] = Seen(stamp=file.stamp)
            continue
        if before.content is None and left > 0:
            before.content = sha256(file)
            left -= file.size
        if before.content is not None:
            settled.add(file.address)
        now[file.address] = before
    memory.files = now
    return settled


def due_units(
    files: list[SourceFile], settled: set[str], memory: Memory, standing: ledger.Standing
) -> list[str]:
    """The flat folder and the dates that have a new content, none that was blocked, and stand still."""
    units: dict[str, list[SourceFile]] = {}
    for file in files:
        units.setdefault(file.unit, []).append(file)
    due = []
    for unit, members in units.items():
        if not all(f.address in settled for f in members):
            continue
        contents = {f.address: memory.files[f.address].content for f in members}
        new = [a for a, content in contents.items() if standing.loaded.get(a) != content]
        if new and not any(standing.blocked.get(a) == contents[a] for a in new):
            due.append(unit)
    return sorted(due)


def _why_wait(instance: dg.DagsterInstance, now: datetime) -> str | None:
    if is_running(instance, VIDEO_FILES):
        return "a run is under way"
    newest = instance.get_run_records(dg.RunsFilter(job_name=VIDEO_FILES), limit=1)
    if not newest or newest[0].dagster_run.status is dg.DagsterRunStatus.SUCCESS:
        return None
    blocked = newest[0].dagster_run.tags.get(BLOCKED_TAG)
    age = now - newest[0].create_timestamp.astimezone(UTC)
    if blocked is None and timedelta(0) <= age < AFTER_A_FAILURE:
        return f"the last run failed {age.total_seconds():.0f} s ago"
    return None


def _nothing(why: str, memory: Memory) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=why, cursor=memory.model_dump_json())
