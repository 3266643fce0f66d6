"""Each user of the event log does its own work and nothing else; who is not let in learns why within 5 s."""

import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import confluent_kafka.admin
import httpx
import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from pydantic import SecretStr

from media_analytics.contracts.registry import TOPICS
from media_analytics.errors import ServiceError
from media_analytics.local import kafka_security
from media_analytics.local.kafka_security import ADMIN
from media_analytics.migrations import access
from media_analytics.migrations.services import TopicAdmin
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Kafka, load_settings
from media_analytics_tests.builders.streams import Store
from media_analytics_tests.integration.security.conftest import Secured
from media_analytics_tests.services.embedded import wait_until
from streaming.runtime import clients

pytestmark = pytest.mark.integration

# Its classes carry no types.
ADMIN_API: Any = confluent_kafka.admin
PROCESSES = ("collector", "enricher", "sink")
ANSWER_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


@pytest.fixture
def running(secured: Secured) -> Iterator[Secured]:
    """The path from the collector to the store, each process as its own user."""
    for name in PROCESSES:
        secured.stack.start(name)
    yield secured
    for name in PROCESSES:
        if name in secured.stack.processes:
            secured.stack.stop(name)


def _event(event_id: str) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    return {"event_id": event_id, "event_type": "page_view", "brand": "bild", "occurred_at": now}


def test_an_event_goes_the_whole_way_with_a_user_for_each_process(running: Secured) -> None:
    """Would catch a right that a process lacks, and a process that works as somebody else."""
    event_id = str(uuid.uuid4())
    collector = running.stack.settings.collector.url
    bad = httpx.post(
        f"{collector}/v1/events/user", json=_event("no-uuid") | {"brand": "nobody"}, trust_env=False
    )
    assert bad.status_code in (400, 422)
    answer = httpx.post(f"{collector}/v1/events/user", json=_event(event_id), trust_env=False, timeout=30)
    assert answer.status_code == 200, answer.text
    store = Store(running.stack.settings)
    query = f"SELECT count() AS c FROM realtime.user_events WHERE event_id = '{event_id}'"
    wait_until(lambda: int(store.rows(query)[0]["c"]) == 1, 60, lambda: running.stack.log_tail("sink"))

    admin_password = kafka_security.password(running.stack.home, ADMIN)
    for name in PROCESSES:
        environment = psutil.Process(running.stack.processes[name].pid).environ()
        assert environment["MEDIA_ANALYTICS_KAFKA__SASL_USERNAME"] == name
        assert admin_password not in environment.values()


TOPIC, GROUP = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
CLUSTER = KafkaError.CLUSTER_AUTHORIZATION_FAILED
ID = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED


def _produce(kafka: Kafka, topic: str) -> KafkaError | None:
    found: list[KafkaError | None] = []
    producer = Producer(kafka.client_config() | {"message.timeout.ms": 5000, "log_level": 0})
    producer.produce(topic, b"not allowed", partition=0, on_delivery=lambda error, _: found.append(error))
    producer.flush(10)
    return found[0]


OWN_GROUPS = {"enricher": "enricher", "sink": "clickhouse-sink", "stream": "spark-kafka-source"}


def _consume(kafka: Kafka, topic: str) -> KafkaError | None:
    group = OWN_GROUPS.get(kafka.sasl_username or "", "media-analytics-test")
    consumer = Consumer(kafka.client_config() | {"group.id": group, "log_level": 0})
    deadline = time.monotonic() + 10
    try:
        # A consumer is not told of a topic that it may not even see.
        unseen = consumer.list_topics(topic, timeout=10).topics[topic].error
        if unseen is not None:
            return unseen
        consumer.assign([TopicPartition(topic, 0, 0)])
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            # The collector has no group; reading does not need one.
            if message is not None and (message.error() is None or message.error().code() != GROUP):
                return message.error()
    finally:
        consumer.close()
    return None


def _join(kafka: Kafka, group: str) -> KafkaError | None:
    consumer = Consumer(kafka.client_config() | {"group.id": group, "log_level": 0})
    try:
        consumer.subscribe(["user.latest"])
        message = consumer.poll(10)
        return None if message is None else message.error()
    finally:
        consumer.close()


def _transaction(kafka: Kafka, name: str) -> KafkaError | None:
    producer = Producer(kafka.client_config() | {"transactional.id": name, "log_level": 0})
    return _refusal(lambda: producer.init_transactions(10))


def _create_topic(kafka: Kafka, name: str) -> KafkaError | None:
    admin = ADMIN_API.AdminClient(kafka.client_config() | {"log_level": 0})
    return _refusal(lambda: admin.create_topics([ADMIN_API.NewTopic(name, 1, 1)])[name].result())


