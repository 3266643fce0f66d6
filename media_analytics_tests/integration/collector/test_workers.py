"""Several workers on one port, and how a collector ends: no number is lost, no request it took stays unanswered."""

import functools
import http.client
import json
import signal
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from media_analytics_tests.integration.collector.process import Collector, metrics_of, read_topic
from media_analytics_tests.services.embedded import Embedded, wait_until

pytestmark = pytest.mark.integration
EVENTS = "/v1/events/user"
ACCEPTED = 'collector_events_accepted_total{brand="bild",family="user"}'


class Load:
    """Connections that post batches as fast as they are answered, and remember each request's end."""

    def __init__(self, url: str, connections: int = 12, size: int = 20) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 0)
        self._size = size
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.statuses: dict[int, int] = {}
        # Requests that were sent whole on a connection that had worked, and got no answer.
        self.unanswered: list[str] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def reached(self, goal: int) -> bool:
        with self._lock:
            return len(self.acknowledged) >= goal

    def _run(self) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection(*self._address, timeout=30)
            try:
                connection.connect()
            except OSError:
                time.sleep(0.02)
                continue
            served = 0
            while not self._stop.is_set() and self._request(connection, served):
                served += 1
            connection.close()

    def _request(self, connection: http.client.HTTPConnection, served: int) -> bool:
        """Post one batch; whether the connection may be used again."""
        now = datetime.now(UTC).isoformat()
        items = [
            {"event_id": str(uuid.uuid4()), "event_type": "page_view", "brand": "bild", "occurred_at": now}
            for _ in range(self._size)
        ]
        try:
            connection.request("POST", EVENTS, json.dumps(items), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            if served:
                with self._lock:
                    self.unanswered.append(f"request {served + 1} of a connection: {type(error).__name__}")
            return False
        with self._lock:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if answer.status == 200:
                self.acknowledged |= {i["event_id"] for i in items}
        return answer.getheader("connection") != "close"


@pytest.mark.parametrize("workers", [1, 3])
def test_stopped_under_load_every_request_it_took_is_answered(
    home: Embedded, tmp_path: Path, workers: int
) -> None:
    """Catches a stop that cuts a kept connection, forgets a worker, or answers before Kafka has the events."""
    collector = Collector(home, tmp_path / "log", COLLECTOR__WORKERS=str(workers)).start()
    assert collector.process is not None
    wait_until(lambda: _asked(collector)["collector_workers"] == workers, 60)
    with Load(collector.url) as load:
        wait_until(functools.partial(load.reached, 2000), 60)
        others = psutil.Process(collector.process.pid).children()
        assert len(others) == workers - 1
        collector.process.send_signal(signal.SIGTERM)
        assert collector.process.wait(30) == 0
    assert load.unanswered == []
    assert set(load.statuses) == {200}
    assert [p for p in others if p.is_running()] == []
    assert collector.log_tail().count("; 0 records were not acknowledged") == workers
    assert load.acknowledged - {r["event_id"] for r in read_topic(home, "user.raw")} == set()


def test_workers_share_the_port_and_one_answer_speaks_for_all(home: Embedded, tmp_path: Path) -> None:
    """A worker killed with -9 is replaced, loses no acknowledged event, and its counts do not go back."""
    collector = Collector(home, tmp_path / "log", COLLECTOR__WORKERS="3").start()
    try:
        assert collector.process is not None
        main = psutil.Process(collector.process.pid)
        wait_until(lambda: _asked(collector)["collector_workers"] == 3, 60)
        with Load(collector.url) as load:
            wait_until(functools.partial(load.reached, 2000), 60)
            victim = main.children()[0]
            victim.kill()
            wait_until(_replaced(main, victim.pid), 30)
            goal = len(load.acknowledged) + 2000
            wait_until(functools.partial(load.reached, goal), 60)
        wait_until(lambda: _asked(collector)["collector_workers"] == 3, 30)
        answers = [_asked(collector) for _ in range(6)]
        assert answers[0][ACCEPTED] >= len(load.acknowledged) >= 4000
        assert {a[ACCEPTED] for a in answers} == {answers[0][ACCEPTED]}
        stored = {r["event_id"] for r in read_topic(home, "user.raw")}
        assert load.acknowledged - stored == set()
    finally:
        assert collector.stop() == 0


def test_workers_end_when_the_first_process_is_gone(home: Embedded, tmp_path: Path) -> None:
    """Catches workers that keep the port after a crash: the next start could not know them."""
    collector = Collector(home, tmp_path / "log", COLLECTOR__WORKERS="2").start()
    assert collector.process is not None
    [other] = psutil.Process(collector.process.pid).children()
    collector.kill()
    other.wait(30)


def test_a_port_in_use_is_said_and_ends_the_process(home: Embedded, tmp_path: Path) -> None:
    first = Collector(home, tmp_path / "log").start()
    try:
        second = Collector(home, tmp_path / "second")
        second.environment["MEDIA_ANALYTICS_COLLECTOR__URL"] = first.url
        with pytest.raises(AssertionError, match="cannot be bound"):
            second.start()
    finally:
        assert first.stop() == 0


def _asked(collector: Collector) -> dict[str, float]:
    # A new connection each time: the kernel chooses the worker.
    with httpx.Client(base_url=collector.url, timeout=30, trust_env=False) as client:
        return metrics_of(client)


def _replaced(main: psutil.Process, pid: int) -> Callable[[], bool]:
    return lambda: pid not in (found := {p.pid for p in main.children()}) and len(found) == 2
