"""Who may do what in the event log.

Belongs here: the rights of each user, from the contracts, and bringing a cluster's ACLs in line with them. Does not
belong here: passwords and who creates the users (the embedded stack does; elsewhere the cluster's operator).

Everything else is denied. The admin, who carries out migrations, is a super user of the cluster.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from media_analytics.contracts.registry import TOPICS
from media_analytics.errors import ServiceError
from media_analytics.settings import Kafka

TIMEOUT_SECONDS = 15.0
LETTERS = "dead_letters"
# Only the enricher reads its records.
FULL_ADDRESSES = "user.raw"
Resource = Literal["TOPIC", "GROUP", "TRANSACTIONAL_ID"]
Operation = Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]


@dataclass(frozen=True, order=True)
class Grant:
    """One right. `name` ends with `*` where it stands for every name that begins so. READ and WRITE allow DESCRIBE."""

    user: str
    operation: Operation
    resource: Resource
    name: str

    def __str__(self) -> str:
        return f"{self.user} may {self.operation} {self.resource.lower()} {self.name}"


def grants() -> tuple[Grant, ...]:
    """Every right of every user that is no super user."""
    return tuple(dict.fromkeys(_grants()))


def users() -> tuple[str, ...]:
    """The users that have rights."""
    return tuple(dict.fromkeys(grant.user for grant in grants()))


def _grants() -> Iterator[Grant]:
    collected = [t.name for t in TOPICS.values() if t.made_from is None and t.name != LETTERS]
    # Dagster's runs act as `replay` for the letters they send again, and for nothing else.
    for user in ("collector", "replay"):
        for topic in collected:
            yield Grant(user, "WRITE", "TOPIC", topic)
    for topic in ("user.latest", "dead_letters"):
        yield Grant("enricher", "WRITE", "TOPIC", topic)
    yield Grant("enricher", "READ", "TOPIC", "user.raw")
    yield Grant("enricher", "READ", "GROUP", "enricher")
    yield Grant("enricher", "WRITE", "TRANSACTIONAL_ID", "enricher-*")
    for topic in _stored_live():
        yield Grant("sink", "READ", "TOPIC", topic)
    yield Grant("sink", "READ", "GROUP", "clickhouse-sink")
    yield Grant("stream", "READ", "TOPIC", "user.latest")
    # Rebuilding an hour compares its bounds with the topic that first held it; its records stay unseen.
    yield Grant("stream", "DESCRIBE", "TOPIC", "user.raw")
    yield Grant("stream", "READ", "GROUP", "spark-kafka-*")
    for user in ("collector", "sink", "stream", "dagster"):
        yield Grant(user, "WRITE", "TOPIC", LETTERS)
    # Sensors compare topics with tables and with groups; micro-batches, commands and the dashboard read them.
    for user in ("dagster", "operator", "dashboard"):
        for topic in TOPICS:
            yield Grant(user, "DESCRIBE" if topic == FULL_ADDRESSES else "READ", "TOPIC", topic)
            yield Grant(user, "DESCRIBE_CONFIGS", "TOPIC", topic)
        yield Grant(user, "DESCRIBE", "GROUP", "enricher")
        yield Grant(user, "DESCRIBE", "GROUP", "clickhouse-sink")
        yield Grant(user, "READ", "GROUP", "media-analytics-*")
        yield Grant(user, "READ", "GROUP", "spark-kafka-*")


def _stored_live() -> Iterator[str]:
    """The topics that the ClickHouse sink reads."""
    for topic in TOPICS.values():
        if "realtime" in topic.stores:
            made = (other.name for other in TOPICS.values() if other.made_from == topic.name)
            yield next(made, topic.name)


def apply(kafka: Kafka) -> tuple[int, int]:
    """Give the users their rights and take those that are not in `grants`; other users are left alone.

    Args:
        kafka: the cluster, as a user who may alter it.

    Returns:
        How many rights were given, and taken.

    Raises:
        ServiceError: the cluster does not answer or refuses.
    """
    from confluent_kafka import KafkaException

    admin = _admin().AdminClient(kafka.client_config() | {"log_level": 3})
    wanted = {_binding(grant) for grant in grants()}
    try:
        found: set[Any] = set()
        for user in users():
            found |= set(admin.describe_acls(_all_of(user), request_timeout=TIMEOUT_SECONDS).result())
        given, taken = wanted - found, found - wanted
        if given:
            for future in admin.create_acls(list(given), request_timeout=TIMEOUT_SECONDS).values():
                future.result()
        if taken:
            exact = [_as_filter(binding) for binding in taken]
            for future in admin.delete_acls(exact, request_timeout=TIMEOUT_SECONDS).values():
                future.result()
    except KafkaException as error:
        raise ServiceError(
            f"the rights of Kafka {kafka.bootstrap_servers} cannot be set as {kafka.sasl_username}: "
            f"{error.args[0].str()}"
        ) from error
    return len(given), len(taken)


def _admin() -> Any:
    """confluent-kafka's administration module: loaded late, and without types for these classes."""
    import confluent_kafka.admin

    return confluent_kafka.admin


def _binding(grant: Grant) -> Any:
    admin = _admin()
    prefixed = grant.name.endswith("*")
    return admin.AclBinding(
        admin.ResourceType[grant.resource],
        grant.name.removesuffix("*"),
        admin.ResourcePatternType.PREFIXED if prefixed else admin.ResourcePatternType.LITERAL,
        f"User:{grant.user}",
        "*",
        admin.AclOperation[grant.operation],
        admin.AclPermissionType.ALLOW,
    )


def _as_filter(binding: Any) -> Any:
    return _admin().AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _all_of(user: str) -> Any:
    admin = _admin()
    return admin.AclBindingFilter(
        admin.ResourceType.ANY,
        None,
        admin.ResourcePatternType.ANY,
        f"User:{user}",
        None,
        admin.AclOperation.ANY,
        admin.AclPermissionType.ANY,
    )
