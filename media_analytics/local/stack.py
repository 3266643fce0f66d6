"""Starting and stopping the whole stack.

Belongs here: the order of things. `up`: examine, fetch, choose ports, write settings, start the supervisor, wait for
the stores, apply the contracts, start the rest, wait. `down`: ask the supervisor, then end what is left. Does not
belong here: how any of it is shown (`commands.stack`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from media_analytics.errors import ServiceError
from media_analytics.local import (
    artifacts,
    dagster_home,
    doctor,
    environment,
    java_training,
    kafka_mode,
    kafka_security,
    kafka_users,
    leftovers,
    stack_variables,
    status,
    supervision,
)
from media_analytics.local import home as homes
from media_analytics.local.home import Home
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.services import STORES, Service, of_profiles, service
from media_analytics.local.status import ServiceStatus
from media_analytics.settings import Settings, load_settings

# A service that ended this often during `up` will not come.
_MAX_RESTARTS = 3
# Stopping takes two phases, of 8 and 6 s at most; with the sweep below 20 s.
_STOP_SECONDS = 15.5
_POLL_SECONDS = 0.4
# What the run folder holds of processes that are gone. Services keep other things there.
_OF_ONE_RUN = ("*.ready", "*.starts", "*.health.json", "*.sock", "supervisord.pid")


class Watcher(Protocol):
    """Who shows the progress."""

    def stage(self, text: str) -> None:
        """Something begins."""

    def download(self, what: str, done_bytes: int, total_bytes: int) -> None:
        """So much of a download is there. Called from several threads."""

    def services(self, statuses: Sequence[ServiceStatus]) -> None:
        """The services are in these states now."""


@dataclass(frozen=True)
class Request:
    """What `up` was asked for. `only` names single services, without the contracts' application (for tests)."""

    home: Path
    environ: Mapping[str, str]
    profiles: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    free_ports: bool = False
    # The event log; None: as the home remembers it.
    secure: bool | None = None
    brokers: int | None = None

    def kafka(self) -> KafkaMode:
        """The event log asked for.

        Raises:
            ServiceError: this home cannot have it.
        """
        return kafka_mode.planned(self.home, self.secure, self.brokers)

    def services(self) -> tuple[Service, ...]:
        """The services asked for, external ones included."""
        if self.only:
            return tuple(service(name) for name in self.only)
        return of_profiles(self.profiles, self.kafka().brokers)


def up(request: Request, watcher: Watcher) -> Home:
    """Bring every service to ready; does nothing for those that are.

    Raises:
        ServiceError: a prerequisite is missing or a service does not become ready. What runs keeps running.
        KeyboardInterrupt: interrupted; a stack started by this call is stopped.
    """
    services = request.services()
    _examine(request, services)
    fetched = artifacts.ensure(request.environ, report=watcher.download)
    java_training.ensure(fetched, request.environ, watcher.stage)
    homes.create(request.home)
    with homes.alone(request.home):
        home = homes.open_home(request.home)
        runs = supervision.programs(home) is not None
        if runs:
            kafka_mode.check_running(home.path, request.kafka())
        else:
            home = _prepare(request, home, fetched)
        external = environment.external_services(
            home.ports, stack_variables.read_stack_environment(home.environment_file), home.kafka.brokers
        )
        if home.kafka.secure and "kafka" in external:
            raise ServiceError(
                "the event log of this home is secured, but the settings place Kafka elsewhere: there its own "
                "settings say how to log in; run `media-analytics up --no-secure`"
            )
        own = [s for s in services if s.name not in external]
        try:
            if runs:
                supervision.add(home, own)
            else:
                watcher.stage(f"starting {len(own)} services")
                supervision.start(home, own, request.environ)
            _bring_up(home, own, watcher, with_contracts=not request.only)
        except KeyboardInterrupt:
            if not runs:
                watcher.stage("interrupted: stopping what was started")
                down(home.path, watcher)
            raise
    return home


