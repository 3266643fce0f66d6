"""One home with the stores, the API and the pages; tests plant rows that nobody else's numbers can change."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition
from playwright.sync_api import Browser

from media_analytics.publication import newest_published
from media_analytics_tests.builders import streams
from media_analytics_tests.integration.dashboard.planted import NEWEST, Api, Planted
from media_analytics_tests.services import embedded as _embedded
from media_analytics_tests.services.browser import browser as start_browser
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Empty stores, and the API."""
    made = _embedded.make(tmp_path_factory.mktemp("dashboard") / "home")
    try:
        for name in ("kafka", "registry", "clickhouse"):
            made.start(name)
        streams.create_topics(made.settings)
        streams.create_tables(made.settings)
        made.start("dashboard-api")
        yield made
    finally:
        made.stop_all()


@pytest.fixture(scope="package")
def api(home: Embedded) -> Iterator[Api]:
    with Api(home.settings) as made:
        yield made


@pytest.fixture(scope="package")
def pages(home: Embedded) -> Embedded:
    """The pages run."""
    home.start("dashboard")
    return home


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture
def dates() -> None:
    """Reports count from the newest published date, and so do the rows that are planted."""
    if newest_published(datetime.now(UTC)) != NEWEST:
        pytest.skip("a date was published since these tests were read: it is just after 03:00 UTC")


@pytest.fixture
def planted(home: Embedded) -> Planted:
    """Empty realtime tables, and how to fill them."""
    made = Planted(home.settings)
    made.empty_live_tables()
    return made


@pytest.fixture(scope="package")
def sent(home: Embedded) -> list[streams.Placed]:
    """Five page views and one message that is no Avro, all in partition 2 of user.raw."""
    raw = streams.Raw(home.settings)
    now = int(time.time() * 1_000_000)
    events = [
        streams.raw_event(
            n, occurred_at=now, received_at=now, title=f"Title {n}", properties={"k": "secret-property"}
        )
        for n in range(1, 6)
    ]
    placed = raw.send(events, partition=2)
    raw.send_bytes(b"garbage", 2, None, placed)
    raw.flush()
    return placed


@pytest.fixture(scope="package")
def group(home: Embedded, sent: list[streams.Placed]) -> str:
    """A reader that came to the third of them."""
    consumer = Consumer(home.settings.kafka.client_config() | {"group.id": "planted-reader"})
    consumer.commit(offsets=[TopicPartition("user.raw", 2, sent[2].offset)], asynchronous=False)
    consumer.close()
    return "planted-reader"
