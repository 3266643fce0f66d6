"""What is still to be told, and what was told: the memory of the sensor between two ticks.

Belongs here: the pure bookkeeping of notices, one by one and channel by channel. Does not belong here: finding them,
sending them.

Rules: a notice is told once by each channel it is for; what a channel does not take waits; a step that fails again and
again is told once an hour, with the number of failures since; what nobody took for a week is given up.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from media_analytics.automation.notices.message import Notice
from media_analytics.environments.operations import Telling

Channel = Literal["email", "slack"]
REPEAT_AFTER = timedelta(hours=1)
KEPT = timedelta(days=7)
# A cursor has to stay small; beyond, the oldest are given up.
MOST_WAITING = 300


class Waiting(BaseModel):
    """A notice and the channels that have not taken it."""

    notice: Notice
    channels: tuple[Channel, ...]


class Told(BaseModel):
    """When a repeating failure was told, and how many were not told since."""

    at: datetime
    untold: int = 0


class Memory(BaseModel):
    """The sensor's cursor, as JSON."""

    # Newest run-status event seen, by kind of event.
    seen: dict[str, int] = Field(default_factory=dict)
    waiting: list[Waiting] = Field(default_factory=list)
    repeating: dict[str, Told] = Field(default_factory=dict)
    # Runs under way that were found too long; newest judged tick of a job; late tables and since when.
    long_runs: list[str] = Field(default_factory=list)
    judged: dict[str, datetime] = Field(default_factory=dict)
    late: dict[str, datetime] = Field(default_factory=dict)

    def put(self, notice: Notice, telling: Telling, channels: Iterable[Channel]) -> None:
        """Let a notice wait for each channel that exists and is to tell its occasion."""
        told_by = {"email": telling.email_on, "slack": telling.slack_on}
        wanted = tuple(channel for channel in channels if notice.occasion in told_by[channel])
        if wanted and all(one.notice.notice_id != notice.notice_id for one in self.waiting):
            self.waiting.append(Waiting(notice=notice, channels=wanted))

    def repeats(self, key: str, now: datetime) -> int | None:
        """Whether a failure known by `key` is to be told: how many were not told since the last; None: not yet."""
        self.repeating = {k: told for k, told in self.repeating.items() if now - told.at < KEPT}
        last = self.repeating.get(key)
        if last is not None and now - last.at < REPEAT_AFTER:
            last.untold += 1
            return None
        self.repeating[key] = Told(at=now)
        return last.untold if last is not None else 0

    def taken(self, notice_id: str, channel: Channel) -> None:
        """A channel took a notice."""
        for one in self.waiting:
            if one.notice.notice_id == notice_id:
                one.channels = tuple(c for c in one.channels if c != channel)
        self.waiting = [one for one in self.waiting if one.channels]

    def give_up(self, now: datetime) -> list[Notice]:
        """Forget what waited too long, and the oldest of too many; returned so that it can be logged."""
        old = [one for one in self.waiting if now - one.notice.noticed_at > KEPT]
        fresh = [one for one in self.waiting if now - one.notice.noticed_at <= KEPT]
        excess = max(0, len(fresh) - MOST_WAITING)
        self.waiting = fresh[excess:]
        return [one.notice for one in (*old, *fresh[:excess])]


def load(cursor: str | None) -> Memory | None:
    """The memory of the last tick; None at the first."""
    return Memory.model_validate_json(cursor) if cursor else None


class ChannelFailure(BaseModel):
    """Why a channel did not take something at this tick."""

    channel: Channel
    reason: str
    # The channel takes nothing; otherwise it refuses one notice.
    is_down: bool


def deliver(
    memory: Memory,
    send: Callable[[Channel, Notice], ChannelFailure | None],
    record: Callable[[str, Channel], None],
    has_time: Callable[[], bool],
) -> list[ChannelFailure]:
    """Send what waits, oldest first. A channel that is down is asked once; the other one goes on.

    Effects of each, in this order: send, record (durably, so that a tick that dies sends nothing twice), forget.
    """
    failures: list[ChannelFailure] = []
    down: set[Channel] = set()
    for one in list(memory.waiting):
        for channel in one.channels:
            if channel in down or not has_time():
                continue
            failure = send(channel, one.notice)
            if failure is None:
                record(one.notice.notice_id, channel)
                memory.taken(one.notice.notice_id, channel)
                continue
            failures.append(failure)
            if failure.is_down:
                down.add(channel)
    return failures
