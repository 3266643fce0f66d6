"""When a service is back: ready, and then the first thing it does again.

Belongs here: what progress means for each service, waiting for it. Does not belong here: the fault itself (`harm.py`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pyspark.errors import PySparkException

from media_analytics.contracts.registry import table
from media_analytics.errors import ServiceError
from media_analytics.local import status
from media_analytics.local.faults.load import Load
from media_analytics.local.home import Home
from media_analytics.local.services import service as service_named
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.spark import connect
from media_analytics.settings import Settings

REALTIME = table("realtime.user_events")
BRONZE = table("bronze.user_events")
# A stream that was killed starts a JVM, reads what has piled up and may wait for a broker that was killed, too.
BACK_WITHIN_SECONDS = 600.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Back:
    """Seconds from the fault until the service was ready, and until it did something again; None: not in time."""

    ready_seconds: float | None
    progress_seconds: float | None


class Stores:
    """How far each step of the way from the request to the stores is."""

    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._kafka = KafkaLog(settings)
        self._clickhouse = ClickHouse(settings)
        self._log = DeltaLog(settings)
        self._answers = 0
        # Kafka's offsets before the load: the stack may have been used before.
        self.before = self._kafka.end_offsets("user.raw")

    def position(self, service: str) -> int | None:
        """A number that grows when the service does its work; None when it cannot be had now."""
        steps: dict[str, Callable[[], int]] = {
            "enricher": self.enriched,
            "sink": self.in_realtime,
            "clickhouse": self.in_realtime,
            "stream": self._commits,
            "spark": self._query,
        }
        try:
            return steps.get(service, lambda: self._load.acknowledged)()
        except (ServiceError, PySparkException, httpx.HTTPError):
            return None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for progress any more: the load was ended."""
        return self._load.is_ended

    def has_nothing_to_do(self, service: str) -> bool:
        """Whether the load has ended and the step has everything, so that no progress can be seen."""
        if not self._load.is_finished:
            return False
        steps = {
            "enricher": self.enriched,
            "sink": self.in_realtime,
            "clickhouse": self.in_realtime,
            "stream": self.in_bronze,
        }
        return service not in steps or steps[service]() >= self.collected()

    def collected(self) -> int:
        """Records that user.raw was ever given."""
        return sum(self._kafka.end_offsets("user.raw").values())

    def enriched(self) -> int:
        """Records of user.raw that the enricher has committed."""
        return sum(self._kafka.committed("enricher").get("user.raw", {}).values())

    def in_realtime(self) -> int:
        """Rows of realtime.user_events."""
        return int(self._clickhouse.rows(f"SELECT count() FROM {REALTIME.full_name}")[0][0])

    def in_bronze(self) -> int:
        """Rows of bronze.user_events, from the statistics of its files."""
        return sum(self._log.row_counts(BRONZE).values())

    def _commits(self) -> int:
        return self._log.transaction(BRONZE, "")[0]

    def _query(self) -> int:
        session = connect(self._settings)
        try:
            session.sql("SELECT 1").collect()
        finally:
            session.stop()
        self._answers += 1
        return self._answers


def await_back(home: Home, stores: Stores, service: str, began: float, killed_pid: int | None) -> Back:
    """Wait until a service is ready (with another process than the killed one) and goes on; times since `began`."""
    deadline = time.monotonic() + BACK_WITHIN_SECONDS
    while not is_ready(home, service, killed_pid):
        if time.monotonic() > deadline or stores.is_given_up:
            return Back(None, None)
        time.sleep(_POLL_SECONDS)
    ready = time.monotonic() - began
    first: int | None = None
    while time.monotonic() < deadline and not stores.is_given_up:
        now = stores.position(service)
        first = now if first is None else first
        if now is not None and first is not None and now > first:
            return Back(ready, time.monotonic() - began)
        if now is not None and stores.has_nothing_to_do(service):
            return Back(ready, time.monotonic() - began)
        time.sleep(_POLL_SECONDS)
    return Back(ready, None)


def is_ready(home: Home, service: str, not_pid: int | None = None) -> bool:
    """Whether a service is ready, and another process than `not_pid`."""
    (found,) = status.collect(home, [service_named(service)])
    return found.state == "ready" and found.pid != not_pid
