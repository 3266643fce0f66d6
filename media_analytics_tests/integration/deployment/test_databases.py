"""docker/postgresql/databases.sh on a real server: Dagster's own database, a schema registry's, what is refused."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import httpx
import pytest

from media_analytics.local import artifacts, registry
from media_analytics.local.home import Home
from media_analytics_tests.builders.images import FOLDER
from media_analytics_tests.services import embedded, postgresql
from media_analytics_tests.services.embedded import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(postgresql.programs() is None, reason="no PostgreSQL on this machine"),
]
SCRIPT = FOLDER / "postgresql" / "databases.sh"
# As an installation has it: the owner of both may not do more than that.
OWNER, PASSWORD = "media_analytics", "password-of-the-owner"
# Like the registry's: ids from a sequence. Its own tables would do the same; they are made by its start.
SCHEMAS = (
    "CREATE TABLE schemas (id bigint PRIMARY KEY, text text NOT NULL)",
    "CREATE SEQUENCE ids OWNED BY schemas.id",
    "INSERT INTO schemas SELECT nextval('ids'), 'schema ' || n FROM generate_series(1, 40) AS n",
)


@dg.job
def _some_job() -> None:
    """A job without ops."""


@pytest.fixture
def server() -> Iterator[postgresql.Server]:
    with postgresql.running() as started:
        started.sql("postgres", f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'")
        for name in ("dagster", "registry"):
            started.sql("postgres", f"CREATE DATABASE {name} OWNER {OWNER}")
        started.sql("registry", f"SET ROLE {OWNER}", *SCHEMAS)
        yield started


def _instance(server: postgresql.Server, folder: Path) -> dg.DagsterInstance:
    """Dagster as docker/compose.yaml and the chart run it."""
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "storage: {postgres: {postgres_db: {scheme: postgresql+psycopg2, hostname: 127.0.0.1, db_name: dagster, "
        f"port: {server.port}, username: {OWNER}, password: {PASSWORD}}}}}}}\n"
    )
    return dg.DagsterInstance.from_config(str(folder))


def _call(server: postgresql.Server, what: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", SCRIPT, what, folder],
        env=server.environment() | {"WHERE": "here"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _run(server: postgresql.Server, folder: Path) -> str:
    """A run that succeeded, with its events."""
    with _instance(server, folder) as instance:
        return _some_job.execute_in_process(instance=instance).run_id


def _runs(server: postgresql.Server, folder: Path) -> dict[str, int]:
    """Events by run."""
    with _instance(server, folder) as instance:
        return {run.run_id: len(instance.all_logs(run.run_id)) for run in instance.get_runs()}


def _databases(server: postgresql.Server) -> list[str]:
    return server.sql(
        "postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1"
    ).split()


def test_what_was_there_at_the_backup_comes_back_and_what_was_there_before_stays_aside(
    server: postgresql.Server, tmp_path: Path
) -> None:
    """Would catch: a database that is not in it, ids given twice, tables their owner may not write any more."""
    home, backup = tmp_path / "home", tmp_path / "backup"
    first = _run(server, home)
    before = _runs(server, home)
    assert before[first] > 0
    done = _call(server, "backup", backup)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in backup.iterdir()} == {"dagster.dump", "registry.dump", "SHA256SUMS"}
    assert {file.stat().st_mode & 0o777 for file in backup.iterdir()} == {0o600}
    second = _run(server, home)
    server.sql("registry", "DELETE FROM schemas WHERE id > 3")

    done = _call(server, "restore", backup)
    assert done.returncode == 0, done.stderr
    assert _runs(server, home) == before
    assert server.sql("registry", "SELECT count(*), max(id) FROM schemas") == "40|40"
    assert server.sql("registry", f"SET ROLE {OWNER}", "SELECT nextval('ids')").splitlines()[-1] == "41"
    assert second in server.sql(_aside(server, "dagster"), "SELECT run_id FROM runs")
    assert server.sql(_aside(server, "registry"), "SELECT count(*) FROM schemas") == "3"
    # Dagster goes on in it.
    third = _run(server, home)
    assert _runs(server, home).keys() == {first, third}


def _aside(server: postgresql.Server, name: str) -> str:
    (found,) = [one for one in _databases(server) if one.startswith(f"{name}_")]
    return found


@pytest.mark.slow
def test_the_registry_has_its_ids_and_gives_the_next_one(server: postgresql.Server, tmp_path: Path) -> None:
    """The real one, as Compose and the chart run it. Each message in Kafka names its schema by such an id."""
    home, backup = embedded.make(tmp_path / "home").home, tmp_path / "backup"
    server.sql("registry", "DROP TABLE schemas")
    with _registry(server, home) as url:
        made = [_register(url, number) for number in range(3)]
        assert len(set(made)) == 3
        assert _call(server, "backup", backup).returncode == 0
        later = _register(url, 3)
    done = _call(server, "restore", backup)
    assert done.returncode == 0, done.stderr
    with _registry(server, home) as url:
        for number, id_ in enumerate(made):
            assert json.loads(httpx.get(f"{url}/schemas/ids/{id_}").json()["schema"]) == _schema(number)
        assert httpx.get(f"{url}/subjects").json() == ["topic0-value", "topic1-value", "topic2-value"]
        # Registered after the backup: whoever restores an older registry gets the id again, for whatever comes first.
        assert _register(url, 4) == later


@contextmanager
def _registry(server: postgresql.Server, home: Home) -> Iterator[str]:
    command = registry.command(home, artifacts.ensure(os.environ))
    own = {
        "APICURIO_STORAGE_SQL_KIND": "postgresql",
        "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://127.0.0.1:{server.port}/registry",
        "APICURIO_DATASOURCE_USERNAME": OWNER,
        "APICURIO_DATASOURCE_PASSWORD": PASSWORD,
    }
    environ = os.environ | dict(command.environment) | own
    url = f"http://127.0.0.1:{home.ports['registry']}{registry.API_PATH}"
    with home.log_file("registry").open("ab") as log:
        running = subprocess.Popen(command.arguments, cwd=home.path, env=environ, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(url), 120, lambda: home.log_file("registry").read_text()[-3000:])
        yield url
    finally:
        running.terminate()
        running.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/subjects", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _schema(number: int) -> dict[str, object]:
    return {"type": "record", "name": f"R{number}", "fields": [{"name": "a", "type": "string"}]}


def _register(url: str, number: int) -> int:
    body = {"schema": json.dumps(_schema(number))}
    answer = httpx.post(
        f"{url}/subjects/topic{number}-value/versions", json=body, timeout=30
    ).raise_for_status()
    return int(answer.json()["id"])


def test_nothing_changes_while_somebody_is_connected(server: postgresql.Server, tmp_path: Path) -> None:
    """Their writes would go on in the database that is moved aside, unseen; of two databases one would be new."""
    backup = tmp_path / "backup"
    assert _call(server, "backup", backup).returncode == 0
    server.sql("registry", "DELETE FROM schemas")
    command = ["psql", "-X", "-d", "dagster", "-c", "SELECT pg_sleep(60)"]
    with subprocess.Popen(command, env=server.environment() | {"PGAPPNAME": "a-daemon"}) as daemon:
        try:
            _until_connected(server)
            done = _call(server, "restore", backup)
        finally:
            daemon.terminate()
    assert done.returncode == 1
    assert "connected to dagster: postgres a-daemon" in done.stderr
    assert "nothing was changed" in done.stderr
    assert server.sql("registry", "SELECT count(*) FROM schemas") == "0"
    # Once more, without it: what the first call left is no obstacle.
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'dagster'")
    done = _call(server, "restore", backup)
    assert done.returncode == 0, done.stderr
    assert server.sql("registry", "SELECT count(*) FROM schemas") == "40"
    assert not [name for name in _databases(server) if name.endswith("_restoring")]


def _until_connected(server: postgresql.Server) -> None:
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a-daemon' AND datname = 'dagster'"
    )
    wait_until(lambda: server.sql("postgres", count) == "1", 30)


def test_what_is_refused(server: postgresql.Server, tmp_path: Path) -> None:
    """A folder that is there, a damaged or unfinished backup, a server without the databases, a word."""
    backup = tmp_path / "backup"
    assert _call(server, "backup", backup).returncode == 0
    assert "is there already" in _call(server, "backup", backup).stderr
    assert "is no backup" in _call(server, "restore", tmp_path).stderr
    assert "expected: databases.sh" in _call(server, "remove", backup).stderr
    server.sql("postgres", "ALTER DATABASE registry RENAME TO elsewhere")
    assert "no database registry" in _call(server, "restore", backup).stderr
    dump = backup / "registry.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "the backup is damaged" in _call(server, "restore", backup).stderr
    dump.unlink()
    assert "has no registry.dump" in _call(server, "restore", backup).stderr
    assert _databases(server) == ["dagster", "elsewhere", "postgres"]


def test_a_backup_that_fails_leaves_no_folder_of_its_name(server: postgresql.Server, tmp_path: Path) -> None:
    """Would catch a dump that ended in the middle and looks like a backup."""
    server.sql("postgres", "DROP DATABASE dagster")
    done = _call(server, "backup", tmp_path / "backup")
    assert done.returncode != 0
    assert 'database "dagster" does not exist' in done.stderr
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize(
    ("where", "program", "wanted"),
    [
        (
            "compose",
            "docker",
            "compose -f {folder}/../compose.yaml exec -T -e PGUSER=dagster postgresql pg_dump",
        ),
        (
            "kubernetes",
            "kubectl",
            "-n analytics exec -i svc/media-analytics-postgresql-rw -c postgres -- pg_dump",
        ),
    ],
)
def test_the_tools_beside_the_server_are_called(
    tmp_path: Path, where: str, program: str, wanted: str
) -> None:
    """Of Docker and kubectl only the words that they get: neither is here."""
    said = tmp_path / "said"
    stand_in = tmp_path / program
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {said}\nexit 3\n')
    stand_in.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "WHERE": where}
    command = ["/bin/sh", SCRIPT, "backup", tmp_path / "backup"]
    assert subprocess.run(command, env=environ, check=False, timeout=30).returncode == 3
    assert said.read_text().startswith(wanted.format(folder=SCRIPT.parent))
