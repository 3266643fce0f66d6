"""`media-analytics up|down|status|logs|doctor|env`.

Belongs here: arguments, tables, progress, exit codes of the stack's commands. Does not belong here: what they do
(`media_analytics.local`).
"""

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from rich.table import Table

    from media_analytics.local.home import Home
    from media_analytics.local.status import ServiceStatus

app = typer.Typer()

_COLOURS = {
    "ready": "green",
    "external": "blue",
    "starting": "yellow",
    "unhealthy": "red",
    "failed": "red",
    "stopped": "dim",
    "ok": "green",
    "warning": "yellow",
}


@app.command()
def up(
    profiles: Annotated[list[str] | None, typer.Argument(help="Further profiles beside `core`.")] = None,
    ports: Annotated[
        str, typer.Option(help="`fixed`: the known ports; `free`: any free ones, remembered.")
    ] = "fixed",
    secure: Annotated[
        bool | None,
        typer.Option(help="Kafka with TLS, passwords and rights for each service; remembered in the home."),
    ] = None,
    brokers: Annotated[
        int | None,
        typer.Option(help="Kafka brokers of a new home: 1, or 3 with three copies of each record."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(hidden=True, help="Start single services, without contracts.")
    ] = None,
) -> None:
    """Start the stack and wait until every service is ready."""
    from media_analytics.commands.stack_progress import Progress
    from media_analytics.local import stack
    from media_analytics.local.home import home_path

    if ports not in ("fixed", "free"):
        raise MediaAnalyticsError(f"--ports is {ports!r}; expected `fixed` or `free`")
    signal.signal(signal.SIGTERM, _interrupt)
    # A shell starts background jobs with SIGINT ignored; Ctrl-C must work all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request = stack.Request(
        home=home_path(os.environ),
        environ=os.environ,
        profiles=tuple(profiles or ()),
        only=tuple(only or ()),
        free_ports=ports == "free",
        secure=secure,
        brokers=brokers,
    )
    started = time.monotonic()
    try:
        with Progress() as progress:
            home = stack.up(request, progress)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(130)
    _print_status(home)
    typer.echo(f"all ready after {time.monotonic() - started:.0f} s")


