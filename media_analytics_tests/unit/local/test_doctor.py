"""What `media-analytics doctor` says of a stack with more brokers or a secured event log."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from media_analytics.cli import app
from media_analytics.local import doctor, kafka_mode, kafka_security
from media_analytics.local import home as homes
from media_analytics.local.doctor import Check
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.services import of_profiles

BROKER_PORTS = ("KAFKA", "KAFKA_CONTROLLER", "KAFKA_2", "KAFKA_2_CONTROLLER", "KAFKA_3", "KAFKA_3_CONTROLLER")


@pytest.fixture
def ports() -> dict[str, str]:
    """Free ports for every broker, as variables."""
    taken: set[int] = set()
    for _ in BROKER_PORTS:
        taken.add(homes.free_port(taken))
    return {
        f"MEDIA_ANALYTICS_PORTS__{name}": str(port) for name, port in zip(BROKER_PORTS, taken, strict=True)
    }


@pytest.fixture
def busy(ports: dict[str, str]) -> Iterator[int]:
    """Somebody listens on a port of the third broker."""
    port = int(ports["MEDIA_ANALYTICS_PORTS__KAFKA_3_CONTROLLER"])
    with socket.create_server(("127.0.0.1", port)):
        yield port


def _examined(home: Path, environ: dict[str, str], brokers: int) -> dict[str, Check]:
    found = doctor.examine(home, environ, of_profiles((), brokers), brokers=brokers)
    return {check.name: check for check in found}


def test_a_busy_port_of_another_broker_is_named_with_its_variable(
    tmp_path: Path, ports: dict[str, str], busy: int
) -> None:
    """Would catch a doctor that looks at the first broker's ports alone, also where the home remembers three."""
    three = _examined(tmp_path, ports, 3)["port of kafka_3_controller"]
    assert (three.level, three.found.startswith(f"{busy} is used by ")) == ("failed", True)
    assert "MEDIA_ANALYTICS_PORTS__KAFKA_3_CONTROLLER=" in three.fix
    assert "port of kafka_3_controller" not in _examined(tmp_path, ports, 1)


def test_a_named_port_of_another_broker_must_be_free_where_the_others_are_chosen(
    tmp_path: Path, ports: dict[str, str], busy: int
) -> None:
    """Would catch `up --ports free` that fails late: a port that the caller named is never replaced."""
    found = doctor.examine(tmp_path, ports, of_profiles((), 3), free_ports=True, brokers=3)
    assert [c.name for c in found if c.name.startswith("port of")] == ["port of kafka_3_controller"]
    without = {name: value for name, value in ports.items() if not name.endswith("KAFKA_3_CONTROLLER")}
    found = doctor.examine(tmp_path, without, of_profiles((), 3), free_ports=True, brokers=3)
    assert [c.name for c in found if c.name.startswith("port of")] == []


def test_the_command_looks_at_the_brokers_that_are_asked_for_or_remembered(
    tmp_path: Path, ports: dict[str, str], busy: int
) -> None:
    """Would catch `doctor` that finds no fault with what `up --brokers 3` is refused for."""
    environ = ports | {"MEDIA_ANALYTICS_HOME": str(tmp_path / "home"), "COLUMNS": "250"}
    asked = CliRunner().invoke(app, ["doctor", "--brokers", "3"], env=environ)
    assert asked.exit_code == 1
    assert f"{busy} is used by" in asked.output
    assert "port of kafka_3" not in CliRunner().invoke(app, ["doctor"], env=environ).output
    homes.create(tmp_path / "home")
    kafka_mode.write(tmp_path / "home", KafkaMode(brokers=3))
    remembered = CliRunner().invoke(app, ["doctor"], env=environ)
    assert f"{busy} is used by" in remembered.output
    assert "plain, 3 brokers" in remembered.output


def test_two_brokers_on_one_port_are_named(tmp_path: Path, ports: dict[str, str]) -> None:
    """Would catch a free port that two brokers would take, which no look at busy ports finds."""
    first = ports["MEDIA_ANALYTICS_PORTS__KAFKA"]
    found = _examined(tmp_path, ports | {"MEDIA_ANALYTICS_PORTS__KAFKA_2": first}, 3)["port of kafka_2"]
    assert (found.level, found.found) == ("failed", f"{first} is used by kafka, too")


def test_memory_that_more_brokers_lack_is_named_with_what_would_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would catch a doctor that counts one broker where three are started."""
    monkeypatch.setattr(doctor, "MORE_BROKERS_MB", 100_000_000)
    three = _examined(tmp_path, {}, 3)["memory"]
    assert three.level == "failed"
    assert "with 3 brokers uses up to 100004096 MB" in three.found
    assert "a home with one broker, which needs 100000000 MB less" in three.fix
    assert "4096 MB" in _examined(tmp_path, {}, 1)["memory"].found


def test_certificates_that_run_out_soon_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch a secured log that lets nobody in one day, without a word before."""
    homes.create(tmp_path)
    mode = KafkaMode(secure=True)
    kafka_mode.write(tmp_path, mode)

    def said() -> tuple[str, str]:
        found = {check.name: check for check in doctor.event_log(tmp_path, {}, mode)}
        assert found["event log"].found == "secured, 1 broker"
        return found["certificates"].level, found["certificates"].fix

    assert said() == ("ok", "")
    with monkeypatch.context() as soon:
        soon.setattr(kafka_security, "_VALID", timedelta(days=59))
        kafka_security.ensure(homes.open_home(tmp_path))
    assert said() == ("warning", "run `media-analytics down && media-analytics up`: it makes new ones")
    kafka_security.ensure(homes.open_home(tmp_path))
    assert said() == ("ok", "")
