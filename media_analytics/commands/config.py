"""`media-analytics config show|validate|diff`: what an environment's settings are, whether they are whole.

Belongs here: arguments, which variables belong to which environment, tables. Does not belong here: reading and
comparing (`media_analytics.environments`).
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from media_analytics.environments.operations import Environment

app = typer.Typer(help="Settings of dev, qa, uat and prod: show, validate, compare. Secrets are not shown.")

_Name = Annotated[str, typer.Argument(metavar="ENV", help="dev, qa, uat or prod.")]
_Json = Annotated[bool, typer.Option("--json", help="A list of objects.")]


@app.command()
def show(environment: _Name, as_json: _Json = False) -> None:
    """Print every setting of an environment, and the file or variable it comes from."""
    from media_analytics.environments.listing import entries
    from media_analytics.environments.reading import environment_named

    name = environment_named(environment, "ENV")
    found = entries(name, _variables_of(name))
    if as_json:
        typer.echo(json.dumps([vars(entry) for entry in found], indent=2))
        return
    _table(("setting", "value", "from"), [(e.name, _text(e.value), e.source) for e in found])


@app.command()
def validate(
    environment: _Name,
    files: Annotated[
        bool, typer.Option("--files", help="Only what the files say, without addresses and secrets.")
    ] = False,
) -> None:
    """Say what is missing or wrong, with the fix; exit code 1 when something is."""
    from media_analytics.environments.listing import declared_faults, faults
    from media_analytics.environments.reading import environment_named

    name = environment_named(environment, "ENV")
    found = declared_faults(name) if files else faults(name, _variables_of(name))
    if found:
        typer.echo(f"{name} is not valid:", err=True)
        for line in found:
            typer.echo(f"  {line}", err=True)
        sys.exit(1)
    typer.echo(f"{name} is valid" + (" as far as its files go" if files else ""))


@app.command()
def diff(
    environment: _Name,
    other: Annotated[str, typer.Argument(metavar="[OTHER]", help="What it is compared with.")] = "dev",
    as_json: _Json = False,
) -> None:
    """Print where the files of two environments differ."""
    from media_analytics.environments.listing import differences
    from media_analytics.environments.reading import environment_named

    one, two = environment_named(environment, "ENV"), environment_named(other, "OTHER")
    found = differences(one, two)
    if as_json:
        rows = [{"name": a.name, one: a.value, two: b.value} for a, b in found]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not found:
        typer.echo(f"{one} and {two} do not differ")
        return
    _table(("setting", one, two), [(a.name, _text(a.value), _text(b.value)) for a, b in found])


def _variables_of(environment: "Environment") -> Mapping[str, str]:
    """The variables that describe this environment: the caller's, over those of the stack where that is of it.

    Variables of a shell that names another environment describe that one, so none of them is used.
    """
    from media_analytics.environments.reading import PREFIX
    from media_analytics.local.stack_variables import command_environment, settings_variables

    named = os.environ.get(f"{PREFIX}ENVIRONMENT")
    with_stack = command_environment(os.environ)
    if with_stack.get(f"{PREFIX}ENVIRONMENT") == environment:
        return with_stack
    if named not in (None, environment):
        typer.echo(
            f"the variables of this shell are of {named}; {environment} is shown as its files say", err=True
        )
        return {}
    own = settings_variables(os.environ)
    home = os.environ.get(f"{PREFIX}HOME")
    return own | ({f"{PREFIX}HOME": home} if home else {})


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 200
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    console.print(table)
