"""One secured home for the tests of this folder: broker with users and rights, registry, store, topics."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from media_analytics.contracts.registry import TOPICS
from media_analytics.local import kafka as kafka_service
from media_analytics.local import kafka_security, kafka_users, launch
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.settings import Kafka, load_settings
from media_analytics_tests.builders import streams
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded


@dataclass(frozen=True)
class Secured:
    """A home whose event log wants users."""

    stack: Embedded

    def as_user(self, user: str) -> Kafka:
        """The event log as one user."""
        own = {
            "sasl_username": user,
            "sasl_password": SecretStr(kafka_security.password(self.stack.home, user)),
        }
        return self.stack.settings.kafka.model_copy(update=own | {"users": {}})

    @property
    def admin(self) -> Kafka:
        """The event log as the stack itself reaches it."""
        return kafka_service.address(self.stack.home)

    def service_variables(self, name: str) -> dict[str, str]:
        """What a supervised service sees."""
        return launch.child_environment(self.stack.home, name, {})

    def ends(self) -> dict[str, dict[int, int]]:
        """End offsets of every topic, aborted records included."""
        return {topic: _ends(self.admin, topic) for topic in TOPICS}


def _ends(kafka: Kafka, topic: str) -> dict[int, int]:
    consumer = Consumer(kafka.client_config() | {"group.id": "test", "isolation.level": "read_uncommitted"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in partitions
        }
    finally:
        consumer.close()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    stack = embedded.make(tmp_path_factory.mktemp("secured") / "home", KafkaMode(secure=True))
    for name in ("kafka", "registry", "clickhouse"):
        stack.start(name)
    kafka_users.apply(stack.home)
    settings = load_settings(stack.environment)
    as_admin = settings.model_copy(update={"kafka": settings.kafka.acting_as("admin")})
    streams.create_topics(as_admin)
    streams.create_tables(as_admin)
    yield Secured(stack)
    stack.stop_all()
