"""`media-analytics contracts`: look at contracts, and bring the running services in line with them.

Belongs here: arguments and how results are shown. Does not belong here: what a change means
(`migrations/plan.py`) or how it is carried out (`migrations/apply.py`).
"""

from pathlib import Path
from typing import Annotated

import typer

from media_analytics.errors import ContractError

app = typer.Typer(help="Contracts of tables and topics.", no_args_is_help=True)

_ROOT = Path(__file__).resolve().parents[2]
Check = Annotated[bool, typer.Option("--check", help="Change nothing; fail when a file is stale.")]


@app.command()
def schemas(check: Check = False) -> None:
    """Write the Avro schemas that streaming processes read."""
    from media_analytics.contracts.generated import schema_files

    _write(schema_files(), check=check, command="media-analytics contracts schemas")


def _write(files: dict[str, str], *, check: bool, command: str) -> None:
    stale = [
        name
        for name, text in files.items()
        if not (_ROOT / name).exists() or (_ROOT / name).read_text("utf-8") != text
    ]
    if check:
        if stale:
            raise ContractError(f"stale: {', '.join(stale)}; run `{command}` and commit the result")
        typer.echo(f"{len(files)} files are up to date")
        return
    for name in stale:
        path = _ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], "utf-8")
        typer.echo(f"wrote {name}")
    typer.echo(f"{len(stale)} of {len(files)} files changed")
