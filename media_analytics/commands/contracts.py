"""`media-analytics contracts`: look at contracts, and bring the running services in line with them.

Belongs here: arguments and how results are shown. Does not belong here: what a change means (`migrations/plan.py`) or
how it is carried out (`migrations/apply.py`).
"""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.commands.generated import write
from media_analytics.errors import ContractError

if TYPE_CHECKING:
    from media_analytics.contracts.model import Contract
    from media_analytics.settings import Settings

app = typer.Typer(help="Contracts of tables and topics.", no_args_is_help=True)

Check = Annotated[bool, typer.Option("--check", help="Change nothing; fail when a file is stale.")]
StreamsStopped = Annotated[
    bool,
    typer.Option(
        "--streams-stopped", help="The streams do not run: change their tables on object stores too."
    ),
]


@app.command("list")
def list_contracts() -> None:
    """List every table and topic."""
    from rich.console import Console
    from rich.table import Column, Table

    from media_analytics.contracts.docs import duration, partitions

    grid = Table(
        Column("name", no_wrap=True), "columns", "partitions", "fails after", "owner", "grain", box=None
    )
    for contract in _all().values():
        grid.add_row(
            _name(contract),
            str(len(contract.columns)),
            partitions(contract).split(":")[0].replace("`", ""),
            duration(contract.freshness.fail),
            contract.owner.removeprefix("team:"),
            contract.grain,
        )
    Console().print(grid)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="layer.table or topic, for example silver.events")],
) -> None:
    """Show one contract: grain, partitions, freshness, owner, columns and rules."""
    from rich.console import Console
    from rich.table import Column, Table

    from media_analytics.contracts.docs import facts, rules_of
    from media_analytics.contracts.spark import spark_type

    contract = _find(name)
    console = Console()
    console.print(_name(contract), style="bold")
    for title, value in facts(contract):
        console.print(f"  {title}: {value.replace('`', '')}", highlight=False, markup=False)
    fixed = [Column(title, no_wrap=True) for title in ("column", "type", "null")]
    grid = Table(*fixed, "what", "personal data", "rules", box=None)
    for column in contract.columns:
        grid.add_row(
            column.name,
            spark_type(column.arrow_type),
            "yes" if column.nullable else "",
            column.description,
            column.personal_data or "",
            rules_of(contract, column).replace("[", "\\[").replace("`", ""),
        )
    console.print(grid)


@app.command()
def plan(streams_stopped: StreamsStopped = False) -> None:
    """Show what `apply` would change in ClickHouse, Delta, the registry and Kafka."""
    from media_analytics.migrations.apply import plan as make_plan

    found = make_plan(_settings(), streams_stopped=streams_stopped)
    for change in found.changes:
        typer.echo(str(change))
    for refusal in found.refusals:
        typer.secho(f"refused     {refusal}", fg=typer.colors.RED)
    if found.refusals:
        raise typer.Exit(1)
    typer.echo(f"{len(found.changes)} changes" if found.changes else "contracts: nothing to change")


@app.command()
def apply(streams_stopped: StreamsStopped = False) -> None:
    """Carry the plan out, readers first. A second call changes nothing."""
    from media_analytics.migrations.apply import apply as carry_out

    carry_out(_settings(), typer.echo, streams_stopped=streams_stopped)


@app.command()
def access() -> None:
    """List every right in a secured event log; whatever is not listed is denied."""
    from media_analytics.migrations.access import grants

    for grant in sorted(grants()):
        typer.echo(str(grant))


@app.command()
def docs(check: Check = False) -> None:
    """Write the reference pages of tables, topics and measures, and what dbt knows of tables that models read."""
    from media_analytics.contracts.dbt import dbt_files
    from media_analytics.contracts.docs import doc_files
    from media_analytics.warehouse.measures import measure_files

    write(doc_files() | dbt_files() | measure_files(), check=check, command="media-analytics contracts docs")


@app.command()
def schemas(check: Check = False) -> None:
    """Write the Avro schemas that streaming processes read."""
    from media_analytics.contracts.generated import schema_files

    write(schema_files(), check=check, command="media-analytics contracts schemas")


def _settings() -> "Settings":
    """Of the running stack in the home folder, variables of the shell winning."""
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    return load_settings(command_environment(os.environ))


def _name(contract: "Contract") -> str:
    return contract.full_name.removeprefix("kafka.")


def _all() -> "dict[str, Contract]":
    from media_analytics.contracts.registry import TABLES, TOPICS

    contracts: list[Contract] = [*TOPICS.values(), *TABLES.values()]
    return {_name(contract): contract for contract in contracts}


def _find(name: str) -> "Contract":
    known = _all()
    if name not in known:
        raise ContractError(f"no table or topic {name!r}; there are {', '.join(known)}")
    return known[name]
