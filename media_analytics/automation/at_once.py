"""Bring everything that arrived up to date now, without waiting for the debounce.

Belongs here: which dates are due according to the tables, few runs for them, the wait for the last minute. Does not
belong here: the runs' work, printing (`commands/`).
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pyarrow.compute as pc

from media_analytics.automation.jobs import COMPLETENESS, EXTERNAL_CONTRACTS, READER_TABLES
from media_analytics.automation.proofs import ONLY_NEW
from media_analytics.checks.completeness_stores import CHECKED
from media_analytics.contracts.registry import table
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions, contiguous
from media_analytics.resources.dagster_api import ENDED, PARTITION, RANGE_END, RANGE_START, DagsterApi, Run
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings

EVENTS = table("silver.events")
EVENT_DATES = table("ops.user_events_dates")
SESSION_DATES = table("ops.session_dates")
COMPLETE = table("ops.completeness")
# The end of a topic with gaps may be no record, so it says nothing about what is judged.
_CHECKED_NAMES = tuple(topic.name for topic in CHECKED if topic.is_contiguous)
RUN_TIMEOUT_SECONDS = 1800.0
# Dates this close are one run: computing an empty day is cheaper than launching a run.
LARGEST_GAP_DAYS = 14
SETTLE_POLL_SECONDS = 1.0
# A judgement that finds stores still behind is asked for again after this long.
RETRY_SECONDS = 10.0
Progress = Callable[[str], None]


@dataclass
class Outcome:
    """What was done: dates that were due, runs by job, seconds spent waiting for the last minute to close."""

    dates: tuple[date, ...] = ()
    runs: list[tuple[str, Run]] = field(default_factory=list)
    waited_seconds: float = 0.0


def bring_up_to_date(
    settings: Settings, progress: Progress, run_timeout: float = RUN_TIMEOUT_SECONDS
) -> Outcome:
    """Compute what is due, then prove completeness once the last minute is closed. Does nothing when nothing is new.

    Raises:
        ServiceError: a run failed (the message names the reason), or a service does not answer.
    """
    api, outcome = DagsterApi(settings), Outcome()
    _finish_newest(api, outcome, progress, run_timeout)
    outcome.dates = due_dates(settings)
    for first, last in ranges(settings, outcome.dates):
        progress(f"computing {first} to {last}")
        tags = {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
        _run(api, outcome, READER_TABLES, tags, progress, run_timeout)
    if close_and_check(settings, progress, api, outcome, run_timeout):
        progress("auditing tables and topics that streams write")
        _run(api, outcome, EXTERNAL_CONTRACTS, {}, progress, run_timeout)
    return outcome


def _finish_newest(api: DagsterApi, outcome: Outcome, progress: Progress, timeout: float) -> None:
    """Wait for a run of an earlier call that was interrupted; start its range again when it did not end well.

    Such a run may have published silver and not gold: the tables alone would say that nothing is due.
    """
    found = api.newest(READER_TABLES)
    if found is None or found[0].status == "SUCCESS":
        return
    run, tags = found
    if run.status not in ENDED:
        progress(f"waiting for run {run.run_id} of an earlier call")
        run = api.follow(run.run_id, timeout, lambda _: None)
    if run.status != "SUCCESS":
        again = {key: tags[key] for key in (RANGE_START, RANGE_END, PARTITION) if key in tags}
        _run(api, outcome, READER_TABLES, again, progress, timeout)


def close_and_check(
    settings: Settings,
    progress: Progress,
    api: DagsterApi | None = None,
    outcome: Outcome | None = None,
    run_timeout: float = RUN_TIMEOUT_SECONDS,
) -> bool:
    """Wait until the minute of the newest record is closed, then judge all minutes; False when all were judged."""
    api, outcome = api or DagsterApi(settings), outcome or Outcome()
    kafka = KafkaLog(settings)
    judged_any = False
    began = time.monotonic()
    while any(kafka.end_offsets(t) != judged_offsets(settings, kafka, t) for t in _CHECKED_NAMES):
        if judged_any:
            progress("a store has not committed the last minute yet")
            time.sleep(RETRY_SECONDS)
        _wait_until_settled(kafka, outcome, progress)
        progress("judging completeness")
        today = datetime.now(UTC).date().isoformat()
        _run(api, outcome, COMPLETENESS, {PARTITION: today}, progress, run_timeout, ONLY_NEW)
        judged_any = True
        if time.monotonic() - began > run_timeout:
            break
    return judged_any


def due_dates(settings: Settings) -> tuple[date, ...]:
    """Event dates with batches newer than what silver.events was published at, read from the tables alone.

    Looks at dates without rows in silver, and at those that the newest commits changed: the cost has a bound.
    """
    log = DeltaLog(settings)
    known = {date.fromisoformat(day) for day in log.snapshot(EVENT_DATES).changed}
    published = {date.fromisoformat(day) for day in log.row_counts(EVENTS)}
    changed = {date.fromisoformat(day): v for day, v in log.recently_changed(EVENT_DATES).items()}
    asked = known & ((known - published) | set(changed))
    recorded = _recorded_versions(log, asked)
    return tuple(sorted(d for d in asked if recorded.get(d, -1) < changed.get(d, 0)))


def ranges(settings: Settings, dates: Sequence[date]) -> list[tuple[date, date]]:
    """Unbroken ranges that hold the dates and every session date they touch, each small enough for one run."""
    existing = Partitions.of(settings).existing_days
    wide = existing({d + timedelta(days=n) for d in dates for n in (-1, 0, 1, 2)}, datetime.now(UTC))
    found: list[tuple[date, date]] = []
    for first, last in contiguous(wide, LARGEST_GAP_DAYS):
        while (last - first).days >= PARTITIONS_PER_RUN:
            found.append((first, first + timedelta(days=PARTITIONS_PER_RUN - 1)))
            first += timedelta(days=PARTITIONS_PER_RUN)
        found.append((first, last))
    return found


def judged_offsets(settings: Settings, kafka: KafkaLog, topic: str) -> dict[int, int]:
    """Per partition of a first topic, the offset after the newest judged one; what is deleted counts as judged."""
    topic_id = kafka.topic(topic).topic_id
    today = datetime.now(UTC).date()
    days = [(today - timedelta(days=n)).isoformat() for n in range(9)]
    rows = DeltaLog(settings).rows(COMPLETE, ["topic", "topic_id", "partition", "last_offset"], days)
    newest = rows.filter((pc.field("topic") == topic) & (pc.field("topic_id") == topic_id))
    first = kafka.first_offsets(topic)
    for partition, offset in zip(
        newest["partition"].to_pylist(), newest["last_offset"].to_pylist(), strict=True
    ):
        first[partition] = max(first[partition], offset + 1)
    return first


def _recorded_versions(log: DeltaLog, dates: Iterable[date]) -> dict[date, int]:
    """Per event date, the version of ops.user_events_dates that silver.events was last published at."""
    days = set(dates)
    # An event date is recorded under itself and its neighbours.
    near = sorted({(d + timedelta(days=n)).isoformat() for d in days for n in (-1, 0, 1, 2)})
    if not near:
        return {}
    rows = log.rows(SESSION_DATES, ["event_date", "dates_version"], near)
    newest = rows.group_by("event_date").aggregate([("dates_version", "max")])
    found = zip(newest["event_date"].to_pylist(), newest["dates_version_max"].to_pylist(), strict=True)
    return {day: version for day, version in found if day in days}


def _wait_until_settled(kafka: KafkaLog, outcome: Outcome, progress: Progress) -> None:
    """Return when the minute of the newest record of any topic ended 60 s ago."""
    began = time.monotonic()
    while (newest := max(filter(None, map(kafka.newest_append, _CHECKED_NAMES)), default=None)) is not None:
        left = (_settles_at(newest) - datetime.now(UTC)).total_seconds()
        if left <= 0:
            break
        progress(f"the last minute closes in {left:.0f} s")
        time.sleep(min(left, SETTLE_POLL_SECONDS))
    outcome.waited_seconds += time.monotonic() - began


def _settles_at(newest: datetime) -> datetime:
    return newest.replace(second=0, microsecond=0) + timedelta(minutes=2)


def _run(
    api: DagsterApi,
    outcome: Outcome,
    job: str,
    tags: dict[str, str],
    progress: Progress,
    timeout: float,
    config: Mapping[str, object] | None = None,
) -> None:
    def show(run: Run) -> None:
        doing = f", {', '.join(run.running)}" if run.running else ""
        progress(f"{job}: {run.status.lower()}, {len(run.steps)} steps done{doing}")

    outcome.runs.append((job, api.wait(api.launch(job, tags, config), timeout, show)))
