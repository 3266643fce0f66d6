"""`media-analytics simulate`: simulated readers, or a replayed file, sent to the collector.

Belongs here: arguments and how results are shown. Does not belong here: traffic and sending (`streaming/simulator`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from media_analytics.settings import Settings
    from streaming.simulator.send import Progress, SimulateResult

app = typer.Typer()


@app.command("simulate")
def command(
    events: Annotated[
        int | None,
        typer.Option(min=1, help="Different valid reader events; default 50,000. They cause the others."),
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Day to simulate; default yesterday (UTC)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed and date: same events.")] = 1,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Items a second; default as fast as possible.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Events that happen now, 50 a second unless --rate.")
    ] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Forget what was sent: everything is sent again.")
    ] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="Replay this file of clickstream items instead.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", help="Collector to replay to; default: the local one.")
    ] = None,
    brand: Annotated[str | None, typer.Option(help="Brand of replayed items that name none.")] = None,
) -> None:
    """Send simulated readers' events, or replay a file."""
    if target is not None and source is None:
        raise MediaAnalyticsError("--to goes with --from FILE: only a replay may go to another collector")
    if source is not None:
        _replay(source, target, brand, rate)
        return
    if live:
        _live(seed, rate or 50.0, events)
        return
    from streaming.simulator.send import DEFAULT_EVENTS

    with bar("Simulated day") as progress:
        result = simulate(
            _settings(),
            seed=seed,
            date=day.replace(tzinfo=UTC).date() if day else None,
            events=events or DEFAULT_EVENTS,
            rate=rate,
            reset=reset,
            progress=progress,
        )
    typer.echo(
        f"{result.events:,} events ({result.late:,} late), {result.copies:,} copies, {result.malformed:,} malformed: "
        f"{result.accepted:,} accepted, {result.rejected:,} rejected, {result.skipped:,} sent before; "
        f"{result.seconds:.1f} s"
    )
    for family, part in result.families.items():
        typer.echo(
            f"{family}: {part.events:,} events, {part.copies:,} copies, {part.malformed:,} malformed: "
            f"{part.accepted:,} accepted, {part.rejected:,} rejected, {part.skipped:,} sent before"
        )


def simulate(
    settings: "Settings",
    seed: int = 1,
    date: date | None = None,
    events: int = 50_000,
    rate: float | None = None,
    reset: bool = False,
    progress: "Progress | None" = None,
) -> "SimulateResult":
    """Send a simulated day: see `streaming.simulator.send.simulate`."""
    from streaming.simulator import send

    return send.simulate(settings, seed, date, events, rate, reset, progress)


def _replay(source: Path, target: str | None, brand: str | None, rate: float | None) -> None:
    from streaming.simulator.replay import replay

    key = None
    if target is None:
        settings = _settings()
        target = settings.collector.url
        key = next((k.key.get_secret_value() for k in settings.collector.keys if k.kind == "server"), None)
    with bar(source.name) as progress:
        result = replay(
            source, target, key or os.environ.get("MEDIA_ANALYTICS_INGEST_KEY"), brand, rate, progress
        )
    typer.echo(
        f"{result.accepted:,} accepted, {result.rejected:,} rejected, {result.unreadable:,} lines are not JSON; "
        f"{result.seconds:.1f} s"
    )


def _live(seed: int, rate: float, events: int | None) -> None:
    from streaming.simulator.live import live

    with bar(f"Live, {rate:g} a second; Ctrl-C ends it") as progress:
        try:
            live(_settings(), seed=seed, rate=rate, events=events, progress=progress)
        except KeyboardInterrupt:
            typer.echo("stopped")


@contextmanager
def bar(title: str) -> "Iterator[Progress]":
    """A progress bar on standard error; what it gives takes done and total."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _settings() -> "Settings":
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    return load_settings(command_environment(os.environ))
