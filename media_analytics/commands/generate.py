"""`media-analytics generate`: writes source files to try the platform with.

Belongs here: arguments and how results are shown. Does not belong here: what is written (`generators/`).
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from media_analytics.generators.video.options import Format, Generated, Layout, Options

app = typer.Typer(help="Write source files to try the platform with.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Write source files to try the platform with."""


@app.command("video")
def video(
    days: Annotated[int, typer.Option(min=1, help="Days of deliveries and metrics.")] = 7,
    rows: Annotated[int, typer.Option(min=1, help="Delivery rows of all days together.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed and options: same bytes.")] = 1,
    folder: Annotated[Path, typer.Option("--to", help="Folder to write to; new or empty.")] = Path("video"),
    kind: Annotated[Format, typer.Option("--format", help="Parquet or CSV.")] = Format.PARQUET,
    layout: Annotated[
        Layout, typer.Option(help="One file a dataset, or <dataset>/date=YYYY-MM-DD/.")
    ] = Layout.FLAT,
    dirty: Annotated[
        float, typer.Option(help="Share of each file's rows that must end in quarantine, rounded down.")
    ] = 0.01,
    copies: Annotated[
        float, typer.Option(help="Share of delivery and metrics rows that are copies.")
    ] = 0.005,
    metrics: Annotated[
        int | None, typer.Option(min=0, help="Metrics rows; default a fifth of --rows.")
    ] = None,
    assets: Annotated[
        int | None,
        typer.Option(min=1, help="Different assets; default a twentieth of --rows, at most 50,000."),
    ] = None,
    first_date: Annotated[
        datetime, typer.Option("--first-date", formats=["%Y-%m-%d"], help="First day.")
    ] = datetime(2026, 1, 1, tzinfo=UTC),
    new_columns_from: Annotated[
        int | None,
        typer.Option(min=1, help="From this day (1 = first) facts have columns of a newer player."),
    ] = None,
) -> None:
    """Write the files of system B: assets, devices, geo, delivery, metrics."""
    from media_analytics.commands.simulate import bar
    from media_analytics.generators.video.generate import generate

    options = Options(
        days=days,
        rows=rows,
        seed=seed,
        metrics=metrics,
        assets=assets,
        first_date=first_date.date(),
        dirty=dirty,
        copies=copies,
        new_columns_from=new_columns_from,
        format=kind,
        layout=layout,
    )
    began = time.monotonic()
    with bar("Rows of facts") as progress:
        result = generate(options, folder, progress)
    _show(result, folder, time.monotonic() - began)


def _show(result: Generated, folder: Path, seconds: float) -> None:
    for dataset, rows in result.rows.items():
        kinds = result.dirty[dataset]
        said = ", ".join(f"{name} {count:,}" for name, count in sorted(kinds.items()))
        typer.echo(
            f"{dataset}: {rows:,} rows, {result.copies[dataset]:,} copies, {kinds.total():,} dirty"
            + (f" ({said})" if said else "")
        )
    typer.echo(f"{result.files} files, {result.bytes / 1e6:,.1f} MB in {folder}; {seconds:.1f} s")
