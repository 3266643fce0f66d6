"""Kafka clients of the long-running consumers.

Belongs here: configuration they share, errors that no retry heals. Does not belong here: which topics, which offsets.
librdkafka reports a wrong password or certificate only to `error_cb`, so it is read here and raised by the loop.
"""

import logging
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka.admin import AdminClient

from media_analytics.errors import DataLossError, ServiceError
from media_analytics.settings import Kafka
from streaming.runtime.seat import SESSION_SECONDS

# Ends the process: waiting would not help.
_HOPELESS = frozenset(
    (
        KafkaError._AUTHENTICATION,
        KafkaError._SSL,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    )
)

# The only fatal error of a consumer is that it is fenced; a message then says no more than "fatal".
_FENCED = frozenset(
    (KafkaError._FATAL, KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID, KafkaError.PRODUCER_FENCED)
)


class FencedError(ServiceError):
    """The broker knows another client under this id. This client is of no use any more; `seat.py` says what then."""


class Errors:
    """Collects what clients report in the background. `name` is the process, for messages."""

    def __init__(self, name: str, log: logging.Logger) -> None:
        self._name = name
        self._log = log
        self._fatal: str | None = None

    def callback(self, error: KafkaError) -> None:
        """The clients' `error_cb`."""
        self._log.warning("kafka: %s", error.str())
        if error.code() in _HOPELESS:
            self._fatal = error.str()

    def check(self) -> None:
        """Raise what no retry heals.

        Raises:
            ServiceError: credentials, certificates or rights are wrong.
        """
        if self._fatal is not None:
            raise ServiceError(
                f"{self._name}: Kafka refuses this process: {self._fatal}; check the MEDIA_ANALYTICS_KAFKA__* "
                "credentials, the CA file and the ACLs of its topics and group"
            )


def raise_hopeless(name: str, error: KafkaError) -> None:
    """Raise what no retry heals; return for everything else.

    Raises:
        DataLossError: the wanted offset is not in the log any more.
        FencedError: the client is fenced.
        ServiceError: Kafka refuses this process.
    """
    if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
        raise DataLossError(
            f"{name}: the offset to read next is not in the log any more ({error.str()}). Nothing was changed; start "
            "the process again and its message will say what is missing and how to go on"
        )
    if error.code() in _HOPELESS:
        raise ServiceError(
            f"{name}: Kafka refuses this process: {error.str()}; check its credentials and ACLs"
        )
    if error.fatal() or error.code() in _FENCED:
        raise FencedError(f"{name}: {error.str()}")


def raise_if_fenced(name: str, message: Message) -> None:
    """Look for the one error that must be seen even when the message itself no longer matters: it comes only once.

    Raises:
        FencedError: the client is fenced.
    """
    error = message.error()
    if error is not None and error.code() in _FENCED:
        raise_hopeless(name, error)


def admin(kafka: Kafka, errors: Errors) -> AdminClient:
    """A client that describes topics."""
    config: dict[str, Any] = {**kafka.client_config(), "error_cb": errors.callback}
    return AdminClient(config)


def consumer(kafka: Kafka, group: str, instance: str, errors: Errors, **config: Any) -> Consumer:
    """A consumer that never picks a start offset by itself and never commits by itself.

    Static membership: a restarted process takes its partitions back at once, and a second one with the same instance
    ends the first (`seat.py`).
    """
    return Consumer(
        kafka.client_config()
        | {
            "group.id": group,
            "group.instance.id": f"{group}-{instance}",
            "client.id": f"{group}-{instance}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # librdkafka's word for Kafka's `auto.offset.reset=none`.
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "fetch.min.bytes": 65536,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 32768,
            "session.timeout.ms": int(SESSION_SECONDS * 1000),
            "heartbeat.interval.ms": 3000,
            # A store or registry may be away for long; the process waits and keeps its place.
            "max.poll.interval.ms": 3_600_000,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "error_cb": errors.callback,
        }
        | config
    )
