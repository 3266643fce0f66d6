"""`media-analytics backup|restore`.

Belongs here: arguments, what is shown. Does not belong here: copying (`media_analytics.local.backup`).
"""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from media_analytics.local.backup.manifest import Manifest

app = typer.Typer()


@app.command()
def backup(
    to: Annotated[Path, typer.Option(help="A new folder; it holds secrets, only you may look into it.")],
) -> None:
    """Copy event log, schema registry, lake, ClickHouse and Dagster's database of one instant; the stack may run."""
    from media_analytics.commands.stack_progress import Progress
    from media_analytics.local.backup.taking import take
    from media_analytics.local.home import home_path, open_home

    began = time.monotonic()
    folder = to.expanduser().absolute()
    with Progress() as progress:
        made = take(open_home(home_path(os.environ)), folder, progress.stage)
    _print(made)
    typer.echo(
        f"written to {folder} after {time.monotonic() - began:.0f} s; all stood for {made.still_seconds:.1f} s"
    )


@app.command()
def restore(
    source: Annotated[Path, typer.Option("--from", help="A folder that `backup` has made.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move the home that is there aside; nothing is deleted.")
    ] = False,
) -> None:
    """Make the home what it was at the instant of a backup; then run `up`."""
    from media_analytics.commands.stack_progress import Progress
    from media_analytics.local.backup.restoring import restore as put_back
    from media_analytics.local.home import home_path

    began = time.monotonic()
    home = home_path(os.environ)
    with Progress() as progress:
        found, moved = put_back(source.expanduser().absolute(), home, progress.stage, replace=replace)
    _print(found)
    if moved is not None:
        typer.echo(f"the home that was there is {moved} now; delete it when nothing of it is needed")
    typer.echo(
        f"{home} is that of {found.made_at} after {time.monotonic() - began:.0f} s; run `media-analytics up`"
    )


def _print(made: "Manifest") -> None:
    for name, part in sorted(made.parts.items()):
        typer.echo(f"{name:<11} {part.files:>7,} files {part.disk_bytes / 1e6:>12,.1f} MB")
