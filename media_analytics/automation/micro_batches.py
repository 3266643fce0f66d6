"""The sensor that fills micro-batched tables: one run a tick for every topic with new data.

Belongs here: which offsets are due and in which hours they lie, when a table that does not get on is tried again, what
a tick reports. Does not belong here: the runs' work (`media_analytics.micro_batches`).

A range begins where the table ends: the table says so itself. The cursor remembers only when dates were reported and
when a table was tried last; a lost cursor costs nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from media_analytics.automation import monitors
from media_analytics.automation.debounce import Debounce
from media_analytics.automation.jobs import MICRO_BATCHES, AssetJob
from media_analytics.automation.proofs import is_running
from media_analytics.checks import health, micro_batches
from media_analytics.factory import asset_key
from media_analytics.micro_batches.asset import op_name, unreported
from media_analytics.micro_batches.store import Store
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.partitions import hour_key, hour_of
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings

HOUR = timedelta(hours=1)
# A run holds at most this many arrival hours: after a long pause several runs catch up.
HOURS_PER_RUN = 24
# A table whose newest try did not move it waits this long, then twice as long, up to the limit.
FIRST_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=15)
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
OffsetsAt = Callable[[datetime], Mapping[int, int]]


class Pace(BaseModel):
    """Tries of one table that did not move it. `begin` is where the table stood."""

    begin: dict[int, int]
    tries: int
    last: datetime


class Memory(BaseModel):
    """The sensor's cursor."""

    dates: dict[str, Debounce] = Field(default_factory=dict)
    paces: dict[str, Pace] = Field(default_factory=dict)
    said: Debounce = Field(default_factory=Debounce)

    def may_try(self, name: str, begin: Mapping[int, int], now: datetime) -> bool:
        """Whether to start a run for a table now; a try is remembered."""
        pace = self.paces.get(name)
        if pace is None or pace.begin != begin:
            self.paces[name] = Pace(begin=dict(begin), tries=1, last=now)
            return True
        if now - pace.last < min(FIRST_PAUSE * 2 ** (pace.tries - 1), LONGEST_PAUSE):
            return False
        self.paces[name] = Pace(begin=dict(begin), tries=pace.tries + 1, last=now)
        return True


@dataclass(frozen=True)
class Due:
    """A range of one table and the arrival hours it lies in."""

    table: MicroBatched
    first: Mapping[int, int]
    end: Mapping[int, int]
    first_hour: datetime
    last_hour: datetime

    @property
    def config(self) -> dict[str, Any]:
        """What the table's op is told."""
        return {"config": {"ranges": {str(p): [self.first[p], end] for p, end in sorted(self.end.items())}}}


def micro_batch_sensor(
    settings: Settings, tables: Sequence[MicroBatched], job: AssetJob
) -> dg.SensorDefinition:
    """Starts one run a tick for every table that is behind its topic; never two at once."""

    @dg.sensor(
        name="micro_batches",
        job=job,
        minimum_interval_seconds=settings.micro_batches.interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"settings", "clock", "kafka", "delta_log"},
        description="Fills bronze tables from their topics; reports touched dates when due, lag, and lost reports.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return tick(context.instance, context.resources, tables, context.cursor)

    return sensor


def tick(
    instance: dg.DagsterInstance, resources: Any, tables: Sequence[MicroBatched], cursor: str | None
) -> dg.SensorResult:
    """What is due now, what is to be reported, and the next cursor."""
    memory = Memory.model_validate_json(cursor) if cursor else Memory()
    now: datetime = resources.clock.now()
    busy = is_running(instance, MICRO_BATCHES)
    events: list[monitors.Event] = []
    due: list[Due] = []
    for table in tables:
        state = micro_batches.state(resources, table)
        events += _events(resources, table, state, memory, now)
        # A table that cannot go on says so in its check; a run would fail with the same words.
        if busy or state.refusal:
            continue
        if state.behind and memory.may_try(table.contract.full_name, state.begin, now):
            due.append(due_range(resources, table, state, now))
        events += unreported(instance, table, Store(resources.settings, table))
    why = "a run is under way" if busy else "nothing new"
    return dg.SensorResult(
        run_requests=[_request(due)] if due else [],
        asset_events=events,
        cursor=memory.model_dump_json(),
        skip_reason=None if due else dg.SkipReason(why),
    )