def _delete_topic(kafka: Kafka, name: str) -> KafkaError | None:
    admin = ADMIN_API.AdminClient(kafka.client_config() | {"log_level": 0})
    return _refusal(lambda: admin.delete_topics([name])[name].result())


def _take_right(kafka: Kafka, name: str) -> KafkaError | None:
    admin = ADMIN_API.AdminClient(kafka.client_config() | {"log_level": 0})
    right = ADMIN_API.AclBinding(
        ADMIN_API.ResourceType.TOPIC,
        name,
        ADMIN_API.ResourcePatternType.LITERAL,
        f"User:{kafka.sasl_username}",
        "*",
        ADMIN_API.AclOperation.ALL,
        ADMIN_API.AclPermissionType.ALLOW,
    )
    return _refusal(lambda: admin.create_acls([right])[right].result())


def _refusal(action: Callable[[], object]) -> KafkaError | None:
    try:
        action()
    except KafkaException as error:
        found: KafkaError = error.args[0]
        return found
    return None


REFUSED: tuple[tuple[str, Callable[[Kafka, str], KafkaError | None], str, int], ...] = (
    ("collector", _produce, "user.latest", TOPIC),
    ("collector", _consume, "user.raw", TOPIC),
    ("collector", _transaction, "enricher-0", ID),
    ("enricher", _produce, "user.raw", TOPIC),
    ("enricher", _produce, "session.events", TOPIC),
    ("enricher", _consume, "dead_letters", TOPIC),
    ("enricher", _join, "clickhouse-sink", GROUP),
    ("sink", _produce, "user.latest", TOPIC),
    ("sink", _consume, "user.raw", TOPIC),
    ("sink", _consume, "dead_letters", TOPIC),
    ("sink", _join, "enricher", GROUP),
    ("stream", _produce, "user.latest", TOPIC),
    ("stream", _consume, "user.raw", TOPIC),
    ("stream", _join, "clickhouse-sink", GROUP),
    ("dagster", _produce, "user.raw", TOPIC),
    ("replay", _produce, "dead_letters", TOPIC),
    ("replay", _consume, "user.raw", TOPIC),
    ("dagster", _consume, "user.raw", TOPIC),
    ("operator", _consume, "user.raw", TOPIC),
    ("dagster", _join, "enricher", GROUP),
    ("operator", _produce, "user.raw", TOPIC),
    ("operator", _produce, "dead_letters", TOPIC),
    *((user, _create_topic, "new", TOPIC) for user in access.users()),
    *((user, _delete_topic, "user.latest", TOPIC) for user in access.users()),
    *((user, _take_right, "user.raw", CLUSTER) for user in access.users()),
)


def test_each_user_is_refused_what_is_not_its_work(secured: Secured) -> None:
    """Would catch a right too many: a stolen password of one process must not open the others' topics."""
    before = secured.ends()
    wrong = []
    for user, action, name, expected in REFUSED:
        error = action(secured.as_user(user), name)
        if error is None or error.code() != expected:
            wrong.append(f"{user} {action.__name__} {name}: {error}")
    assert wrong == [], wrong
    assert secured.ends() == before


def _broken(kafka: Kafka) -> dict[str, tuple[Kafka, str]]:
    """Ways not to be let in, and what must be said of each."""
    return {
        "wrong password": (
            kafka.model_copy(update={"sasl_password": SecretStr("wrong")}),
            "SASL authentication",
        ),
        "unknown user": (kafka.model_copy(update={"sasl_username": "nobody"}), "SASL authentication"),
        "plain client": (Kafka(bootstrap_servers=kafka.bootstrap_servers), "wants TLS"),
        "other authority": (kafka.model_copy(update={"ssl_ca_location": None}), "certificate verify failed"),
    }


@pytest.mark.parametrize("case", ["wrong password", "unknown user", "plain client", "other authority"])
def test_who_is_not_let_in_is_told_why_within_5_seconds(secured: Secured, case: str) -> None:
    """Would catch librdkafka's own answer to all of these: a time-out without a reason."""
    kafka, reason = _broken(secured.as_user("dagster"))[case]
    settings = secured.stack.settings.model_copy(update={"kafka": kafka})
    for ask in (
        lambda: clients.entered(kafka, "test", _LOG),
        lambda: KafkaLog(settings).topic("user.raw"),
        lambda: TopicAdmin(settings).stored(TOPICS["user.raw"]),
    ):
        began = time.monotonic()
        with pytest.raises(ServiceError, match=reason):
            ask()
        assert time.monotonic() - began < ANSWER_SECONDS


