"""`stack.env` and what children may see."""

from pathlib import Path

import pytest

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import environment, launch, stack_variables, status
from media_analytics.local import home as homes
from media_analytics.local.artifacts import Artifacts
from media_analytics.local.home import Home
from media_analytics.settings import load_settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    homes.create(tmp_path / "home")
    return homes.open_home(tmp_path / "home")


def _variables(home: Home, **callers: str) -> dict[str, str]:
    wanted = {f"MEDIA_ANALYTICS_{name}": value for name, value in callers.items()}
    return environment.stack_environment(home, Artifacts(home.path / "cache"), wanted)


def test_the_variables_are_complete_settings(home: Home) -> None:
    settings = load_settings(_variables(home))
    assert settings.home == home.path
    assert settings.local
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.spark.token is not None
    assert settings.spark.token.get_secret_value() == home.secrets.spark_token


def test_the_file_gives_back_every_value_and_is_private(home: Home) -> None:
    variables = _variables(home, STREAM__TRIGGER_SECONDS="1") | {
        "MEDIA_ANALYTICS_X": 'it\'s "quoted" $HOME `x`'
    }
    stack_variables.write_stack_environment(home.environment_file, variables)
    assert stack_variables.read_stack_environment(home.environment_file) == variables
    assert home.environment_file.stat().st_mode & 0o777 == 0o600


def test_the_callers_settings_win(home: Home) -> None:
    settings = load_settings(_variables(home, STREAM__TRIGGER_SECONDS="1.5"))
    assert settings.stream.trigger_seconds == 1.5


def test_variables_of_the_stack_are_no_settings(home: Home) -> None:
    variables = _variables(home, CACHE="/c", PORTS__KAFKA="1", HOME="/elsewhere", IVY_SETTINGS="/i")
    assert variables["MEDIA_ANALYTICS_HOME"] == str(home.path)
    assert not {"MEDIA_ANALYTICS_CACHE", "MEDIA_ANALYTICS_PORTS__KAFKA"} & variables.keys()
    load_settings(variables | {"MEDIA_ANALYTICS_CACHE": "/c", "MEDIA_ANALYTICS_PORTS__KAFKA": "1"})


def test_an_address_elsewhere_makes_a_service_external(home: Home) -> None:
    caller = {"MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS": "kafka.example.org:9092"}
    assert environment.external_services(home.ports, caller) == {"kafka"}


def test_our_own_address_is_not_elsewhere(home: Home) -> None:
    assert environment.external_services(home.ports, _variables(home)) == frozenset()


def test_the_exports_of_another_stack_are_refused(home: Home) -> None:
    with pytest.raises(MediaAnalyticsError, match="another stack"):
        _variables(home, HOME_ID="someone-else")


def test_children_get_no_credential_of_the_caller(home: Home) -> None:
    caller = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "secret", "HTTPS_PROXY": "http://proxy"}
    stack_variables.write_stack_environment(home.environment_file, _variables(home))
    seen = launch.child_environment(home, "collector", caller)
    assert not {"AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"} & seen.keys()
    assert load_settings(seen).home == home.path


@pytest.mark.parametrize("name", ["kafka", "registry", "spark", "dagster-webserver", "dagster-daemon"])
def test_services_without_settings_see_no_secret(home: Home, name: str) -> None:
    stack_variables.write_stack_environment(home.environment_file, _variables(home))
    values = launch.child_environment(home, name, {"PATH": "/bin"}).values()
    assert not set(vars(home.secrets).values()) & set(values)


def test_the_link_to_sparks_page_is_there_in_debug_mode_only(home: Home) -> None:
    stack_variables.write_stack_environment(home.environment_file, _variables(home))
    assert status.spark_page_link(home) is None
    stack_variables.write_stack_environment(home.environment_file, _variables(home, DEBUG="true"))
    assert status.spark_page_link(home) == f"http://127.0.0.1:{home.ports['spark_ui']}/"
    elsewhere = _variables(home, DEBUG="true", SPARK__REMOTE="sc://spark.example.org:15002")
    stack_variables.write_stack_environment(home.environment_file, elsewhere)
    assert status.spark_page_link(home) is None
