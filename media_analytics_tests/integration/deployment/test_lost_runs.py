"""docker/compose.yaml's code location dies with a run in it, and is started again: real daemon, server and PostgreSQL.

Would catch: a run that stays started for ever, with its tables, because nobody asks a database on a server; one that
is marked and not repeated.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from media_analytics.local.home import free_port
from media_analytics_tests.builders import settings
from media_analytics_tests.builders.images import FOLDER
from media_analytics_tests.services import postgresql
from media_analytics_tests.services.embedded import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(postgresql.programs() is None, reason="no PostgreSQL on this machine"),
    pytest.mark.timeout(600),
]
CODE = """
import time
from pathlib import Path
import dagster as dg

FIRST = Path(__file__).with_name("first")

@dg.op
def wait_once() -> None:
    if not FIRST.exists():
        FIRST.touch()
        time.sleep(600)

@dg.job
def work() -> None:
    wait_once()

@dg.sensor(jobs=[work], minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def begin():
    yield dg.RunRequest(run_key="once")

defs = dg.Definitions(jobs=[work], sensors=[begin])
"""


@contextmanager
def _process(arguments: list[str], environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its children, as a container has them: they end together."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments], env=environ, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield started
        finally:
            _end(started)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Server]:
    with postgresql.running() as started:
        started.sql("postgres", "CREATE DATABASE dagster")
        yield started


def test_a_run_that_died_with_its_container_is_marked_and_repeated(
    server: postgresql.Server, tmp_path: Path
) -> None:
    home, code, port = tmp_path / "home", tmp_path / "runs_location.py", free_port({server.port})
    home.mkdir()
    code.write_text(CODE)
    (home / "dagster.yaml").write_text(yaml.safe_dump(_instance(server, home)))
    workspace = yaml.safe_load((FOLDER / "dagster" / "workspace.yaml").read_text("utf-8"))
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": port}
    (tmp_path / "workspace.yaml").write_text(yaml.safe_dump(workspace))
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | settings.variables(tmp_path)
    environ |= {"DAGSTER_HOME": str(home), "DAGSTER_PG_USERNAME": server.user}
    environ |= {"DAGSTER_PG_PASSWORD": server.password}
    own = ["-m", "media_analytics.local.dagster_code", "--host", "127.0.0.1", "--port", str(port)]
    own += ["--python-file", str(code), "--location-name", "media_analytics"]
    daemon = ["-m", "dagster._daemon", "run", "-w", str(tmp_path / "workspace.yaml")]
    log = tmp_path / "code.log"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_PG_USERNAME", "DAGSTER_PG_PASSWORD"):
            patch.setenv(name, environ[name])
        with (
            dg.DagsterInstance.from_config(str(home)) as instance,
            _process(daemon, environ, tmp_path / "daemon.log"),
        ):
            with _process(own, environ, log) as first:
                wait_until(lambda: code.with_name("first").exists(), 180, lambda: log.read_text())
                wait_until(lambda: _states(instance) == ["STARTED"], 60, lambda: str(_states(instance)))
                _end(first)
            with _process(own, environ, log):
                wait_until(lambda: _states(instance) == ["FAILURE", "SUCCESS"], 180, lambda: log.read_text())
            tags = [run.tags.get(RETRY_NUMBER_TAG, "0") for run in instance.get_runs(RunsFilter())]
    assert sorted(tags) == ["0", "1"]
    assert log.read_text().count("had no process any more") == 1


def _instance(server: postgresql.Server, home: Path) -> dict[str, Any]:
    """Compose's own, with storage and logs of this machine."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / "dagster" / "dagster.yaml").read_text("utf-8"))
    found["storage"]["postgres"]["postgres_db"] |= {"hostname": "127.0.0.1", "port": server.port}
    found["compute_logs"]["config"]["base_dir"] = str(home / "compute-logs")
    return found


def _states(instance: dg.DagsterInstance) -> list[str]:
    """Oldest first."""
    return [run.status.value for run in reversed(instance.get_runs(RunsFilter()))]
