"""A real PostgreSQL of the machine's own package, on a free port.

Tests that need one are skipped where there is none (Debian and Ubuntu: `apt-get install postgresql`).
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from media_analytics.local.home import free_port

# It refuses to run as root; then it runs as this user, who must reach its folder.
_NOBODY = "nobody"
_INSTALLED = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Server:
    """A running server. Its first user may do everything, with a password."""

    programs: Path
    port: int
    password: str
    user: str = "postgres"

    def environment(self) -> dict[str, str]:
        """What its client programs read: where it is, and who asks."""
        return {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
        }

    def sql(self, database: str, *statements: str) -> str:
        """Run statements one after the other; what the last ones print, without decoration."""
        commands = [word for one in statements for word in ("-c", one)]
        return self._run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, *commands)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def programs() -> Path | None:
    """The folder of the newest server's programs, or None."""
    found = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda file: int(file.parents[1].name))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running() -> Iterator[Server]:
    """A new server with an empty cluster until the block ends.

    Its folder is not one of pytest's, which are closed to the user that the server runs as.

    Raises:
        AssertionError: it did not start.
    """
    with tempfile.TemporaryDirectory(prefix="ma-postgresql-") as name, _running(Path(name)) as server:
        yield server


@contextmanager
def _running(folder: Path) -> Iterator[Server]:
    found = programs()
    assert found is not None
    server = Server(found, free_port(set()), "password-of-a-test")
    data, secret = folder / "data", folder / "password"
    secret.write_text(server.password)
    as_nobody = ["setpriv", "--reuid", _NOBODY, "--regid", "nogroup", "--clear-groups"]
    prefix = as_nobody if os.geteuid() == 0 else []
    if prefix:
        for path in (folder, secret):
            shutil.chown(path, _NOBODY)

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*prefix, str(found / program), "-D", str(data), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr

    authentication = ("--auth-host=scram-sha-256", "--auth-local=scram-sha-256", f"--pwfile={secret}")
    call("initdb", "-U", server.user, *authentication, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c port={server.port} -c unix_socket_directories= -c fsync=off"
    call("pg_ctl", "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield server
    finally:
        call("pg_ctl", "-w", "-m", "immediate", "stop")
