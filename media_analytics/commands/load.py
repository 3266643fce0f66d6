"""`media-analytics load`: files into the lake, down to gold.

Belongs here: arguments, progress, the summary. Does not belong here: the run's work (`media_analytics/video_files`).
"""

import os
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from media_analytics.resources.dagster_api import Run
    from media_analytics.resources.delta_log import DeltaLog
    from media_analytics.settings import Settings

app = typer.Typer(help="Load files.", no_args_is_help=True)

RUN_TIMEOUT_SECONDS = 3600.0


@app.callback()
def _group() -> None:
    """Load files."""


@app.command()
def video(
    path: Annotated[
        str, typer.Argument(help="Landing folder or s3a:// address, flat or dated, Parquet or CSV.")
    ],
    date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Load this date's folders only, and compute the date again."),
    ] = None,
) -> None:
    """Load new and replaced video files and bring silver and gold up to date, for the dates they touch."""
    from rich.console import Console

    from media_analytics.local.stack_variables import command_environment
    from media_analytics.resources.dagster_api import PARTITION
    from media_analytics.settings import load_settings
    from media_analytics.video_files.asset import up_to_date
    from media_analytics.video_files.landing import absolute, discover

    settings = load_settings(command_environment(os.environ))
    address = absolute(path)
    days = (date.date(),) if date else ()
    found = discover(address, days, settings.video.store)
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(f"{len(found)} files in {address}", highlight=False, soft_wrap=True)
    tags = {PARTITION: days[0].isoformat()} if days else up_to_date(found, settings, datetime.now(UTC))
    run = _run(settings, address, tags, console)
    _print_summary(settings, run, console)


def _run(settings: "Settings", address: str, tags: dict[str, str], console: "Console") -> "Run":
    """Launch the pipeline on the folder and wait for it."""
    from media_analytics.automation.jobs import VIDEO_FILES
    from media_analytics.factory import CAUSE_TAG
    from media_analytics.resources.dagster_api import DagsterApi
    from media_analytics.video_files.asset import INGEST

    api = DagsterApi(settings)
    tags = {CAUSE_TAG: f"files of {address} loaded by hand", **tags}
    config = {"ops": {INGEST: {"config": {"path": address}}}}
    with console.status("starting the run ...") as status:

        def show(run: "Run") -> None:
            doing = f": {', '.join(run.running)}" if run.running else ""
            status.update(f"{len(run.steps)} of 11 steps done{doing}")

        return api.wait(api.launch(VIDEO_FILES, tags, config), RUN_TIMEOUT_SECONDS, show)


def _print_summary(settings: "Settings", run: "Run", console: "Console") -> None:
    from rich.table import Table

    from media_analytics.contracts.registry import TABLES
    from media_analytics.contracts.tables import video_files, video_gold
    from media_analytics.resources.delta_log import DeltaLog

    log = DeltaLog(settings)
    grid = Table("table", "rows", "dates", title="Tables")
    for contract in (*video_files.CONTRACTS, *video_gold.CONTRACTS):
        counts = log.row_counts(TABLES[contract.full_name])
        dates = str(len([d for d in counts if d != "None"])) if contract.partition_column else ""
        grid.add_row(contract.full_name, f"{sum(counts.values()):,}", dates)
    console.print(grid)
    refused = _refused(log)
    if refused:
        reasons = Table("quarantine", "reason", "rows", title="Quarantined rows")
        for (dataset, reason), rows in sorted(refused.items()):
            reasons.add_row(dataset, reason, f"{rows:,}")
        console.print(reasons)
    else:
        console.print("no row is in quarantine")
    unknown = _unknown_columns(log, run.run_id)
    if unknown:
        console.print(f"columns that no contract knows, kept as text: {', '.join(unknown)}")
    times = Table("step", "seconds", title="Times")
    for step, seconds in run.steps.items():
        times.add_row(step.replace("__", "."), f"{seconds:.1f}")
    if run.ended is not None:
        times.add_row("from request to end", f"{run.ended - run.created:.1f}")
    console.print(times)


def _refused(log: "DeltaLog") -> Counter[tuple[str, str]]:
    """Rows in quarantine by data set and reason."""
    from media_analytics.contracts.registry import table
    from media_analytics.contracts.tables.video_raw import DATASETS

    found: Counter[tuple[str, str]] = Counter()
    for dataset in DATASETS:
        for reasons in log.rows(table(f"quarantine.{dataset}"), ["reasons"])["reasons"].to_pylist():
            found.update((dataset, reason) for reason in reasons)
    return found


def _unknown_columns(log: "DeltaLog", run_id: str) -> list[str]:
    """Columns of this run's files that no contract knows, as `dataset.column`."""
    from media_analytics.video_files import ledger

    rows = log.rows(ledger.CONTRACT, ["dataset", "run_id", "unknown_columns"]).to_pylist()
    return sorted(
        {f"{r['dataset']}.{name}" for r in rows if r["run_id"] == run_id for name in r["unknown_columns"]}
    )
