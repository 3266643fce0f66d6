"""Monitor sensors of the two streaming processes.

Belongs here: what each process did since the last tick, as materializations of the tables it writes and evaluations of
their liveness and lag. Does not belong here: the bookkeeping (`debounce.py`), the verdicts (`checks/health.py`), runs.

A tick reads only what is new: commit files after the last version, offsets, one small file. Its cost does not grow with
history.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

import dagster as dg

from media_analytics.automation.debounce import Debounce, load, sums
from media_analytics.checks import health
from media_analytics.contracts.model import Contract, TableContract
from media_analytics.contracts.registry import TABLES, TOPICS, table, topic
from media_analytics.factory import asset_key
from media_analytics.partitions import hour_key, hour_of
from media_analytics.resources.clock import Clock
from media_analytics.resources.delta_log import DeltaLog, Tail
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings

EVENT_DATES = table("ops.user_events_dates")
SESSION_DATES = table("ops.session_dates")
BRONZE = table("bronze.user_events")
REALTIME = tuple(contract for contract in TABLES.values() if contract.writer == "sink")
# Tables that runs or the stream append to beside their own work.
SIDE_TABLES = (
    SESSION_DATES,
    table("ops.subscription_dates"),
    table("ops.restatements"),
    table("ops.maintenance_requests"),
    table("ops.maintenance_results"),
)
# Nothing happening here is good news: said once a day, so that silence of the monitor itself is seen.
QUIET_TABLES = SIDE_TABLES[2:]
QUIET_STREAMS: tuple[Contract, ...] = (
    topic("dead_letters"),
    topic("security.events"),
    topic("compliance.events"),
    table("realtime.security_events"),
)
REPEAT_CHECKS = timedelta(minutes=5)
DAILY = timedelta(days=1)
Event: TypeAlias = dg.AssetMaterialization | dg.AssetCheckEvaluation


def monitor_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One sensor a process."""
    interval = settings.automation.monitor_interval_seconds
    common: dict[str, Any] = {
        "minimum_interval_seconds": interval,
        "default_status": dg.DefaultSensorStatus.RUNNING,
        "required_resource_keys": {"settings", "clock", "kafka", "delta_log"},
    }

    @dg.sensor(
        name="stream_monitor",
        description="Reports what the Spark stream wrote: arrival hours, touched dates when due, liveness, lag.",
        **common,
    )
    def stream_monitor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _result(context, stream_events)

    @dg.sensor(
        name="sink_monitor",
        description="Reports what the ClickHouse sink wrote and how the topics grew: days, liveness, lag.",
        **common,
    )
    def sink_monitor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return _result(context, sink_events)

    return [stream_monitor, sink_monitor]


def _result(context: dg.SensorEvaluationContext, events_of: Any) -> dg.SensorResult:
    memory = load(context.cursor)
    clock: Clock = context.resources.clock
    events = list(events_of(context.resources, memory, clock.now()))
    return dg.SensorResult(
        asset_events=events,
        cursor=memory.model_dump_json(),
        skip_reason=None if events else dg.SkipReason("nothing new"),
    )


def stream_events(resources: Any, memory: Debounce, now: datetime) -> Iterable[Event]:
    """Arrival hours and due dates of the stream's batches, side tables, health."""
    settings: Settings = resources.settings
    tail = _arrivals(resources, EVENT_DATES, memory, now)
    for file in tail.added:
        for hour in {str(b["appended_hour"]) for b in (file.minimum, file.maximum) if "appended_hour" in b}:
            memory.written_hours.add(hour)
    for hour in memory.due_hours(hour_of(now), now, BRONZE.refresh_interval / 2):
        yield _materialized(BRONZE, hour_key(hour), {"hour": hour})
    yield from _due(settings, EVENT_DATES, tail, memory, now)
    for contract in SIDE_TABLES:
        yield from _side_table(resources, contract, memory, now)
    yield from daily_signs(memory, now, QUIET_TABLES)
    alive = health.liveness(settings, "stream", now)
    yield from verdicts_of(
        memory, BRONZE, {health.LIVENESS: alive, health.LAG: health.reported_lag(alive)}, now
    )


def sink_events(resources: Any, memory: Debounce, now: datetime) -> Iterable[Event]:
    """Growth of the topics, inserts of the sink, health."""
    kafka: KafkaLog = resources.kafka
    ends = {contract.name: kafka.end_offsets(contract.name) for contract in TOPICS.values()}
    for contract in TOPICS.values():
        total = sum(ends[contract.name].values())
        if grew(memory, contract, total, now):
            facts = {f"end_offset_{p}": offset for p, offset in sorted(ends[contract.name].items())}
            yield dg.AssetMaterialization(asset_key(contract), metadata=facts)
    yield from daily_signs(memory, now, QUIET_STREAMS)
    committed = kafka.committed(health.SINK_GROUP)
    alive = health.liveness(resources.settings, "sink", now)
    for stored in REALTIME:
        source = str(stored.source)
        done = committed.get(source, {})
        if grew(memory, stored, sum(done.values()), now):
            facts = {f"end_offset_{p}": offset for p, offset in sorted(done.items())}
            yield _materialized(stored, now.date().isoformat(), facts)
        verdicts = {health.LIVENESS: alive, health.LAG: health.sink_lag(done, ends[source])}
        yield from verdicts_of(memory, stored, verdicts, now)


