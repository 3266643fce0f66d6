"""supervisord: its configuration, its start and the conversation with it.

Belongs here: everything that knows the process supervisor. It listens on a socket file in the home that only this
user may open. Does not belong here: what is ready (`readiness`), in which order services start (`stack`).
"""

import http.client
import os
import shlex
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from media_analytics.errors import ServiceError
from media_analytics.local.artifacts import CACHE_VARIABLE, cache_folder
from media_analytics.local.environment import SUPERVISED_VARIABLE, base_environment
from media_analytics.local.files import write_atomically
from media_analytics.local.home import HOME_VARIABLE, Home
from media_analytics.local.services import SERVICES, STORES, Service
from media_analytics.local.sockets import socket_path

# A process that ends earlier than this did not start: supervisord waits one second longer before each new try.
_START_SECONDS = 10
_START_TRIES = 1000
# Clients are stopped first (200), then the stores (100).
_STOP_FIRST, _STOP_LAST = 200, 100
# Both phases together stay below 20 s; a process that takes longer is killed.
_STOP_CLIENT_SECONDS, _STOP_STORE_SECONDS = 8, 6


@dataclass(frozen=True)
class Program:
    """What supervisord says of one service."""

    name: str
    # STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN.
    state: str
    pid: int
    uptime_seconds: float
    detail: str


def configuration(home: Home, services: Iterable[Service]) -> str:
    """The text of `supervisord.conf`. Services that need contracts wait until they are started by name."""
    run = home.run
    parts = [
        "; Written by `media-analytics up`; changes are lost.",
        "[unix_http_server]",
        f"file={_text(socket_path(home, 'supervisor'))}",
        "chmod=0600",
        "",
        "[supervisord]",
        f"logfile={_text(home.log_file('supervisor'))}",
        "logfile_maxbytes=5MB",
        "logfile_backups=1",
        f"pidfile={_text(run / 'supervisord.pid')}",
        f"childlogdir={_text(home.logs)}",
        f"directory={_text(home.path)}",
        "umask=077",
        "strip_ansi=true",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for service in services:
        is_store = service.name in STORES
        command = (sys.executable, "-m", "media_analytics.local.launch", service.name)
        parts += [
            "",
            f"[program:{service.name}]",
            f"command={_text(shlex.join(command))}",
            f"autostart={'false' if service.needs_contracts else 'true'}",
            "autorestart=true",
            f"startsecs={_START_SECONDS}",
            f"startretries={_START_TRIES}",
            "stopsignal=TERM",
            f"stopwaitsecs={_STOP_STORE_SECONDS if is_store else _STOP_CLIENT_SECONDS}",
            "killasgroup=true",
            f"priority={_STOP_LAST if is_store else _STOP_FIRST}",
            f"stdout_logfile={_text(home.log_file(service.name))}",
            "stdout_logfile_maxbytes=20MB",
            "stdout_logfile_backups=1",
            "redirect_stderr=true",
        ]
    return "\n".join(parts) + "\n"


def start(home: Home, services: Iterable[Service], environ: Mapping[str, str]) -> None:
    """Write the configuration and start supervisord as a daemon with a trimmed environment.

    Raises:
        ServiceError: it did not start.
    """
    file = home.path / "supervisord.conf"
    write_atomically(file, configuration(home, services))
    answer = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(file)],
        env=base_environment(environ)
        | {
            HOME_VARIABLE: str(home.path),
            CACHE_VARIABLE: str(cache_folder(environ)),
            SUPERVISED_VARIABLE: home.home_id,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    deadline = time.monotonic() + 20
    while answer.returncode == 0 and time.monotonic() < deadline:
        if programs(home) is not None:
            return
        time.sleep(0.1)
    raise ServiceError(
        f"the process supervisor did not start: {(answer.stderr or answer.stdout).strip()[-500:] or 'no answer'}; "
        f"see {home.log_file('supervisor')}"
    )


def add(home: Home, services: Iterable[Service]) -> None:
    """Make services known to a supervisor that was started without them; the others are left alone."""
    known = programs(home) or {}
    asked = {s.name for s in services}
    wanted = [s for s in SERVICES if s.name in known or s.name in asked]
    if all(s.name in known for s in wanted):
        return
    write_atomically(home.path / "supervisord.conf", configuration(home, wanted))
    _call(home, "supervisor.reloadConfig")
    for service in wanted:
        if service.name not in known:
            _call(home, "supervisor.addProcessGroup", service.name)


def programs(home: Home) -> dict[str, Program] | None:
    """Every program by name; None when no supervisor of this home answers."""
    answer = _call(home, "supervisor.getAllProcessInfo")
    if answer is None:
        return None
    found = {}
    for info in cast("list[dict[str, Any]]", answer):
        running = info["statename"] in ("STARTING", "RUNNING", "STOPPING")
        found[info["name"]] = Program(
            name=info["name"],
            state=info["statename"],
            pid=int(info["pid"]),
            uptime_seconds=float(max(0, info["now"] - info["start"])) if running else 0.0,
            detail=info["spawnerr"] or "",
        )
    return found


def start_program(home: Home, name: str) -> None:
    """Ask for a stopped program to be started; one that runs is left alone."""
    _call(home, "supervisor.startProcess", name, False)


def supervisor_pid(home: Home) -> int | None:
    """The process id of this home's supervisor; None when it does not run."""
    try:
        pid = int((home.run / "supervisord.pid").read_text("utf-8"))
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if str(home.path / "supervisord.conf") in command else None


def shut_down(home: Home, timeout_seconds: float) -> None:
    """End the programs, clients before stores, and the supervisor; what does not end in time is killed."""
    pid = supervisor_pid(home)
    if pid is None:
        return
    deadline = time.monotonic() + timeout_seconds
    # By itself the supervisor would stop one program after the other.
    for is_last in (False, True):
        _stop_together(home, [name for name in programs(home) or {} if (name in STORES) == is_last], deadline)
    asked = _call(home, "supervisor.shutdown") is not None
    if not asked:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    try:
        psutil.Process(pid).wait(max(1.0, deadline - time.monotonic()))
    except psutil.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def _stop_together(home: Home, names: list[str], deadline: float) -> None:
    """Ask several programs to end and wait; the supervisor kills those that take too long."""
    for name in names:
        _call(home, "supervisor.stopProcess", name, False)
    while time.monotonic() < deadline:
        states = {name: program.state for name, program in (programs(home) or {}).items()}
        if all(states.get(name, "STOPPED") in ("STOPPED", "EXITED", "FATAL", "UNKNOWN") for name in names):
            return
        time.sleep(0.1)


def _call(home: Home, method: str, *arguments: object) -> object | None:
    """Call the supervisor; None when it does not answer or refuses."""
    path = socket_path(home, "supervisor")
    if not Path(path).exists():
        return None
    transport = SupervisorTransport(None, None, f"unix://{path}")
    proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    try:
        return cast("object", getattr(proxy, method)(*arguments))
    except (OSError, http.client.HTTPException, xmlrpc.client.Fault):
        return None
    finally:
        transport.close()


def _text(value: object) -> str:
    """A value as the configuration file wants it: supervisord expands `%`."""
    return str(value).replace("%", "%%")
