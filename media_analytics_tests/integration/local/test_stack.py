"""The life of a stack: start, restart of what dies, stop, and nothing left behind.

Two services stand for all: Kafka (formats its storage, has a second port) and the registry (keeps files open).
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from media_analytics.local import supervision
from media_analytics.local.home import open_home
from media_analytics_tests.integration.local.command import Stack
from media_analytics_tests.services.embedded import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and registry, started with every proxy variable naming a closed port."""
    made = Stack(tmp_path_factory.mktemp("stack") / "home")
    try:
        made.up("kafka", "registry")
        yield made
    finally:
        made.run("down")


def test_a_warm_start_needs_no_network(stack: Stack) -> None:
    states = {name: row["state"] for name, row in stack.status().items()}
    assert (states["kafka"], states["registry"], states["spark"]) == ("ready", "ready", "stopped")


def test_status_has_exactly_the_documented_fields(stack: Stack) -> None:
    rows = stack.status()
    assert list(rows) == [
        "kafka",
        "registry",
        "spark",
        "stream",
        "clickhouse",
        "collector",
        "enricher",
        "sink",
        "dagster-webserver",
        "dagster-daemon",
        "dagster-code",
    ]
    kafka = rows["kafka"]
    assert list(kafka) == ["name", "state", "pid", "port", "url", "rss_mb", "uptime_s", "restarts"]
    assert psutil.Process(kafka["pid"]).name() == "java"
    assert kafka["rss_mb"] > 50


def test_secrets_are_readable_by_the_user_only(stack: Stack) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in stack.home.iterdir() if path.is_file()}
    assert {name: modes[name] for name in ("secrets.json", "stack.env", "supervisord.conf")} == {
        "secrets.json": 0o600,
        "stack.env": 0o600,
        "supervisord.conf": 0o600,
    }
    assert stack.home.stat().st_mode & 0o777 == 0o700


def test_a_second_up_leaves_running_services_alone(stack: Stack) -> None:
    before = stack.status()["kafka"]["pid"]
    stack.up("kafka", "registry")
    assert stack.status()["kafka"]["pid"] == before


def test_a_later_up_adds_what_was_not_asked_for_before(stack: Stack) -> None:
    before = stack.status()["kafka"]["pid"]
    stack.up("clickhouse")
    rows = stack.status()
    assert rows["clickhouse"]["state"] == "ready"
    assert rows["kafka"]["pid"] == before


def test_a_killed_service_is_started_again_and_counted(stack: Stack) -> None:
    before = stack.status()["registry"]
    os.kill(before["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = stack.status()["registry"]
        return now["state"] == "ready" and now["pid"] != before["pid"]

    wait_until(is_back, 60, lambda: str(stack.status()["registry"]))
    assert stack.status()["registry"]["restarts"] == before["restarts"] + 1


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "other")
    other.up("kafka")
    try:
        mine, theirs = stack.status()["kafka"], other.status()["kafka"]
        assert (mine["state"], theirs["state"]) == ("ready", "ready")
        assert mine["port"] != theirs["port"]
    finally:
        other.run("down")
    assert other.processes() == []
    assert stack.status()["kafka"]["state"] == "ready"


def test_a_busy_port_is_named_with_its_fix(tmp_path: Path) -> None:
    other = Stack(tmp_path / "busy")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        answer = other.run("up", "--only", "registry", MEDIA_ANALYTICS_PORTS__REGISTRY=port)
    assert answer.returncode == 1
    assert f"{port} is used by" in answer.stderr
    assert "MEDIA_ANALYTICS_PORTS__REGISTRY" in answer.stderr


def test_children_end_when_the_supervisor_is_killed_and_up_heals_the_home(stack: Stack) -> None:
    home = open_home(stack.home)
    supervisor = supervision.supervisor_pid(home)
    assert supervisor is not None
    assert len(stack.processes()) >= 3
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: stack.processes() == [], 5, lambda: f"still alive: {stack.processes()}")
    assert stack.status()["kafka"]["state"] == "stopped"
    stack.up("kafka", "registry")
    assert stack.status()["kafka"]["state"] == "ready"


def test_an_interrupt_during_up_stops_everything(tmp_path: Path) -> None:
    other = Stack(tmp_path / "interrupted")
    command = other.begin("up", "--ports", "free", "--only", "kafka", "--only", "registry")
    wait_until(lambda: (other.home / "run" / "kafka.starts").is_file(), 60)
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=30)
    assert command.returncode == 130, output
    assert other.processes() == []


def test_down_ends_every_process_within_20_seconds(stack: Stack) -> None:
    started = time.monotonic()
    answer = stack.run("down")
    took = time.monotonic() - started
    assert answer.returncode == 0, answer.stderr
    assert stack.processes() == []
    assert took < 20
    assert {row["state"] for row in stack.status().values()} == {"stopped"}


def test_an_external_service_is_not_started(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "external")
    elsewhere = "kafka.example.org:9092"
    other.up("kafka", "registry", MEDIA_ANALYTICS_KAFKA__BOOTSTRAP_SERVERS=elsewhere)
    try:
        rows = other.status()
        assert (rows["kafka"]["state"], rows["kafka"]["url"]) == ("external", elsewhere)
        assert rows["registry"]["state"] == "ready"
    finally:
        other.run("down")


def test_a_stack_that_was_never_started_is_stopped(tmp_path: Path) -> None:
    assert {row["state"] for row in Stack(tmp_path / "new").status().values()} == {"stopped"}
