"""Three brokers: any one may be killed while events come in."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from media_analytics.contracts.registry import TOPICS
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.services import BROKERS
from media_analytics.migrations.plan import Change, topic_differences
from media_analytics.migrations.services import TopicAdmin
from media_analytics_tests.builders import streams
from media_analytics_tests.integration.collector.process import read_topic
from media_analytics_tests.integration.collector.test_faults import Load
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# Events are acknowledged again within this time after a broker was killed.
LONGEST_PAUSE_SECONDS = 15.0


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Three brokers with the platform's topics as its migrations make them, registry, collector, enricher."""
    stack = embedded.make(tmp_path_factory.mktemp("three") / "home", KafkaMode(brokers=3))
    try:
        for name in BROKERS:
            stack.begin(name)
        for name in BROKERS:
            stack.wait_ready(name, 120)
        stack.start("registry")
        admin = TopicAdmin(stack.settings)
        for contract in TOPICS.values():
            for change in topic_differences(contract, None, stack.settings.kafka.replication_factor):
                assert isinstance(change, Change)
                admin.carry_out(change, contract)
        streams.create_topics(stack.settings)
        for name in ("collector", "enricher"):
            stack.start(name)
        yield stack
    finally:
        stack.stop_all()


def _in_sync(stack: Embedded) -> set[int]:
    """How many copies of partitions are in step, over all of the platform's topics."""
    admin = AdminClient(stack.settings.kafka.client_config())
    found = admin.describe_topics(TopicCollection(list(TOPICS)), request_timeout=10)
    return {len(p.isr) for future in found.values() for p in future.result().partitions}


@pytest.mark.timeout(600)
def test_any_broker_is_killed_and_nothing_acknowledged_is_lost(three: Embedded) -> None:
    """Would catch a topic with one copy, an acknowledgement of one broker alone, a client that knows one broker."""
    wait_until(lambda: _in_sync(three) == {3}, 60)
    pauses = []
    with Load(three.settings.collector.url) as load:
        wait_until(lambda: load.reached(500), 60)
        for name in BROKERS:
            three.kill(name)
            killed = time.monotonic()
            # What was on its way when the broker died may still be acknowledged by the others.
            before = load.count() + 3 * load.size
            wait_until(lambda goal=before: load.reached(goal), 60, lambda: three.log_tail("collector"))
            pauses.append(time.monotonic() - killed)
            three.start(name)
            wait_until(lambda: _in_sync(three) == {3}, 120)
        acknowledged = set(load.acknowledged)
    stored = [r["event_id"] for r in read_topic(three, "user.raw")]
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    wait_until(lambda: len(streams.records(three.settings, "user.latest")) >= len(stored), 120)
    latest = [r["event_id"] for r in streams.records(three.settings, "user.latest")]
    assert sorted(latest) == sorted(stored)
    assert max(pauses) < LONGEST_PAUSE_SECONDS, pauses
