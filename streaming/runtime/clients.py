"""Kafka clients of the long-running consumers.

Belongs here: configuration they share, errors that no retry heals. Does not belong here: which topics, which offsets.
librdkafka reports a wrong password or certificate only to `error_cb`, so it is read here and raised by the loop; a
plain client of a broker with TLS is told nothing at all, so the broker is asked by a handshake.
"""

import logging
import socket
import ssl
import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
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

# How long a client waits for its first answer before it says why there is none, and how long it waits each time.
LET_IN_SECONDS = 4.0
_ASK_SECONDS = 0.4
TLS_WANTED = (
    "the broker wants TLS and this client speaks plain text: set MEDIA_ANALYTICS_KAFKA__SECURITY_PROTOCOL=SASL_SSL "
    "and the user's name and password"
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
        if is_hopeless(error):
            self._fatal = error.str()

    def refuse(self, reason: str) -> None:
        """Note a reason that clients themselves do not report."""
        self._fatal = reason

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


def is_hopeless(error: KafkaError) -> bool:
    """Whether waiting would not help: credentials, certificates or rights are wrong."""
    return error.code() in _HOPELESS


def let_in(admin: AdminClient, kafka: Kafka, errors: Errors, most_seconds: float = LET_IN_SECONDS) -> None:
    """Return when the cluster answers this user.

    Raises:
        ServiceError: it never will: password, certificate or protocol are wrong.
        KafkaException: no answer in time.
    """
    deadline = time.monotonic() + most_seconds
    while True:
        try:
            admin.list_topics(timeout=_ASK_SECONDS)
        except KafkaException:
            admin.poll(0)
            errors.check()
            if kafka.security_protocol == "PLAINTEXT" and speaks_tls(kafka.bootstrap_servers):
                errors.refuse(TLS_WANTED)
                errors.check()
            if time.monotonic() > deadline:
                raise
        else:
            return


def entered(kafka: Kafka, name: str, log: logging.Logger) -> AdminClient:
    """A client of a cluster that has answered it.

    Raises:
        ServiceError: the cluster refuses this user.
        KafkaException: no answer.
    """
    errors = Errors(name, log)
    made = admin(kafka, errors, log_level=3)
    let_in(made, kafka, errors)
    return made


def speaks_tls(bootstrap_servers: str) -> bool:
    """Whether the first broker that can be reached answers a TLS handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Nothing is sent; only whether it is TLS matters.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for server in bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), _ASK_SECONDS) as reached:
                reached.settimeout(2 * _ASK_SECONDS)
                with context.wrap_socket(reached):
                    return True
        except ssl.SSLError:
            return False
        except (OSError, ValueError):
            continue
    return False


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
    if is_hopeless(error):
        raise ServiceError(
            f"{name}: Kafka refuses this process: {error.str()}; check its credentials and ACLs"
        )
    if error.fatal() or error.code() in _FENCED:
        raise FencedError(f"{name}: {error.str()}")


def raise_if_fenced(name: str, message: Message) -> None:
    """Look for the errors that must be seen even when the message itself no longer matters: they come only once.

    Raises:
        FencedError: the client is fenced.
        ServiceError: Kafka refuses this process.
    """
    error = message.error()
    if error is not None and (error.code() in _FENCED or is_hopeless(error)):
        raise_hopeless(name, error)


def admin(kafka: Kafka, errors: Errors, **config: Any) -> AdminClient:
    """A client that describes topics."""
    everything: dict[str, Any] = {**kafka.client_config(), "error_cb": errors.callback, **config}
    return AdminClient(everything)


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