@app.command()
def down() -> None:
    """Stop the stack. Data stays in the home folder."""
    from media_analytics.commands.stack_progress import Progress
    from media_analytics.local import stack
    from media_analytics.local.home import exists, home_path

    path = home_path(os.environ)
    if not exists(path):
        typer.echo("nothing runs: no stack was ever started here")
        return
    started = time.monotonic()
    with Progress() as progress:
        stack.down(path, progress)
    typer.echo(f"stopped after {time.monotonic() - started:.0f} s")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects, one a service.")] = False,
) -> None:
    """Show each service: state, process, address, memory, uptime, restarts."""
    from media_analytics.local.home import exists, home_path, open_home
    from media_analytics.local.status import collect, never_started

    path = home_path(os.environ)
    if not as_json:
        _print_status(open_home(path))
        return
    statuses = collect(open_home(path)) if exists(path) else never_started()
    typer.echo(json.dumps([one.as_json() for one in statuses], indent=2))


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(help="One service; all when left out.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Print the last lines of the log of a service, or of all."""
    from media_analytics.local.home import home_path, open_home
    from media_analytics.local.services import NAMES
    from media_analytics.local.services import service as service_named

    home = open_home(home_path(os.environ))
    names = [service_named(service).name] if service else list(NAMES)
    files = {name: home.log_file(name) for name in names}
    positions = {name: _print_tail(name, file, lines, len(names) > 1) for name, file in files.items()}
    try:
        while follow:
            for name, file in files.items():
                positions[name] = _print_new(name, file, positions[name], len(names) > 1)
            time.sleep(0.3)
    except KeyboardInterrupt:
        return


@app.command()
def doctor(
    profiles: Annotated[list[str] | None, typer.Argument(help="Further profiles beside `core`.")] = None,
    secure: Annotated[bool | None, typer.Option(help="As `up` would be called.")] = None,
    brokers: Annotated[int | None, typer.Option(help="As `up` would be called: 1 or 3.")] = None,
) -> None:
    """Name everything that would keep the stack from starting, with its fix. Exit code 1 when something would."""
    from rich.console import Console
    from rich.table import Table

    from media_analytics.local import kafka_mode
    from media_analytics.local.doctor import event_log, examine
    from media_analytics.local.home import home_path
    from media_analytics.local.services import of_profiles

    wanted, path = tuple(profiles or ()), home_path(os.environ)
    mode = kafka_mode.planned(path, secure, brokers)
    checks = examine(path, os.environ, of_profiles(wanted, mode.brokers), wanted, brokers=mode.brokers)
    checks += event_log(path, os.environ, mode)
    table = Table("", "check", "found", "fix")
    for check in checks:
        colour = _COLOURS.get(check.level, "red")
        table.add_row(f"[{colour}]{check.level}[/]", check.name, check.found, check.fix)
    Console().print(table)
    if any(check.level == "failed" for check in checks):
        sys.exit(1)


@app.command()
def env() -> None:
    """Print the exports that other tools need, `dagster dev` among them: `eval "$(media-analytics env)"`."""
    from media_analytics.local import dagster_home
    from media_analytics.local.home import home_path, open_home
    from media_analytics.local.loopback import without_proxy
    from media_analytics.local.stack_variables import read_stack_environment

    home = open_home(home_path(os.environ))
    variables = read_stack_environment(home.environment_file)
    if not variables:
        raise MediaAnalyticsError(f"the stack in {home.path} was never started; run `media-analytics up`")
    variables["DAGSTER_HOME"] = str(dagster_home.development_folder(home))
    variables |= without_proxy(os.environ)
    for name, value in sorted(variables.items()):
        typer.echo(f"export {name}={shlex.quote(value)}")


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _print_status(home: "Home") -> None:
    from rich.console import Console

    from media_analytics.local.status import collect, dashboard_link, page_link, spark_page_link

    statuses = collect(home)
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(status_table(statuses))
    if any(one.name == "dagster-webserver" and one.state == "ready" for one in statuses):
        typer.echo(f"Dagster: {page_link(home)}")
    if any(one.name == "dashboard" and one.state == "ready" for one in statuses):
        typer.echo(f"Dashboard: {dashboard_link(home)}")
    page = spark_page_link(home)
    if page is not None and any(one.name == "spark" and one.state == "ready" for one in statuses):
        typer.echo(f"Spark: {page} (debug mode; plans of each run are kept in {home.path / 'debug'})")


def status_table(statuses: "Sequence[ServiceStatus]") -> "Table":
    """The plain form of `status`."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("service", "state", "address", "pid", "memory", "uptime", "restarts", ""):
        table.add_column(heading, no_wrap=heading != "")
    for one in statuses:
        table.add_row(
            one.name,
            f"[{_COLOURS[one.state]}]{one.state}[/]",
            one.url or "",
            str(one.pid or ""),
            f"{one.rss_mb} MB" if one.rss_mb is not None else "",
            _duration(one.uptime_s),
            str(one.restarts),
            one.detail,
        )
    return table


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}"


def _print_tail(name: str, file: Path, lines: int, named: bool) -> int:
    if not file.is_file():
        return 0
    text = file.read_text("utf-8", "replace")
    for line in text.splitlines()[-lines:] if lines else []:
        typer.echo(f"{name} | {line}" if named else line)
    return file.stat().st_size


def _print_new(name: str, file: Path, position: int, named: bool) -> int:
    """Print what was added after `position`; a file that became shorter was rotated and is read anew."""
    if not file.is_file():
        return 0
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(position if size >= position else 0)
        added = opened.read()
    whole = added[: added.rfind(b"\n") + 1]
    for line in whole.decode("utf-8", "replace").splitlines():
        typer.echo(f"{name} | {line}" if named else line)
    return (position if size >= position else 0) + len(whole)
