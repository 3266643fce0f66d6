"""kill -9 of each service while events are acknowledged: it comes back, and nothing acknowledged is lost or doubled.

Would catch: an answer before Kafka has the event, an offset committed before its rows, a replay with other bounds, a
service that is not restarted or does not find its place again.
"""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import clickhouse_connect
import deltalake
import httpx
import pytest

from media_analytics.local import services
from media_analytics.local.environment import read_stack_environment
from media_analytics.settings import Settings, load_settings
from media_analytics_tests.integration.local.command import Stack
from media_analytics_tests.services.embedded import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

BATCH = 50
# Two clients, 50 events every 0.2 s each: 500 a second on a quiet machine.
PAUSE_SECONDS = 0.2
WANTED_PER_SECOND = 200
# A stream that was killed starts a JVM and reads what has piled up.
BACK_WITHIN_SECONDS = 150


class Load:
    """Clients that post all the time and remember what was acknowledged. A refused batch is not sent again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._acknowledged: list[tuple[float, str]] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._post, daemon=True) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def acknowledged(self) -> set[str]:
        with self._lock:
            return {event_id for _, event_id in self._acknowledged}

    def flows(self) -> bool:
        """Whether 200 events a second were acknowledged over the last two seconds."""
        since = time.monotonic() - 2
        with self._lock:
            recent = sum(1 for at, _ in self._acknowledged[-5000:] if at > since)
        return recent >= 2 * WANTED_PER_SECOND

    def _post(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as client:
            while not self._stop.wait(PAUSE_SECONDS):
                now = datetime.now(UTC).isoformat()
                ids = [str(uuid.uuid4()) for _ in range(BATCH)]
                items = [
                    {"event_id": i, "event_type": "page_view", "brand": "bild", "occurred_at": now}
                    for i in ids
                ]
                try:
                    answer = client.post("/v1/events/user", json=items)
                except httpx.HTTPError:
                    continue
                if answer.status_code == 200:
                    at = time.monotonic()
                    with self._lock:
                        self._acknowledged.extend((at, i) for i in ids)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("kills") / "home")
    try:
        made.up(MEDIA_ANALYTICS_STREAM__TRIGGER_SECONDS="2")
        yield made
    finally:
        made.run("down")


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    return load_settings(read_stack_environment(stack.home / "stack.env"))


@pytest.fixture(scope="module")
def load(settings: Settings) -> Iterator[Load]:
    started = Load(settings.collector.url)
    yield started
    started.end()


def _served(settings: Settings) -> list[str]:
    """The id of every row of realtime.user_events."""
    with clickhouse_connect.get_client(
        dsn=settings.clickhouse.url,
        username=settings.clickhouse.user,
        password=settings.clickhouse.password.get_secret_value(),
    ) as client:
        rows = client.query("select event_id from realtime.user_events").result_rows
    return [str(row[0]) for row in rows]


def _stored(settings: Settings) -> list[str]:
    """The id of every row of bronze.user_events."""
    table = deltalake.DeltaTable(settings.lake.table_path("bronze", "user_events"))
    return [str(i) for i in table.to_pyarrow_table(columns=["event_id"])["event_id"].to_pylist()]


@pytest.mark.parametrize("name", services.NAMES)
def test_a_killed_service_loses_and_doubles_nothing(
    stack: Stack, settings: Settings, load: Load, name: str
) -> None:
    wait_until(load.flows, 60, lambda: "events are not acknowledged at 200 a second")
    before = stack.status()[name]
    os.kill(before["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = stack.status()[name]
        return now["state"] == "ready" and now["restarts"] == before["restarts"] + 1

    wait_until(is_back, BACK_WITHIN_SECONDS, lambda: str(stack.status()[name]))
    wait_until(load.flows, 60, lambda: f"events are not acknowledged after {name} came back")
    acknowledged = load.acknowledged()

    _await(settings, _served, acknowledged)
    _await(settings, _stored, acknowledged)


def _await(settings: Settings, read: Callable[[Settings], list[str]], wanted: set[str]) -> None:
    """Wait until a store has every wanted id, and insist that it has none twice."""
    wait_until(
        lambda: wanted <= set(read(settings)),
        BACK_WITHIN_SECONDS,
        lambda: f"{read.__name__}: {len(wanted - set(read(settings)))} acknowledged events are missing",
    )
    ids = read(settings)
    assert len(ids) == len(set(ids))
