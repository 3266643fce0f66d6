"""The supervisor's configuration, the services, and where sockets lie."""

import configparser
from pathlib import Path

import pytest

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import dagster_home, services, supervision
from media_analytics.local import home as homes
from media_analytics.local.home import Home
from media_analytics.local.sockets import LIMIT_BYTES, socket_path


def _home(folder: Path) -> Home:
    homes.create(folder)
    return homes.open_home(folder)


def _configuration(home: Home) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(supervision.configuration(home, services.SERVICES))
    return parser


def test_every_service_is_one_restarted_program(tmp_path: Path) -> None:
    parser = _configuration(_home(tmp_path / "home"))
    programs = [name.partition(":")[2] for name in parser.sections() if name.startswith("program:")]
    assert programs == [service.name for service in services.SERVICES]
    assert {parser[f"program:{name}"]["autorestart"] for name in programs} == {"true"}


def test_only_services_without_contracts_start_by_themselves(tmp_path: Path) -> None:
    parser = _configuration(_home(tmp_path / "home"))
    started = [name for name in services.NAMES if parser[f"program:{name}"]["autostart"] == "true"]
    assert started == ["kafka", "registry", "spark", "clickhouse", "dagster-webserver", "dagster-code"]


def test_clients_are_stopped_before_the_stores_and_within_20_seconds(tmp_path: Path) -> None:
    parser = _configuration(_home(tmp_path / "home"))
    phases: dict[int, int] = {}
    for name in services.NAMES:
        program = parser[f"program:{name}"]
        priority = int(program["priority"])
        phases[priority] = max(phases.get(priority, 0), int(program["stopwaitsecs"]))
    assert int(parser["program:sink"]["priority"]) > int(parser["program:kafka"]["priority"])
    assert sum(phases.values()) < 20


def test_the_control_socket_is_for_the_user_only(tmp_path: Path) -> None:
    parser = _configuration(_home(tmp_path / "home"))
    assert parser["unix_http_server"]["chmod"] == "0600"
    assert "inet_http_server" not in parser


def test_a_percent_sign_in_the_home_survives(tmp_path: Path) -> None:
    home = _home(tmp_path / "100%")
    assert f"directory={tmp_path}/100%%" in supervision.configuration(home, ())


def test_a_long_home_puts_its_sockets_into_a_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = _home(tmp_path / ("x" * 120))
    monkeypatch.setattr("tempfile.tempdir", str(Path(tmp_path.anchor) / "tmp"))
    path = socket_path(home, "supervisor")
    assert len(str(path)) <= LIMIT_BYTES
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.parent.rmdir()


def test_names_are_checked() -> None:
    with pytest.raises(MediaAnalyticsError, match="there is no service 'kafak'"):
        services.service("kafak")
    with pytest.raises(MediaAnalyticsError, match="there is no profile 'gpu'"):
        services.of_profiles(["gpu"])


def test_dagster_dev_gets_an_instance_of_its_own(tmp_path: Path) -> None:
    home = _home(tmp_path / "home")
    dagster_home.write(home, 3)
    assert dagster_home.folder(home) != dagster_home.development_folder(home)
    for folder in (dagster_home.folder(home), dagster_home.development_folder(home)):
        assert "max_concurrent_runs: 3" in (folder / "dagster.yaml").read_text()
