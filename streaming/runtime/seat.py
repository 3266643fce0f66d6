"""One living process for each static member of a group: what a fenced member does.

Belongs here: finding out whether another process holds the seat, how often a member may take it back. Does not
belong here: rebuilding the clients (each process knows its own).

A member can be fenced although no other process lives. When a session ends on the client's side while the loop is
busy, librdkafka goes on sending heartbeats, without a member id, until the loop polls again; the broker answers them
with the fatal "fenced by other consumer" (librdkafka issue 3437). And a broker that dies between JoinGroup and
SyncGroup forgets the new member and still knows the one before it. The client is of no use afterwards, the process
is: it closes the client and asks the broker who sits on the seat. Nobody, or a member that this process itself was:
it may take the seat back. Somebody else who is still there after a whole session without us is alive.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from media_analytics.errors import ServiceError
from streaming.runtime.health import Health
from streaming.runtime.stop import StopSignal

# A silent member is forgotten by the broker after this time.
SESSION_SECONDS = 10.0
# Longer than a session: the broker looks at expired sessions now and then.
ALIVE_AFTER_SECONDS = SESSION_SECONDS + 5
# More than this many times in ten minutes is no accident.
MOST_RETURNS = 5
WINDOW_SECONDS = 600.0
_FIRST_WAIT_SECONDS = 1.0
_POLL_SECONDS = 0.5
_TIMEOUT_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


class Occupant(NamedTuple):
    """The member that the broker knows on a seat."""

    member_id: str
    client_id: str
    host: str


# The member on the seat now; None when nobody sits there.
Look = Callable[[], Occupant | None]


class Seat:
    """The static membership `group`-`instance` of this process."""

    def __init__(self, group: str, instance: str, look: Look, health: Health, stop: StopSignal) -> None:
        self._name = f"{group}-{instance}"
        self._look = look
        self._health = health
        self._stop = stop
        self._mine: set[str] = set()
        self._returns: deque[float] = deque()

    def taken(self, member_id: str | None) -> None:
        """The group gave this process the seat under this id."""
        if member_id:
            self._mine.add(member_id)

    def regain(self, cause: str) -> None:
        """Return when this process, whose client is closed, may join again.

        Raises:
            ServiceError: another process holds the seat, or this happens too often.
            StoppedError: asked to stop meanwhile.
        """
        self._wait_back_off(cause)
        waited_from, other = time.monotonic(), None
        while True:
            try:
                member = self._look()
            except KafkaException as error:
                # A broker that returns gives every member a new session.
                waited_from = time.monotonic()
                self._wait(f"Kafka does not answer: {error.args[0].str()}", _POLL_SECONDS)
                continue
            if member is None or member.member_id in self._mine:
                _LOG.warning("%s: no other process holds this seat; joining again", self._name)
                return
            if member.member_id != other:
                waited_from, other = time.monotonic(), member.member_id
            if time.monotonic() - waited_from > ALIVE_AFTER_SECONDS:
                raise ServiceError(
                    f"{self._name}: this process is fenced ({cause}): another live process, client {member.client_id} "
                    f"on {member.host}, has the same instance. It stops, nothing is half done; run one process for "
                    "each instance"
                )
            self._wait(f"looking whether {member.member_id} on {member.host} is alive", _POLL_SECONDS)

    def _wait_back_off(self, cause: str) -> None:
        now = time.monotonic()
        while self._returns and now - self._returns[0] > WINDOW_SECONDS:
            self._returns.popleft()
        if len(self._returns) >= MOST_RETURNS:
            raise ServiceError(
                f"{self._name}: fenced more than {MOST_RETURNS} times in {WINDOW_SECONDS / 60:.0f} minutes, the last "
                f"time with: {cause}. Look for a second process with the same instance and at the broker's log"
            )
        seconds = _FIRST_WAIT_SECONDS * 2 ** len(self._returns)
        self._returns.append(now)
        _LOG.warning(
            "%s: fenced (%s); joining again in %g s if no other process is", self._name, cause, seconds
        )
        self._wait("fenced", seconds)

    def _wait(self, reason: str, seconds: float) -> None:
        self._health.report("waiting", reason)
        self._stop.wait(seconds)


def looker(admin: AdminClient, group: str, instance: str) -> Look:
    """How to see who sits on a seat of a real group. It raises KafkaException when there is no answer.

    Not by `describe_consumer_groups`: after a broker's outage that can end the process (librdkafka issue 4605).
    """

    def look() -> Occupant | None:
        # Its answers carry no types.
        answers: list[Any] = admin.list_groups(group, timeout=_TIMEOUT_SECONDS)
        for answer in answers:
            if answer.error is not None:
                raise KafkaException(answer.error)
        found = [member for answer in answers for member in answer.members]
        return next(
            (
                Occupant(m.id, m.client_id, m.client_host)
                for m in found
                if m.client_id == f"{group}-{instance}"
            ),
            None,
        )

    return look
