"""What each service does now.

Belongs here: the list that `status --json` prints, field by field. Does not belong here: how readiness is found
(`readiness`) or shown (`commands.stack`).
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import psutil

from media_analytics.local import readiness, supervision
from media_analytics.local.environment import (
    embedded_addresses,
    external_services,
    is_debug,
)
from media_analytics.local.home import Home
from media_analytics.local.services import BROKERS, CORE, Service, of_home
from media_analytics.local.stack_variables import read_stack_environment
from media_analytics.local.supervision import Program

State = Literal["starting", "ready", "unhealthy", "stopped", "failed", "external"]


@dataclass(frozen=True)
class ServiceStatus:
    """One row of `status`. `rss_mb` is the resident memory of the process and its children, in MiB."""

    name: str
    state: State
    pid: int | None
    port: int | None
    url: str | None
    rss_mb: int | None
    uptime_s: int | None
    restarts: int

    # Why it is not ready; shown in the table only.
    detail: str = ""

    def as_json(self) -> dict[str, object]:
        """The documented fields, in order."""
        names = ("name", "state", "pid", "port", "url", "rss_mb", "uptime_s", "restarts")
        return {name: getattr(self, name) for name in names}


def collect(home: Home, services: Iterable[Service] | None = None) -> list[ServiceStatus]:
    """The status of each service of the core and of what else was started, or of those given.

    Checks run side by side, so this takes as long as the slowest (3 s at most).
    """
    programs = supervision.programs(home) or {}
    settings = read_stack_environment(home.environment_file)
    external = external_services(home.ports, settings, home.kafka.brokers)

    def one(service: Service) -> ServiceStatus:
        if service.name in external and service.name not in programs and service.external_variable:
            url = settings[service.external_variable]
            return ServiceStatus(service.name, "external", None, None, url, None, None, 0)
        return _embedded(home, service, programs.get(service.name))

    if services is None:
        own = (*CORE, *BROKERS)
        services = [s for s in of_home(home.kafka.brokers) if s.name in own or s.name in programs]
    wanted = list(services)
    with ThreadPoolExecutor(max_workers=len(wanted) or 1) as pool:
        return list(pool.map(one, wanted))


def never_started() -> list[ServiceStatus]:
    """The status where no stack was ever started."""
    return [ServiceStatus(name, "stopped", None, None, None, None, None, 0) for name in CORE]


def _embedded(home: Home, service: Service, program: Program | None) -> ServiceStatus:
    port = home.ports[service.port] if service.port else None
    alive = program is not None and program.pid > 0 and program.state in ("STARTING", "RUNNING")
    state, detail = _state(home, service, program)
    return ServiceStatus(
        name=service.name,
        state=state,
        pid=program.pid if program and alive else None,
        port=port,
        url=url_of(home, service),
        rss_mb=_rss_mb(program.pid) if program and alive else None,
        uptime_s=int(program.uptime_seconds) if program and alive else None,
        restarts=restarts(home, service.name),
        detail=detail,
    )


def _state(home: Home, service: Service, program: Program | None) -> tuple[State, str]:
    if program is None or program.state in ("STOPPED", "STOPPING"):
        return "stopped", ""
    if program.state in ("FATAL", "UNKNOWN"):
        return "failed", program.detail
    if program.state not in ("STARTING", "RUNNING"):
        return "unhealthy", f"ended and is started again; see `media-analytics logs {service.name}`"
    seen = home.run / f"{service.name}.ready"
    was_ready = seen.is_file() and seen.read_text("utf-8") == str(program.pid)
    found = readiness.check(home, service, program.pid, was_ready=was_ready)
    if found.is_ready:
        seen.write_text(str(program.pid), "utf-8")
        return "ready", ""
    is_late = program.uptime_seconds > service.ready_within_seconds
    return ("unhealthy" if was_ready or is_late else "starting"), found.detail


def url_of(home: Home, service: Service) -> str | None:
    """Where a service answers; None for those without a port."""
    if service.external_variable:
        return embedded_addresses(home.ports, home.kafka.brokers)[service.external_variable]
    return f"http://127.0.0.1:{home.ports[service.port]}" if service.port else None


def page_link(home: Home) -> str:
    """Dagster's page with the token that opens it."""
    return f"http://127.0.0.1:{home.ports['dagster_webserver']}/?token={home.secrets.dagster_token}"


def dashboard_link(home: Home) -> str:
    """The dashboard with the token that opens it."""
    return f"http://127.0.0.1:{home.ports['dashboard']}/?token={home.secrets.dagster_token}"


def spark_page_link(home: Home) -> str | None:
    """Spark's page; None unless the stack runs in debug mode with a Spark server of its own."""
    is_external = "spark" in external_services(
        home.ports, read_stack_environment(home.environment_file), home.kafka.brokers
    )
    return None if is_external or not is_debug(home) else f"http://127.0.0.1:{home.ports['spark_ui']}/"


def restarts(home: Home, name: str) -> int:
    """How often a service was started again since `up`."""
    file = home.run / f"{name}.starts"
    if not file.is_file():
        return 0
    return max(0, len(file.read_text("utf-8").splitlines()) - 1)


def _rss_mb(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total // (1024 * 1024)
