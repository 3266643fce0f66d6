"""The sensor that tells people: looks at runs, promises and freshness, sends what waits.

Belongs here: one tick. Does not belong here: what is worth telling (`runs.py`, `promises.py`), the bookkeeping
(`outbox.py`), sending (`media_analytics.resources.channels`).

A tick that dies loses nothing: positions and what waits are in the cursor, which moves at its end only; what was sent
is recorded at once, so that the next tick does not send it again.
"""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from media_analytics.automation.notices import message
from media_analytics.automation.notices.graph import Graph
from media_analytics.automation.notices.message import Links, Notice
from media_analytics.automation.notices.outbox import Channel, ChannelFailure, Memory, deliver, load
from media_analytics.automation.notices.promises import Promise, broken_promises, late_tables
from media_analytics.automation.notices.runs import first_position, long_runs, status_changes
from media_analytics.resources.channels import ChannelDownError, Channels, MessageRefusedError
from media_analytics.resources.clock import Clock
from media_analytics.settings import Settings

NAME = "notices"
# Below the 60 s after which the daemon gives up on a tick.
SENDING_SECONDS = 30.0
# More than one tick can send.
SENT_KEPT = 1000
_SENT_KEY = "media_analytics/notices/sent"


def notices_sensors(settings: Settings, told_jobs: Sequence[str]) -> list[dg.SensorDefinition]:
    """The sensor, where people can be told; `told_jobs` are those whose starts, successes and SLAs count.

    Raises:
        SettingsError: outside a laptop, a channel is not set.
    """
    if not settings.reachable_channels().are_set:
        return []
    pipeline = settings.operations.pipeline
    promises = [p for job in told_jobs if (p := Promise.of(job, pipeline)) is not None]

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=settings.channels.interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"settings", "clock", "channels"},
        description="Tells by e-mail and Slack of failed, long and pipeline runs, missed SLAs and late tables.",
    )
    def notices(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        clock: Clock = context.resources.clock
        memory = load(context.cursor) or Memory(seen=first_position(context.instance))
        _notice(context, memory, promises, frozenset(told_jobs), clock.now())
        failures = _send(context, memory, clock.now())
        waiting = f"{len(memory.waiting)} notices wait" if memory.waiting else "everything was told"
        reasons = "; ".join(sorted({failure.reason for failure in failures}))
        return dg.SensorResult(
            cursor=memory.model_dump_json(),
            skip_reason=dg.SkipReason(f"{waiting}: {reasons}" if reasons else waiting),
        )

    return [notices]


def _notice(
    context: dg.SensorEvaluationContext,
    memory: Memory,
    promises: Sequence[Promise],
    told_jobs: frozenset[str],
    now: datetime,
) -> None:
    """Let wait whatever is new."""
    settings: Settings = context.resources.settings
    channels: Channels = context.resources.channels
    if context.repository_def is None:
        raise dg.DagsterInvariantViolationError("the sensor needs the definitions it belongs to")
    graph, instance = Graph(context.repository_def), context.instance
    operations = settings.operations
    tables: list[dg.AssetKey] = sorted(context.repository_def.assets_defs_by_key)
    longest = operations.health.longest_run.total_seconds()
    found = [
        *status_changes(instance, graph, memory, told_jobs, now),
        *long_runs(instance, graph, memory, longest, now),
        *broken_promises(instance, graph, memory, promises, now),
        *late_tables(instance, graph, memory, tables, now),
    ]
    is_there: dict[Channel, bool] = {"email": channels.has_mail, "slack": channels.has_slack}
    exist = [channel for channel, there in is_there.items() if there]
    for notice in found:
        memory.put(notice, operations.notifications, exist)


def _send(context: dg.SensorEvaluationContext, memory: Memory, now: datetime) -> list[ChannelFailure]:
    """Send what waits; says in the log what a channel did not take and what is given up."""
    settings: Settings = context.resources.settings
    channels: Channels = context.resources.channels
    links = Links(
        environment=settings.environment,
        dagster_url=settings.dagster.url,
        runbooks_url=settings.channels.runbooks_url,
    )
    to = settings.operations.notifications.email_to
    ends = time.monotonic() + SENDING_SECONDS
    sent = _sent_before(context.instance)
    # A tick that died after sending found the same notices again.
    for channel, notice_id in sent:
        memory.taken(notice_id, channel)

    def send(channel: Channel, notice: Notice) -> ChannelFailure | None:
        try:
            if channel == "email":
                channels.mail(
                    to,
                    message.subject(notice, links),
                    message.body(notice, links),
                    message.message_id(notice, links),
                    notice.noticed_at,
                )
            else:
                channels.slack(message.slack(notice, links))
        except (ChannelDownError, MessageRefusedError) as error:
            context.log.error(f"{notice.notice_id} waits for {channel}: {error}")
            is_down = isinstance(error, ChannelDownError)
            return ChannelFailure(channel=channel, reason=str(error), is_down=is_down)
        return None

    def record(notice_id: str, channel: Channel) -> None:
        sent.append((channel, notice_id))
        _storage(context.instance).set_cursor_values({_SENT_KEY: json.dumps(sent[-SENT_KEPT:])})

    failures = deliver(memory, send, record, lambda: time.monotonic() < ends)
    for notice in memory.give_up(now):
        context.log.error(f"given up, nobody took it: {notice.notice_id}: {notice.what}: {notice.why}")
    return failures


def _sent_before(instance: dg.DagsterInstance) -> list[tuple[Channel, str]]:
    """The newest notices sent, by channel, whatever became of the tick that sent them."""
    stored = _storage(instance).get_cursor_values({_SENT_KEY}).get(_SENT_KEY)
    return [(channel, notice_id) for channel, notice_id in json.loads(stored)] if stored else []


def _storage(instance: dg.DagsterInstance) -> Any:
    """Where daemons keep small values in the instance's database."""
    return instance.daemon_cursor_storage
