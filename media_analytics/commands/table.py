"""`media-analytics table`: a table of the lake as it was.

Belongs here: arguments, how versions and rows are shown. Does not belong here: writing tables otherwise.
"""

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analytics.errors import ContractError

if TYPE_CHECKING:
    from media_analytics.contracts.model import TableContract
    from media_analytics.resources.lake import Lake
    from media_analytics.settings import Settings

app = typer.Typer(help="Versions of a table of the lake.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="layer.table, for example gold.executive_summary")]
# Layers that can be computed again from the one before.
RESTORABLE = ("silver", "gold")
_WIDTH_OF_A_CELL = 60


@app.callback()
def _group() -> None:
    """Versions of a table of the lake."""


@app.command()
def history(name: Name, limit: Annotated[int, typer.Option(min=1, help="How many versions.")] = 20) -> None:
    """List the newest versions: when, what was done, which run, rows, files."""
    from rich.table import Table

    contract, lake = _table(name, _settings())
    grid = Table("version", "at", "operation", "run", "dates", "rows written", "files", title=name)
    for commit in lake.history(contract, limit):
        note = _note(commit)
        metrics = commit.get("operationMetrics") or {}
        at = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)
        dates = f"{note.get('first', '')}..{note['last']}" if note.get("last") else ""
        grid.add_row(
            str(commit["version"]),
            f"{at:%Y-%m-%d %H:%M:%S}",
            str(commit.get("operation", "")),
            str(note.get("run_id", ""))[:8],
            dates,
            str(metrics.get("numOutputRows", metrics.get("num_added_rows", ""))),
            str(metrics.get("numFiles", metrics.get("num_added_files", ""))),
        )
    _console().print(grid)


@app.command()
def show(
    name: Name,
    version: Annotated[int | None, typer.Option(min=0, help="Which version; the newest by default.")] = None,
    date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="One date only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many rows.")] = 20,
) -> None:
    """Print rows of a version."""
    from rich.table import Table

    contract, lake = _table(name, _settings())
    days = [date.date().isoformat()] if date else None
    newest = lake.version(contract)
    if version is not None and version > newest:
        raise ContractError(f"{name} has no version {version}; its newest is {newest}")
    frame = lake.read(contract, version, days)
    rows = frame.orderBy(*contract.sort_keys).limit(limit).toArrow().to_pylist()
    grid = Table(*frame.columns, title=f"{name}, version {newest if version is None else version}")
    for row in rows:
        grid.add_row(*("" if v is None else str(v)[:_WIDTH_OF_A_CELL] for v in row.values()))
    _console().print(grid)


@app.command()
def restore(
    name: Name,
    version: Annotated[int, typer.Option(min=0, help="The version that shall stand again.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, say what would be done.")] = False,
) -> None:
    """Make an earlier version stand again, as a new version; nothing is lost.

    Columns that the contract got since that version are added again, empty. A version that lacks more is refused.
    """
    from media_analytics.migrations.apply import apply
    from media_analytics.migrations.lake_tables import DeltaAdmin
    from media_analytics.migrations.plan import Refusal, delta_differences

    settings = _settings()
    contract, lake = _table(name, settings)
    newest = lake.version(contract)
    if contract.layer not in RESTORABLE:
        raise ContractError(
            f"{name} says what was loaded or sent: its writer would lose or repeat rows. Restore a table of "
            f"{', '.join(RESTORABLE)}, and compute it again from bronze"
        )
    if version >= newest:
        raise ContractError(f"version {version} of {name} does not lie before its newest, {newest}")
    admin = DeltaAdmin(settings)
    missing = delta_differences(contract, admin.stored(contract, version), admin.location(contract))
    refused = [str(difference) for difference in missing if isinstance(difference, Refusal)]
    if refused:
        raise ContractError(
            f"version {version} of {name} does not fit today's contract: {'; '.join(refused)}. Choose a later version, "
            "or compute the dates again from bronze"
        )
    stood, stands = (sum(lake.row_counts(contract, version=v).values()) for v in (version, newest))
    told = f"{name}: version {version} ({stood:,} rows) in place of {newest} ({stands:,} rows)"
    if not yes:
        typer.echo(f"would restore {told}; repeat it with --yes")
        return
    lake.restore(contract, version)
    if missing:
        # Killed before this, `media-analytics contracts apply` does it: writers refuse the table until then.
        apply(settings, typer.echo, {contract.full_name: contract}, {})
    typer.echo(f"restored {told}, as version {lake.version(contract)}")


def _settings() -> "Settings":
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    return load_settings(command_environment(os.environ))


def _table(name: str, settings: "Settings") -> "tuple[TableContract, Lake]":
    from media_analytics.contracts.registry import table
    from media_analytics.resources.lake import Lake
    from media_analytics.resources.spark import SparkConnect

    contract = table(name)
    if contract.store != "delta":
        raise ContractError(
            f"{name} is kept in {contract.store}, which has no versions; expected a Delta table"
        )
    return contract, Lake(settings, SparkConnect(settings))


def _note(commit: dict[str, Any]) -> dict[str, Any]:
    try:
        note = json.loads(commit.get("userMetadata") or "null")
    except json.JSONDecodeError:
        return {}
    return note if isinstance(note, dict) else {}


def _console() -> Any:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 200
    return console
