"""`media-analytics faults`: the real stack under load while its services are killed and stalled, then the proof.

Belongs here: arguments, the stack of its own, progress, files, exit code. Does not belong here: faults, load and proof
(`media_analytics.local.faults`).
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.errors import MediaAnalyticsError, ServiceError

if TYPE_CHECKING:
    from media_analytics.local.faults.campaign import Progress
    from media_analytics.local.faults.report import Minutes, Report
    from media_analytics.local.home import Home
    from media_analytics.settings import Settings

app = typer.Typer()
Say = Callable[[str], None]
_RUN_SECONDS = 1800.0
_TRIES = 3


@app.command("faults")
def command(
    events: Annotated[int, typer.Option(min=1000, help="Events that are sent.")] = 20_000,
    kills: Annotated[
        int, typer.Option(min=1, help="Times kill -9; half as many stalls and one full disk come with them.")
    ] = 6,
    seed: Annotated[int, typer.Option(help="Same seed: same events, same faults at the same counts.")] = 1,
    rate: Annotated[float, typer.Option(min=1, help="Events a second while the stack takes them.")] = 500.0,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Events of one request.")] = 50,
    longest_stall: Annotated[
        float,
        typer.Option(min=2, max=120, help="Longest stall in seconds; a session of Kafka ends after 10."),
    ] = 15.0,
    minutes: Annotated[
        bool, typer.Option(help="Wait until the last minute is closed and run the platform's own check, too.")
    ] = True,
    to: Annotated[
        Path | None, typer.Option(help="Folder of the report; default: `faults` in the home.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the stack's home also when all is well.")
    ] = False,
) -> None:
    """Kill and stall every service under load, in a stack of its own; exit code 1 when anything is lost or doubled."""
    from media_analytics.local.home import home_path

    folder = (to or home_path(os.environ) / "faults").absolute()
    path = folder / "home"
    called = f"media-analytics faults --events {events} --kills {kills} --seed {seed} --rate {rate:g} --batch {batch}"
    called += f" --longest-stall {longest_stall:g}" + ("" if minutes else " --no-minutes")
    with _stack(path) as (home, settings):
        from media_analytics.local.faults.campaign import run_campaign
        from media_analytics.local.faults.report import Request

        request = Request(events, kills, seed, rate, batch, longest_stall, called)
        with _bar(events) as (tell, progress):
            report = run_campaign(request, home, settings, tell, progress, _proven if minutes else _computed)
        _write(report, folder)
    if not report.is_good:
        typer.secho(f"NOT whole; data and logs are kept in {path}", fg=typer.colors.RED, err=True)
        sys.exit(1)
    if not keep:
        shutil.rmtree(path)


@contextmanager
def _stack(path: Path) -> "Iterator[tuple[Home, Settings]]":
    """A new stack on free ports with the default settings, whatever the caller's are; stopped at the end."""
    from media_analytics.commands.stack_progress import Progress
    from media_analytics.local import stack, supervision
    from media_analytics.local.artifacts import CACHE_VARIABLE
    from media_analytics.local.home import exists, open_home
    from media_analytics.settings import PREFIX

    if exists(path):
        if supervision.supervisor_pid(open_home(path)) is not None:
            raise MediaAnalyticsError(
                f"another run of faults works in {path}; wait for it, or name another --to"
            )
        shutil.rmtree(path)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX) or k == CACHE_VARIABLE}
    # Ctrl-C and a polite kill stop the stack, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Progress() as watcher:
            home = stack.up(stack.Request(home=path, environ=environ, free_ports=True), watcher)
        yield home, stack.settings_of(home)
    finally:
        if exists(path):
            with Progress() as watcher:
                stack.down(path, watcher)


def _computed(settings: "Settings", since: datetime, tell: Say) -> None:
    """Silver of the dates of the load, by Dagster."""
    from media_analytics.automation.jobs import READER_TABLES
    from media_analytics.resources.dagster_api import PARTITION, DagsterApi

    api = DagsterApi(settings)
    for day in sorted({since.date(), datetime.now(UTC).date()}):
        tell(f"computing silver.events of {day}")
        run_id = api.launch(READER_TABLES, {PARTITION: day.isoformat()}, assets=["silver.events"])
        api.wait(run_id, _RUN_SECONDS, lambda _: None)


def _proven(settings: "Settings", since: datetime, tell: Say) -> "Minutes":
    """Silver of every due date, and the platform's own check of every minute."""
    from media_analytics.automation.at_once import bring_up_to_date
    from media_analytics.checks.completeness_run import standing_problems
    from media_analytics.local.faults.report import Minutes
    from media_analytics.resources.delta_log import DeltaLog

    told: list[str] = []

    def once(text: str) -> None:
        kind = text.partition(" in ")[0]
        if kind not in told:
            told.append(kind)
            tell(text)

    for _ in range(_TRIES):
        try:
            bring_up_to_date(settings, once)
        except ServiceError as error:
            # A run that the faults broke off; what is missing in the end, the proof will say.
            tell(f"again: {error}")
        else:
            break
    return Minutes(*standing_problems(DeltaLog(settings), datetime.now(UTC)))


@contextmanager
def _bar(events: int) -> "Iterator[tuple[Say, Progress]]":
    """A bar of acknowledged events, with a line above it for each fact."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began = time.monotonic()
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("events, 0 faults over", total=events)

        def show(acknowledged: int, over: int) -> None:
            bar.update(task, completed=acknowledged, description=f"events, {over} faults over")

        yield (
            lambda text: console.print(
                f"{time.monotonic() - began:6.1f} s  {text}", highlight=False, soft_wrap=True
            ),
            show,
        )


def _write(report: "Report", folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"faults-{report.request.events}-{report.request.kills}-{report.request.seed}"
    for suffix, text in ((".md", report.as_markdown()), (".json", report.as_json())):
        (folder / f"{name}{suffix}").write_text(text, "utf-8")
    typer.echo(report.as_markdown())
    typer.echo(f"written to {folder / name}.md and .json")