def down(home_path: Path, watcher: Watcher) -> int:
    """Stop everything. Returns how many processes had to be ended beside the supervisor's own."""
    home = homes.open_home(home_path)
    if supervision.supervisor_pid(home) is not None:
        watcher.stage("stopping")
        supervision.shut_down(home, _STOP_SECONDS)
    return leftovers.end(home)


def settings_of(home: Home) -> Settings:
    """The settings of a stack that was started."""
    return load_settings(stack_variables.read_stack_environment(home.environment_file))


def _examine(request: Request, services: Sequence[Service]) -> None:
    found = doctor.examine(
        request.home,
        request.environ,
        services,
        request.profiles,
        free_ports=request.free_ports,
        brokers=request.kafka().brokers,
    )
    failed = [check for check in found if check.level == "failed"]
    if failed:
        lines = [f"  {check.name}: {check.found}. Fix: {check.fix}" for check in failed]
        raise ServiceError("the stack cannot start here:\n" + "\n".join(lines))


def _prepare(request: Request, home: Home, fetched: artifacts.Artifacts) -> Home:
    """End what an earlier supervisor left, choose the ports, write the settings."""
    leftovers.end(home)
    for pattern in _OF_ONE_RUN:
        for old in home.run.glob(pattern):
            old.unlink()
    homes.choose_ports(request.home, request.environ, free=request.free_ports)
    kafka_mode.write(request.home, request.kafka())
    home = homes.open_home(request.home)
    kafka_security.ensure(home)
    variables = environment.stack_environment(home, fetched, request.environ)
    stack_variables.write_stack_environment(home.environment_file, variables)
    dagster_home.write(home, settings_of(home).automation.max_concurrent_runs)
    return home


def _bring_up(home: Home, own: Sequence[Service], watcher: Watcher, *, with_contracts: bool) -> None:
    """Wait for the stores, apply the contracts, start and await the rest."""
    stores = [s for s in own if s.name in STORES]
    _wait(home, stores, own, watcher)
    if any(s.name == "kafka" for s in own):
        watcher.stage("users of the event log")
        kafka_users.apply(home)
    if with_contracts:
        from media_analytics.migrations.apply import apply

        watcher.stage("applying the contracts: topics, schemas, tables")
        apply(settings_of(home), watcher.stage)
    for late in own:
        supervision.start_program(home, late.name)
    _wait(home, own, own, watcher)


def _wait(home: Home, wanted: Sequence[Service], shown: Sequence[Service], watcher: Watcher) -> None:
    """Wait until `wanted` are ready.

    Raises:
        ServiceError: one failed, ended again and again, or took too long.
    """
    names = {s.name for s in wanted}
    limit = max((s.ready_within_seconds for s in wanted), default=0.0)
    deadline = time.monotonic() + limit
    restarts = {s.name: status.restarts(home, s.name) for s in wanted}
    found = {one.name: one for one in status.collect(home, shown)}
    while True:
        watcher.services(list(found.values()))
        waiting = [one for one in found.values() if one.name in names and one.state != "ready"]
        if not waiting:
            return
        for one in waiting:
            if one.state == "failed" or one.restarts - restarts[one.name] >= _MAX_RESTARTS:
                raise _not_ready(home, one, "does not start")
        if time.monotonic() > deadline:
            raise _not_ready(home, waiting[0], f"is not ready after {limit:.0f} s")
        time.sleep(_POLL_SECONDS)
        # Asking those that are ready again would only take time from those that are not.
        late = [s for s in shown if found[s.name].state != "ready"]
        found |= {one.name: one for one in status.collect(home, late)}


def _not_ready(home: Home, one: ServiceStatus, what: str) -> ServiceError:
    log = home.log_file(one.name)
    tail = log.read_text("utf-8", "replace").splitlines()[-15:] if log.is_file() else []
    reason = f" ({one.detail})" if one.detail else ""
    shown = "\n".join(f"  {line}" for line in tail)
    return ServiceError(
        f"{one.name} {what}{reason}. The end of {log}:\n{shown}\n"
        "The other services keep running: `media-analytics status` shows them, `media-analytics down` stops them."
    )
