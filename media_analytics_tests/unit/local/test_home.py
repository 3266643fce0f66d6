"""The home folder: identity, ports, format, secrets."""

import json
import socket
from pathlib import Path

import pytest

from media_analytics.local import home as homes
from media_analytics.local.home import HomeError


def test_a_new_home_is_private_and_keeps_its_identity(tmp_path: Path) -> None:
    homes.create(tmp_path / "home")
    first = homes.open_home(tmp_path / "home")
    homes.create(tmp_path / "home")
    assert homes.open_home(tmp_path / "home") == first
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home" / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_two_homes_share_no_secret(tmp_path: Path) -> None:
    homes.create(tmp_path / "a")
    homes.create(tmp_path / "b")
    one, other = homes.open_home(tmp_path / "a"), homes.open_home(tmp_path / "b")
    assert one.home_id != other.home_id
    assert one.kafka_cluster_id != other.kafka_cluster_id
    assert not set(vars(one.secrets).values()) & set(vars(other.secrets).values())


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("mine")
    with pytest.raises(HomeError, match="is not empty"):
        homes.create(tmp_path)


@pytest.mark.parametrize("name", ["bench", "faults"])
def test_reports_that_were_written_before_the_first_start_do_not_matter(tmp_path: Path, name: str) -> None:
    """Would catch a fresh clone where `make bench` makes `make run` refuse its own folder."""
    (tmp_path / name).mkdir()
    homes.create(tmp_path)
    assert homes.exists(tmp_path)


@pytest.mark.parametrize(("found", "advice"), [(0, "mv "), (homes.FORMAT + 1, "git pull")])
def test_another_format_is_refused_with_the_command_to_run(tmp_path: Path, found: int, advice: str) -> None:
    homes.create(tmp_path / "home")
    file = tmp_path / "home" / "home.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": found}))
    with pytest.raises(HomeError, match=f"format {found}.*{advice}"):
        homes.open_home(tmp_path / "home")


def test_a_damaged_home_is_named(tmp_path: Path) -> None:
    homes.create(tmp_path / "home")
    (tmp_path / "home" / "secrets.json").write_text("{")
    with pytest.raises(HomeError, match="is damaged"):
        homes.open_home(tmp_path / "home")


def test_a_variable_wins_over_a_remembered_port(tmp_path: Path) -> None:
    homes.create(tmp_path / "home")
    homes.choose_ports(tmp_path / "home", {"MEDIA_ANALYTICS_PORTS__KAFKA": "19092"}, free=False)
    assert homes.planned_ports(tmp_path / "home", {})["kafka"] == 19092
    named = homes.planned_ports(tmp_path / "home", {"MEDIA_ANALYTICS_PORTS__KAFKA": "29092"})
    assert named["kafka"] == 29092


def test_free_ports_differ_from_each_other_and_from_the_defaults(tmp_path: Path) -> None:
    homes.create(tmp_path / "home")
    chosen = homes.choose_ports(tmp_path / "home", {}, free=True)
    assert len(set(chosen.values())) == len(homes.DEFAULT_PORTS)
    assert not set(chosen.values()) & set(homes.DEFAULT_PORTS.values())


def test_a_free_port_is_kept_and_a_busy_one_replaced(tmp_path: Path) -> None:
    homes.create(tmp_path / "home")
    first = homes.choose_ports(tmp_path / "home", {}, free=True)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", first["kafka"]))
        holder.listen()
        second = homes.choose_ports(tmp_path / "home", {}, free=True)
    assert second["kafka"] != first["kafka"]
    assert second["registry"] == first["registry"]


@pytest.mark.parametrize(
    ("name", "value"), [("MEDIA_ANALYTICS_PORTS__KAFFKA", "9"), ("MEDIA_ANALYTICS_PORTS__KAFKA", "high")]
)
def test_a_wrong_port_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(HomeError, match=name):
        homes.named_ports({name: value})
