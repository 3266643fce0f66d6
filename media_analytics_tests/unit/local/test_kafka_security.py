"""Passwords, certificates, rights and which user a service is."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from media_analytics.contracts.registry import TOPICS
from media_analytics.local import environment, kafka, kafka_mode, kafka_security, launch, stack_variables
from media_analytics.local import home as homes
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.home import Home
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.kafka_security import ADMIN, FIRST_USERS, OPERATOR
from media_analytics.migrations import access
from media_analytics.settings import load_settings


def _home(path: Path, mode: KafkaMode) -> Home:
    homes.create(path)
    homes.choose_ports(path, {}, free=True)
    kafka_mode.write(path, mode)
    home = homes.open_home(path)
    kafka_security.ensure(home)
    variables = environment.stack_environment(home, Artifacts(path / "cache"), {})
    stack_variables.write_stack_environment(home.environment_file, variables)
    return home


@pytest.fixture
def secured(tmp_path: Path) -> Home:
    return _home(tmp_path / "home", KafkaMode(secure=True))


def test_every_user_with_rights_has_a_password_and_the_other_way_round() -> None:
    """Would catch a service that gets a user without rights, and rights of a user that nobody is."""
    assert set(access.users()) | set(FIRST_USERS) == set(kafka_security.users())


def test_only_collector_and_replays_write_first_topics_and_nobody_reads_what_it_needs_not() -> None:
    """Would catch a right too many; `user.raw` holds full addresses."""
    first = {name for name, topic in TOPICS.items() if topic.made_from is None and name != "dead_letters"}
    writers = {g.user for g in access.grants() if g.operation == "WRITE" and g.name in first}
    assert writers == {"collector", "replay"}
    readers = {g.user for g in access.grants() if g.operation == "READ" and g.name == "user.raw"}
    assert readers == {"enricher"}
    assert {g.name for g in access.grants() if g.name.endswith("*")} == {
        "enricher-*",
        "media-analytics-*",
        "spark-kafka-*",
    }


def test_a_service_is_its_own_user_and_never_the_admin(secured: Home) -> None:
    """Would catch the admin's password in the environment of a process."""
    admin = kafka_security.password(secured, ADMIN)
    for name, user in (("collector", "collector"), ("dagster-code", "dagster"), ("clickhouse", OPERATOR)):
        variables = launch.child_environment(secured, name, {})
        settings = load_settings(variables)
        assert settings.kafka.sasl_username == user
        assert settings.kafka.sasl_password is not None
        assert settings.kafka.sasl_password.get_secret_value() == kafka_security.password(secured, user)
        assert admin not in variables.values()
    runs = load_settings(launch.child_environment(secured, "dagster-code", {}))
    assert runs.kafka.acting_as("replay").sasl_username == "replay"
    commands = load_settings(stack_variables.read_stack_environment(secured.environment_file))
    assert commands.kafka.acting_as("admin").sasl_username == ADMIN
    assert commands.kafka.acting_as("other") is commands.kafka


def test_users_of_a_log_elsewhere_stay(secured: Home) -> None:
    """Would catch our own password sent to somebody else's broker."""
    elsewhere = {
        "MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS": "kafka.example.org:9092",
        "MEDIA_ANALYTICS_KAFKA__SASL_USERNAME": "theirs",
        "MEDIA_ANALYTICS_KAFKA__SSL_CA_LOCATION": "/their/ca.pem",
    }
    assert kafka_security.service_variables(secured, "collector", elsewhere) == elsewhere


def test_a_second_start_keeps_passwords_and_certificates(secured: Home) -> None:
    """Would catch an `up` that locks running clients out."""
    folder = kafka_security.folder(secured)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    kafka_security.ensure(secured)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    (folder / "passwords.json").write_text(f'{{"{ADMIN}": "kept"}}')
    kafka_security.ensure(secured)
    assert kafka_security.password(secured, ADMIN) == "kept"
    assert len(kafka_security.password(secured, OPERATOR)) >= 32


def test_the_certificate_is_for_this_machine_and_the_authority_has_no_key(secured: Home) -> None:
    """Would catch a certificate that clients refuse, and a key with which more could be made."""
    text = kafka_security.broker_file(secured).read_bytes()
    certificate, authority = x509.load_pem_x509_certificates(text)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    certificate.verify_directly_issued_by(authority)
    assert load_pem_private_key(text, None).public_key() == certificate.public_key()
    assert b"PRIVATE KEY" not in kafka_security.ca_file(secured).read_bytes()
    assert text.count(b"PRIVATE KEY") == 2


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, 1, 1), (3, 3, 2)])
def test_copies_follow_from_the_brokers(tmp_path: Path, brokers: int, copies: int, in_sync: int) -> None:
    """Would catch offsets or transactions with one copy where records have three."""
    home = _home(tmp_path / "home", KafkaMode(brokers=brokers))
    texts = [kafka.configuration(home, node) for node in range(1, brokers + 1)]
    for node, text in enumerate(texts, 1):
        lines = dict(line.split("=", 1) for line in text.splitlines())
        assert lines["node.id"] == str(node)
        assert {lines[k] for k in lines if k.endswith("replication.factor")} == {str(copies)}
        assert {lines[k] for k in lines if k.endswith((".min.isr", "insync.replicas"))} == {str(in_sync)}
        assert len(lines["controller.quorum.voters"].split(",")) == brokers
    settings = load_settings(stack_variables.read_stack_environment(home.environment_file))
    assert settings.kafka.replication_factor == copies
    assert len(settings.kafka.bootstrap_servers.split(",")) == brokers
