"""Fixtures of the collector's tests: one collector for all tests that do not break it."""

from collections.abc import Iterator

import httpx
import pytest

from media_analytics_tests.integration.collector import process
from media_analytics_tests.integration.collector.process import Collector
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture(scope="module")
def home(kafka: Embedded, registry: Embedded) -> Embedded:
    """Kafka and registry with the collector's topics and schemas."""
    process.prepare(kafka)
    return kafka


@pytest.fixture(scope="module")
def collector(home: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    started = Collector(home, tmp_path_factory.mktemp("collector") / "log").start()
    yield started
    started.stop()


@pytest.fixture
def client(collector: Collector) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=collector.url, timeout=30, trust_env=False) as made:
        yield made
