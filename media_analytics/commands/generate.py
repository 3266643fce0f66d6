"""`media-analytics generate`: makes data to try the platform with.

Belongs here: arguments, which store traffic may go to, how results are shown. Does not belong here: what is made
(`generators/`).
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.errors import MediaAnalyticsError
from media_analytics.generators.traffic.options import MOST_DAYS
from media_analytics.generators.video.options import Format, Generated, Layout, Options

if TYPE_CHECKING:
    from media_analytics.generators.traffic.generate import Progress
    from media_analytics.generators.traffic.options import Generated as GeneratedTraffic
    from media_analytics.generators.traffic.options import Options as TrafficOptions
    from media_analytics.settings import Settings

app = typer.Typer(help="Make data to try the platform with.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make data to try the platform with."""


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


@app.command("traffic")
def traffic(
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, help="Whole days (UTC) before the day of --until.")
    ] = 30,
    events: Annotated[int, typer.Option(min=1, help="Events of readers, at least.")] = 10_000_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, days, events and --until: same rows.")] = 1,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S"],
            help="No event is at or after it (UTC); default now. Later: the live page shows rows as time comes.",
        ),
    ] = None,
    marts: Annotated[bool, typer.Option(help="Build the dbt models over it afterwards.")] = True,
) -> None:
    """Fill ClickHouse with readers of all brands, past collector and Kafka: live tables, sessions, sums, marts.

    Only where nothing else is: an own home without other traffic. What an earlier run made is replaced.
    """
    from media_analytics.commands.simulate import bar
    from media_analytics.generators.traffic.options import Options as TrafficOptions
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    settings = load_settings(command_environment(os.environ))
    brands = {name: (brand.domains[0], brand.sections) for name, brand in settings.brands.items()}
    end = until.replace(tzinfo=UTC) if until else datetime.now(UTC).replace(microsecond=0)
    began = time.monotonic()
    with bar("Events of readers") as progress:
        result = fill(settings, TrafficOptions(days, events, seed, end, brands), progress)
    seconds = time.monotonic() - began
    for table, rows in result.rows.items():
        typer.echo(f"{table}: {rows:,} rows")
    typer.echo(f"{result.events:,} different events of readers; {seconds:.1f} s")
    if marts:
        began = time.monotonic()
        typer.echo("building the marts")
        build_marts(settings)
        typer.echo(f"marts and their tests: {time.monotonic() - began:.1f} s")


def fill(
    settings: "Settings", options: "TrafficOptions", progress: "Progress | None" = None
) -> "GeneratedTraffic":
    """Fill the installation's ClickHouse with traffic.

    Raises:
        MediaAnalyticsError: it is not an embedded dev stack, holds other rows, or would not keep these.
        ServiceError: ClickHouse does not answer or refuses a statement.
    """
    from media_analytics.generators.traffic.generate import Store, generate
    from media_analytics.resources.clickhouse import ClickHouse

    if settings.environment != "dev" or not settings.local:
        raise MediaAnalyticsError(
            f"generated traffic goes only to the embedded stack of environment dev; this is "
            f"{settings.environment!r}, {'embedded' if settings.local else 'not embedded'}: start a stack of its own "
            "with MEDIA_ANALYTICS_HOME=<folder> media-analytics up"
        )
    oldest = datetime.now(UTC).date() - timedelta(days=MOST_DAYS + 1)
    if options.first < oldest:
        raise MediaAnalyticsError(
            f"the first date would be {options.first}; expected {oldest} at the earliest, because live tables keep 35 "
            "days: give fewer --days or a later --until"
        )
    clickhouse = ClickHouse(settings)
    return generate(options, Store(clickhouse.run, clickhouse.rows), progress)


def build_marts(settings: "Settings") -> None:
    """Build and test every dbt model, as a run over all dates does.

    Raises:
        MediaAnalyticsError: a model or test failed.
    """
    from media_analytics.resources.dbt import Dbt

    arguments = ["build", "--exclude-resource-type", "unit_test"]
    with Dbt(settings).invocation(arguments, "generate", raise_on_error=False) as invocation:
        invocation.wait()
        if not invocation.is_successful():
            raise MediaAnalyticsError(f"dbt failed: {str(invocation.get_error())[-2000:]}")


def _show(result: Generated, folder: Path, seconds: float) -> None:
    for dataset, rows in result.rows.items():
        kinds = result.dirty[dataset]
        said = ", ".join(f"{name} {count:,}" for name, count in sorted(kinds.items()))
        typer.echo(
            f"{dataset}: {rows:,} rows, {result.copies[dataset]:,} copies, {kinds.total():,} dirty"
            + (f" ({said})" if said else "")
        )
    typer.echo(f"{result.files} files, {result.bytes / 1e6:,.1f} MB in {folder}; {seconds:.1f} s")