def due_range(resources: Any, table: MicroBatched, state: micro_batches.State, now: datetime) -> Due:
    """The next bounded range of a table and its hours."""
    kafka: KafkaLog = resources.kafka
    end = bounded(state.begin, state.ends, resources.settings.micro_batches.max_offsets)
    first, last, end = hours_of(
        state.begin,
        end,
        lambda instant: kafka.offsets_at(table.topic.name, instant),
        now,
        table.topic.retention,
    )
    return Due(table, state.begin, end, first, last)


def bounded(begin: Mapping[int, int], ends: Mapping[int, int], most: int) -> dict[int, int]:
    """The ends of a range of at most `most` offsets, shared among the partitions that have some."""
    left = {p: end - begin[p] for p, end in ends.items() if end > begin[p]}
    taken = dict.fromkeys(ends, 0)
    for place, (partition, waiting) in enumerate(sorted(left.items(), key=lambda item: item[1])):
        share = max(1, (most - sum(taken.values())) // (len(left) - place))
        taken[partition] = min(waiting, share)
    return {p: begin[p] + taken[p] for p in ends}


def hours_of(
    begin: Mapping[int, int], end: Mapping[int, int], offsets_at: OffsetsAt, now: datetime, kept: timedelta
) -> tuple[datetime, datetime, dict[int, int]]:
    """First and last arrival hour of a range, and its end, cut after `HOURS_PER_RUN` hours.

    `offsets_at` gives, per partition, the first offset appended at or after an instant. Usually one question: has the
    range begun in the current hour?
    """
    current = now.replace(minute=0, second=0, microsecond=0)
    pending = [p for p, offset in end.items() if offset > begin[p]]

    def begun_by(hours_ago: int) -> bool:
        at = offsets_at(current - hours_ago * HOUR)
        return all(at[p] <= begin[p] for p in pending)

    low, high = 0, int(kept / HOUR) + 1
    if not begun_by(0):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if begun_by(middle) else (middle, high)
        low = high
    first = last = current - low * HOUR
    while last < current:
        after = offsets_at(last + HOUR)
        if all(after[p] >= end[p] for p in pending):
            break
        if (last - first) // HOUR + 1 >= HOURS_PER_RUN:
            return first, last, {p: min(offset, max(after[p], begin[p])) for p, offset in end.items()}
        last += HOUR
    return first, last, dict(end)


def _events(
    resources: Any,
    table: MicroBatched,
    state: micro_batches.State,
    memory: Memory,
    now: datetime,
) -> Iterator[monitors.Event]:
    """Dates that are due, a sign of life of tables that may be quiet, lag."""
    if table.dates is not None:
        debounce = memory.dates.setdefault(table.dates.full_name, Debounce())
        yield from monitors.touched_dates(resources, table.dates, debounce, now)
    if table.topic in monitors.QUIET_STREAMS and not state.behind:
        yield from _daily_signs(table, memory.said, now)
    yield from monitors.verdicts_of(
        memory.said, table.contract, {health.LAG: micro_batches.verdict(state)}, now
    )


def _daily_signs(table: MicroBatched, said: Debounce, now: datetime) -> Iterator[monitors.Event]:
    if said.is_time_for(f"daily {table.contract.full_name}", str(now.date()), now, monitors.DAILY):
        facts = {"daily_sign": "read to the end; nothing new is no failure"}
        yield dg.AssetMaterialization(
            asset_key(table.contract), partition=hour_key(hour_of(now)), metadata=facts
        )
        if table.dates is not None:
            yield dg.AssetMaterialization(
                asset_key(table.dates), partition=now.date().isoformat(), metadata=facts
            )


def _request(due: Sequence[Due]) -> dg.RunRequest:
    first, last = min(d.first_hour for d in due), max(d.last_hour for d in due)
    return dg.RunRequest(
        run_config={"ops": {op_name(d.table): d.config for d in due}},
        asset_selection=[asset_key(d.table.contract) for d in due],
        tags=dict(zip(RANGE_TAGS, (hour_key(hour_of(first)), hour_key(hour_of(last))), strict=True)),
    )