def _variables(kafka: Kafka) -> dict[str, str]:
    password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else ""
    return {
        "MEDIA_ANALYTICS_KAFKA__SECURITY_PROTOCOL": kafka.security_protocol,
        "MEDIA_ANALYTICS_KAFKA__SASL_USERNAME": kafka.sasl_username or "",
        "MEDIA_ANALYTICS_KAFKA__SASL_PASSWORD": password,
    }


@pytest.mark.parametrize("case", ["wrong password", "plain client"])
@pytest.mark.parametrize(
    ("name", "module"), [("enricher", "streaming.enricher"), ("sink", "streaming.sinks.clickhouse")]
)
def test_a_process_that_is_not_let_in_ends_with_the_reason(
    secured: Secured, name: str, module: str, case: str
) -> None:
    """Would catch a process that waits for ever for a broker that will never answer it."""
    kafka, reason = _broken(secured.as_user(name))[case]
    before = secured.ends()
    ended = subprocess.run(
        [sys.executable, "-m", module],
        env=secured.service_variables(name) | _variables(kafka),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert reason in ended.stderr.splitlines()[-1]
    assert secured.ends() == before


@pytest.mark.parametrize("case", ["wrong password", "plain client"])
def test_a_collector_that_is_not_let_in_refuses_events_and_says_why(secured: Secured, case: str) -> None:
    """Would catch an event that is acknowledged, or a client that waits, while nothing can be stored."""
    kafka, reason = _broken(secured.as_user("collector"))[case]
    before = secured.ends()
    environment = secured.service_variables("collector") | _variables(kafka)
    url = load_settings(environment).collector.url
    process = subprocess.Popen([sys.executable, "-m", "streaming.collector"], env=environment)
    try:
        wait_until(lambda: _status(f"{url}/ping") == 200, 60)
        began = time.monotonic()
        wait_until(lambda: reason in httpx.get(f"{url}/ready", trust_env=False).text, ANSWER_SECONDS)
        answer = httpx.post(f"{url}/v1/events/user", json=_event(str(uuid.uuid4())), trust_env=False)
        assert answer.status_code == 503
        assert reason in answer.text
        assert time.monotonic() - began < ANSWER_SECONDS
    finally:
        process.terminate()
        process.wait(20)
    assert secured.ends() == before


def _status(url: str) -> int:
    try:
        return httpx.get(url, trust_env=False).status_code
    except httpx.HTTPError:
        return 0


@pytest.mark.parametrize(
    ("name", "module", "taken", "reason"),
    [
        ("enricher", "streaming.enricher", ("READ", "TOPIC", "user.raw"), "Topic authorization failed"),
        ("enricher", "streaming.enricher", ("READ", "GROUP", "enricher"), "Group authorization failed"),
        (
            "enricher",
            "streaming.enricher",
            ("WRITE", "TRANSACTIONAL_ID", "enricher-*"),
            "Transactional Id auth",
        ),
        (
            "sink",
            "streaming.sinks.clickhouse",
            ("READ", "GROUP", "clickhouse-sink"),
            "Group authorization failed",
        ),
        (
            "sink",
            "streaming.sinks.clickhouse",
            ("READ", "TOPIC", "user.latest"),
            "Topic authorization failed",
        ),
    ],
)
def test_a_missing_right_ends_a_process_with_its_name(
    secured: Secured,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    module: str,
    taken: tuple[str, str, str],
    reason: str,
) -> None:
    """Would catch a process that waits for a right as for a broker that is away, and rights that stay when taken."""
    everything = access.grants()
    less = tuple(g for g in everything if (g.user, g.operation, g.resource, g.name) != (name, *taken))
    assert len(less) == len(everything) - 1
    before = secured.ends()
    with monkeypatch.context() as patched:
        patched.setattr(access, "grants", lambda: less)
        assert access.apply(secured.admin) == (0, 1)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", module],
            env=secured.service_variables(name),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        assert access.apply(secured.admin) == (1, 0)
    assert ended.returncode == 1, ended.stderr
    assert reason in ended.stderr.splitlines()[-1]
    assert secured.ends() == before


def test_passwords_and_keys_are_readable_by_the_user_only(secured: Secured) -> None:
    """Would catch a file of the home that another user of the machine may read, and a password in an argument."""
    home = secured.stack.home
    folder = kafka_security.folder(home)
    assert folder.stat().st_mode & 0o777 == 0o700
    files = [*folder.iterdir(), home.path / "kafka" / "server.properties"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not (home.path / "kafka" / "format.arguments").exists()
    passwords = [kafka_security.password(home, user) for user in kafka_security.users()]
    arguments = " ".join(" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
    assert [password for password in passwords if password in arguments] == []
    logs = "".join(file.read_text("utf-8", "replace") for file in home.logs.iterdir())
    assert [password for password in passwords if password in logs] == []
