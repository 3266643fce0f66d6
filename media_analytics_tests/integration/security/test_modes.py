"""A home is secured later and back; what cannot be changed is refused with the command to run."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from media_analytics.errors import ServiceError
from media_analytics.local import home as homes
from media_analytics.local import kafka as kafka_service
from media_analytics.local import kafka_mode, kafka_security, kafka_users
from media_analytics.local.artifacts import Artifacts, cache_folder
from media_analytics.local.environment import stack_environment
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.stack_variables import write_stack_environment
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration


@pytest.fixture
def in_mode(tmp_path: Path) -> Iterator[Callable[[KafkaMode], Embedded]]:
    """Starts the one broker of one home in a mode, and ends it at the next call."""
    started: list[Embedded] = []

    def start(mode: KafkaMode) -> Embedded:
        for one in started:
            one.stop_all()
        if started:
            kafka_mode.write(started[0].home.path, mode)
            home = homes.open_home(started[0].home.path)
            kafka_security.ensure(home)
            variables = stack_environment(home, Artifacts(cache_folder({})), {})
            write_stack_environment(home.environment_file, variables)
            stack = Embedded(home, variables)
        else:
            stack = embedded.make(tmp_path / "home", mode)
        started.append(stack)
        stack.start("kafka")
        kafka_users.apply(stack.home)
        return stack

    yield start
    for one in started:
        one.stop_all()


def _topics(stack: Embedded) -> set[str]:
    admin = AdminClient(kafka_service.address(stack.home).client_config())
    return set(admin.list_topics(timeout=10).topics)


def test_a_home_is_secured_and_made_plain_again_and_keeps_its_topics(
    in_mode: Callable[[KafkaMode], Embedded],
) -> None:
    """Would catch a log that lets nobody in after the change, forgets its topics, or still answers plain clients."""
    plain = in_mode(KafkaMode())
    admin = AdminClient(plain.settings.kafka.client_config())
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(20)

    secured = in_mode(KafkaMode(secure=True))
    assert "kept" in _topics(secured)
    stranger = AdminClient(plain.settings.kafka.client_config() | {"log_level": 0})
    with pytest.raises(KafkaException):
        stranger.list_topics(timeout=2)

    again = in_mode(KafkaMode())
    assert "kept" in _topics(again)


def test_a_log_made_without_users_is_refused_until_a_plain_start_has_added_them(
    in_mode: Callable[[KafkaMode], Embedded],
) -> None:
    """Would catch a home of an earlier release that is secured and then lets nobody in."""
    stack = in_mode(KafkaMode())
    (stack.home.path / "kafka" / "first-users").unlink()
    with pytest.raises(AssertionError, match="media-analytics up --no-secure"):
        in_mode(KafkaMode(secure=True))
    in_mode(KafkaMode())
    in_mode(KafkaMode(secure=True))


def test_the_number_of_brokers_stays(tmp_path: Path) -> None:
    """Would catch a second broker that joins a log whose topics have one copy."""
    formatted = tmp_path / "home" / "kafka" / "data" / "meta.properties"
    formatted.parent.mkdir(parents=True)
    formatted.touch()
    with pytest.raises(ServiceError, match=r"MEDIA_ANALYTICS_HOME=.* media-analytics up --brokers 3"):
        kafka_mode.planned(tmp_path / "home", None, 3)
    with pytest.raises(ServiceError, match="expected 1 or 3"):
        kafka_mode.planned(tmp_path / "other", None, 2)
    with pytest.raises(ServiceError, match="media-analytics down && media-analytics up --secure"):
        kafka_mode.check_running(tmp_path / "home", KafkaMode(secure=True))
