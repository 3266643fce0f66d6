"""Kafka goes away, the collector is killed or asked to stop, the disk is full: nothing acknowledged is lost."""

import functools
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analytics_tests.integration.collector import process
from media_analytics_tests.integration.collector.process import Collector, read_topic
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded, wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.registry import RegistryClient

pytestmark = pytest.mark.integration
EVENTS = "/v1/events/user"


def batch(size: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat()
    return [
        {"event_id": str(uuid.uuid4()), "event_type": "page_view", "brand": "bild", "occurred_at": now}
        for _ in range(size)
    ]


class Load:
    """Clients that post batches and remember what was acknowledged; a refused or cut-off batch is not repeated."""

    def __init__(self, url: str, clients: int = 3, size: int = 40) -> None:
        self.url = url
        self.size = size
        self.acknowledged: set[str] = set()
        self.statuses: dict[int, int] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def count(self) -> int:
        with self._lock:
            return len(self.acknowledged)

    def reached(self, goal: int) -> bool:
        return self.count() > goal

    def _run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            while not self._stop.is_set():
                items = batch(self.size)
                try:
                    answer = client.post(EVENTS, json=items)
                except httpx.HTTPError:
                    self._stop.wait(0.05)
                    continue
                with self._lock:
                    self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                    if answer.status_code == 200:
                        self.acknowledged |= {i["event_id"] for i in items}
                if answer.status_code != 200:
                    self._stop.wait(0.1)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Kafka and registry that these tests may kill."""
    home = embedded.make(tmp_path_factory.mktemp("faults") / "home")
    home.start("kafka")
    home.start("registry")
    process.prepare(home)
    yield home
    home.stop_all()


@pytest.fixture
def own(own_home: Embedded, tmp_path: Path) -> Iterator[tuple[Embedded, Collector]]:
    """A collector of the test's own."""
    own_home.start("kafka")
    own_home.start("registry")
    collector = Collector(own_home, tmp_path / "log", COLLECTOR__PRODUCE_TIMEOUT_SECONDS="4").start()
    yield own_home, collector
    if collector.process is not None and collector.process.poll() is None:
        collector.kill()


def test_kafka_killed_and_back(own: tuple[Embedded, Collector]) -> None:
    """503 with Retry-After while Kafka is away, 2xx after it returns without a restart; nothing is lost."""
    home, collector = own
    with Load(collector.url) as load:
        wait_until(lambda: load.count() > 500, 30)
        home.kill("kafka")
        # The registry is not needed once the schema ids are known.
        home.kill("registry")
        collector.wait_for("/ready", {503})
        answer = httpx.post(collector.url + EVENTS, json=batch(1), timeout=30, trust_env=False)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["items"][0]["message"]
        assert httpx.get(collector.url + "/ping", trust_env=False).status_code == 200
        before = load.count()
        home.start("kafka")
        collector.wait_for("/ready", {200})
        wait_until(lambda: load.count() > before + 500, 30)
    assert set(load.statuses) <= {200, 503}
    home.start("registry")
    stored = [r["event_id"] for r in read_topic(home, "user.raw")]
    assert load.acknowledged - set(stored) == set()


def test_collector_killed(own: tuple[Embedded, Collector]) -> None:
    home, collector = own
    with Load(collector.url) as load:
        for goal in (400, 800, 1200):
            wait_until(functools.partial(load.reached, goal), 30)
            collector.kill()
            collector.start()
    stored = read_topic(home, "user.raw")
    assert load.acknowledged - {r["event_id"] for r in stored} == set()
    _offsets_are_contiguous(stored)


def test_asked_to_stop_it_answers_what_it_took(own: tuple[Embedded, Collector]) -> None:
    home, collector = own
    with Load(collector.url) as load:
        wait_until(lambda: load.count() > 400, 30)
        assert collector.stop() == 0
    assert "0 records were not acknowledged" in collector.log_tail()
    assert set(load.statuses) == {200}
    assert load.acknowledged - {r["event_id"] for r in read_topic(home, "user.raw")} == set()


def test_started_before_kafka_and_registry_it_waits(own_home: Embedded, tmp_path: Path) -> None:
    own_home.kill("kafka")
    own_home.kill("registry")
    collector = Collector(own_home, tmp_path / "log").start(ready=False)
    try:
        collector.wait_for("/ready", {503})
        answer = httpx.post(collector.url + EVENTS, json=batch(1), timeout=30, trust_env=False)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        own_home.start("kafka")
        wait_until(lambda: "registry" in httpx.get(collector.url + "/ready", trust_env=False).text, 30)
        own_home.start("registry")
        collector.wait_for("/ready", {200})
        answer = httpx.post(collector.url + EVENTS, json=batch(1), timeout=30, trust_env=False)
        assert answer.status_code == 200
    finally:
        collector.kill()


def test_low_disk_is_507(own_home: Embedded, tmp_path: Path) -> None:
    started = Collector(own_home, tmp_path / "log", COLLECTOR__MIN_FREE_DISK_PCT="99.999").start(ready=False)
    try:
        answer = httpx.post(started.url + EVENTS, json=batch(1), timeout=30, trust_env=False)
        assert (answer.status_code, answer.json()["items"][0]["code"]) == (507, "disk_low")
        assert "Retry-After" in answer.headers
        assert httpx.get(started.url + "/ready", trust_env=False).status_code == 503
    finally:
        assert started.stop() == 0


def test_more_requests_than_room_are_503(own_home: Embedded, tmp_path: Path) -> None:
    own_home.start("kafka")
    own_home.start("registry")
    started = Collector(own_home, tmp_path / "log", COLLECTOR__MAX_REQUESTS_IN_FLIGHT="2").start()
    try:
        with Load(started.url, clients=8, size=200) as load:
            wait_until(lambda: load.statuses.get(503, 0) > 3 and load.count() > 1000, 30)
        assert set(load.statuses) == {200, 503}
    finally:
        assert started.stop() == 0


def test_an_optional_field_added_to_the_schema_is_accepted_without_a_restart(
    own: tuple[Embedded, Collector],
) -> None:
    home, collector = own
    [item] = batch(1)
    grown = item | {"event_id": str(uuid.uuid4()), "mood": "good"}
    post = functools.partial(httpx.post, collector.url + EVENTS, timeout=30, trust_env=False)
    assert post(json=grown).json()["items"][0]["field"] == "mood"
    schema = Codec.from_file("user.raw").schema
    added = {"name": "mood", "type": ["null", "string"], "default": None}
    registry = RegistryClient(home.settings.registry.url)
    registry.id_for("user.raw-value", schema | {"fields": [*schema["fields"], added]}, register=True)
    registry.close()
    wait_until(lambda: post(json=grown).status_code == 200, 30)
    assert post(json=item).status_code == 200
    stored = {r["event_id"]: r for r in read_topic(home, "user.raw")}
    assert (stored[grown["event_id"]]["mood"], stored[item["event_id"]]["mood"]) == ("good", None)


def _offsets_are_contiguous(stored: list[dict[str, Any]]) -> None:
    """Completeness counts records by offsets: the collector must leave no gap."""
    by_partition: dict[int, list[int]] = {}
    for record in stored:
        by_partition.setdefault(record["_partition"], []).append(record["_offset"])
    for offsets in by_partition.values():
        assert sorted(offsets) == list(range(len(offsets)))