def touched_dates(
    resources: Any, contract: TableContract, memory: Debounce, now: datetime
) -> Iterable[Event]:
    """The dates of a table of touched dates that are due to be reported."""
    tail = _arrivals(resources, contract, memory, now)
    yield from _due(resources.settings, contract, tail, memory, now)


def _arrivals(resources: Any, contract: TableContract, memory: Debounce, now: datetime) -> Tail:
    """What was written since the last tick; its dates are remembered as arrived."""
    tail = _tail(resources, contract, memory)
    for file in tail.added:
        memory.arrived(date.fromisoformat(str(file.partition)), file.rows, now)
    for value in set(tail.changed) - {file.partition for file in tail.added}:
        memory.arrived(date.fromisoformat(value), 0, now)
    return tail


def _due(
    settings: Settings, contract: TableContract, tail: Tail, memory: Debounce, now: datetime
) -> Iterable[Event]:
    for day, pending in memory.due(now, settings.automation).items():
        facts = {"rows": pending.rows, "delta_version": tail.version}
        yield _materialized(contract, day.isoformat(), facts)


def _tail(resources: Any, contract: TableContract, memory: Debounce) -> Tail:
    """New commits of a table since the last tick. Where the log was cleaned, it goes on from the newest."""
    log: DeltaLog = resources.delta_log
    before = memory.versions.get(contract.full_name, -1)
    tail = log.tail(contract, before)
    if not tail.is_complete and tail.version == before:
        tail = log.snapshot(contract)
    memory.versions[contract.full_name] = tail.version
    return tail


def _side_table(resources: Any, contract: TableContract, memory: Debounce, now: datetime) -> Iterable[Event]:
    tail = _tail(resources, contract, memory)
    if contract.partition_column is not None:
        changed = dict(tail.changed)
    else:
        # Not split by date: the statistics of the new files say which dates they hold.
        changed = {
            day: file.version for file in tail.added for day in _days(contract, file.minimum, file.maximum)
        }
    rows = sums((file.partition, file.rows) for file in tail.added)
    for day, version in sorted(changed.items()):
        if date.fromisoformat(day) <= now.date():
            yield _materialized(contract, day, {"delta_version": version, "rows_added": rows.get(day, 0)})


def _days(contract: TableContract, minimum: Mapping[str, Any], maximum: Mapping[str, Any]) -> set[str]:
    column = getattr(contract.partitioning, "column", "")
    return {str(bounds[column])[:10] for bounds in (minimum, maximum) if column in bounds}


def daily_signs(memory: Debounce, now: datetime, contracts: Iterable[Contract]) -> Iterable[Event]:
    """A sign of life a day for tables and topics whose silence is no failure."""
    for contract in contracts:
        if memory.is_time_for(f"daily {contract.full_name}", now.date().isoformat(), now, DAILY):
            partition = now.date().isoformat() if isinstance(contract, TableContract) else None
            yield dg.AssetMaterialization(
                asset_key(contract),
                partition=partition,
                metadata={"daily_sign": "read; nothing new is no failure"},
            )


def verdicts_of(
    memory: Debounce, contract: TableContract, verdicts: Mapping[str, health.Verdict], now: datetime
) -> Iterable[Event]:
    """Evaluations that changed, and every five minutes those that did not."""
    for name, verdict in verdicts.items():
        if memory.is_time_for(f"{contract.full_name} {name}", str(verdict.passed), now, REPEAT_CHECKS):
            yield dg.AssetCheckEvaluation(
                asset_key=asset_key(contract),
                check_name=name,
                passed=verdict.passed,
                description=verdict.why,
                metadata=verdict.facts,
            )


def grew(memory: Debounce, contract: Contract, total: int, now: datetime) -> bool:
    """Whether a position moved since it was reported; four reports per refresh interval are enough."""
    key = f"position {contract.full_name}"
    last = memory.said.get(key)
    too_soon = last is not None and now - last < contract.refresh_interval / 4
    if memory.said_value.get(key) == str(total) or total == 0 or too_soon:
        return False
    memory.said[key], memory.said_value[key] = now, str(total)
    return True


def _materialized(contract: Contract, partition: str, facts: Mapping[str, Any]) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(asset_key(contract), partition=partition, metadata=facts)
