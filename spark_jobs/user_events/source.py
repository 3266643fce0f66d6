"""The topic that the stream reads.

Belongs here: options of Spark's Kafka source, identity and bounds of the topic. Does not belong here:
where to start (`positions`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from media_analytics.errors import ServiceError
from media_analytics.settings import Kafka
from streaming.runtime import clients

TOPIC = "user.latest"
FIRST_TOPIC = "user.raw"
TIMEOUT_SECONDS = 10.0
# The class is untyped.
_SPEC: Any = OffsetSpec


@dataclass(frozen=True)
class Topic:
    """A topic as it is now: its id, and per partition the first offset still there and the committed end."""

    name: str
    topic_id: str
    low: Mapping[int, int]
    high: Mapping[int, int]


def let_in(admin: AdminClient, kafka: Kafka, errors: clients.Errors) -> None:
    """Return when the cluster answers.

    Raises:
        ServiceError: it does not; `errors` knows whether it never will.
    """
    try:
        clients.let_in(admin, kafka, errors)
    except KafkaException as error:
        raise ServiceError(
            f"Kafka does not answer: {error.args[0].str()}; see `media-analytics status`"
        ) from error


def describe(admin: AdminClient, name: str, errors: clients.Errors) -> Topic:
    """Ask Kafka.

    Raises:
        ServiceError: Kafka does not answer, or the topic does not exist.
    """
    try:
        asked = admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_SECONDS)
        found = asked[name].result()
        if not found.partitions:
            raise ServiceError(f"topic {name} does not exist; run `media-analytics contracts apply`")
        count = len(found.partitions)
        low = _offsets(admin, name, count, _SPEC.earliest())
        high = _offsets(admin, name, count, _SPEC.latest())
    except KafkaException as error:
        errors.callback(error.args[0])
        errors.check()
        raise ServiceError(
            f"Kafka does not answer for topic {name}: {error.args[0].str()}; see `media-analytics status`"
        ) from error
    return Topic(name, str(found.topic_id), low, high)


def _offsets(admin: AdminClient, name: str, count: int, spec: Any) -> dict[int, int]:
    asked = {TopicPartition(name, p): spec for p in range(count)}
    answers = admin.list_offsets(
        asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=TIMEOUT_SECONDS
    )
    return {where.partition: int(answer.result().offset) for where, answer in answers.items()}


def options(kafka: Kafka, topic: str = TOPIC) -> dict[str, str]:
    """What every read of the topic sets: committed records only, and an error instead of a silent gap."""
    found = {
        "kafka.bootstrap.servers": kafka.bootstrap_servers,
        "kafka.isolation.level": "read_committed",
        "kafka.allow.auto.create.topics": "false",
        "subscribe": topic,
        "failOnDataLoss": "true",
        # Spark asks for the topic's bounds after each poll and throws away what the consumer has fetched ahead.
        "kafka.max.poll.records": "20000",
    }
    if kafka.security_protocol == "SASL_SSL":
        password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else ""
        found |= {
            "kafka.security.protocol": "SASL_SSL",
            "kafka.sasl.mechanism": kafka.sasl_mechanism,
            "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
            f"username={json.dumps(kafka.sasl_username)} password={json.dumps(password)};",
        }
        if kafka.ssl_ca_location is not None:
            found["kafka.ssl.truststore.type"] = "PEM"
            found["kafka.ssl.truststore.location"] = str(kafka.ssl_ca_location)
    return found


def offsets_json(topic: str, offsets: Mapping[int, int]) -> str:
    """Offsets as Spark's options take them."""
    return json.dumps({topic: {str(p): o for p, o in sorted(offsets.items())}})
