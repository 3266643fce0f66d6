"""Dagster's instance in the home.

Belongs here: `dagster.yaml`, the workspace file, the commands of code server and daemon, whether they answer. The
code server listens on a socket file that only this user may open. Does not belong here: definitions.
"""

import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from media_analytics.local.commands import Command
from media_analytics.local.files import private_folder, write_atomically
from media_analytics.local.home import Home
from media_analytics.local.sockets import socket_path

LOCATION = "media_analytics"
MODULE = "media_analytics.definitions"
# Without these two nothing runs; the others may be off.
_NEEDED_DAEMONS = ("SENSOR", "QUEUED_RUN_COORDINATOR")

_INSTANCE = """# Written by `media-analytics up`; changes are lost.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: {max_concurrent_runs}
  # One run at a time writes a table.
  pools:
    default_limit: 1
    granularity: run
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  cancel_timeout_seconds: 60
  # A run whose process was killed is found and marked as failed.
  poll_interval_seconds: 60
run_retries:
  enabled: true
  max_retries: 1
  # A failed asset has its own retries; this one is for runs whose process was killed.
  retry_on_asset_or_op_failure: false
retention:
  schedule:
    purge_after_days: 30
  sensor:
    purge_after_days:
      skipped: 1
      failure: 30
      success: 30
"""

_WORKSPACE = """# Written by `media-analytics up`; changes are lost.
load_from:
  - grpc_server:
      socket: {socket}
      location_name: {location}
"""


def folder(home: Home) -> Path:
    """`DAGSTER_HOME` of the stack."""
    return home.path / "dagster"


def development_folder(home: Home) -> Path:
    """`DAGSTER_HOME` for `dagster dev`: one instance must never have two daemons."""
    return home.path / "dagster-dev"


def code_socket(home: Home) -> Path:
    """Where the code server listens."""
    return socket_path(home, "dagster-code")


def workspace_file(home: Home) -> Path:
    """Tells webserver and daemon where the code server is."""
    return folder(home) / "workspace.yaml"


def write(home: Home, max_concurrent_runs: int) -> None:
    """Write the configuration of both instances."""
    text = _INSTANCE.format(max_concurrent_runs=max_concurrent_runs)
    for instance in (folder(home), development_folder(home)):
        private_folder(instance)
        write_atomically(instance / "dagster.yaml", text)
    write_atomically(workspace_file(home), _WORKSPACE.format(socket=code_socket(home), location=LOCATION))


def command(home: Home, name: str, environment: Mapping[str, str]) -> Command:
    """The command of one of the three Dagster services."""
    extra = {
        "DAGSTER_HOME": str(folder(home)),
        "PATH": f"{Path(sys.executable).parent}:{environment.get('PATH', '')}",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    arguments: tuple[str, ...]
    if name == "dagster-code":
        # A file of a killed server would make the new one fail.
        code_socket(home).unlink(missing_ok=True)
        arguments = (
            *("-m", "media_analytics.local.dagster_code"),
            *("--socket", str(code_socket(home))),
            *("--module-name", MODULE),
            *("--location-name", LOCATION),
            "--use-python-environment-entry-point",
        )
    elif name == "dagster-daemon":
        arguments = ("-m", "dagster._daemon", "run", "-w", str(workspace_file(home)))
    else:
        arguments = ("-m", "media_analytics.local.dagster_page")
    return Command((sys.executable, *arguments), folder(home), extra)


def code_server_answers(home: Home, timeout_seconds: float) -> bool:
    """Whether the code server has loaded the definitions and answers a ping."""
    import grpc

    with grpc.insecure_channel(f"unix:{code_socket(home)}") as channel:
        ping: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/api.DagsterApi/Ping")
        try:
            # The message {echo: "x"} of Dagster's protocol.
            answer = ping(b"\x0a\x01x", timeout=timeout_seconds)
        except grpc.RpcError:
            return False
    return answer.startswith(b"\x0a\x01x")


def silent_daemons(home: Home, since: datetime) -> list[str]:
    """The needed daemons without a heartbeat after `since`."""
    file = folder(home) / "history" / "runs.db"
    if not file.is_file():
        return list(_NEEDED_DAEMONS)
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=2)) as connection:
            rows = connection.execute("select daemon_type, timestamp from daemon_heartbeats").fetchall()
    except sqlite3.Error:
        return list(_NEEDED_DAEMONS)
    heard = {
        name for name, at in rows if datetime.fromisoformat(at).replace(tzinfo=UTC) >= since.astimezone(UTC)
    }
    return [name for name in _NEEDED_DAEMONS if name not in heard]
