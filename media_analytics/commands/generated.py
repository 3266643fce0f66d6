"""Writing files that are generated from the code and kept in the repository.

Belongs here: writing what is stale, saying what is. Does not belong here: what the files hold.
"""

from collections.abc import Mapping
from pathlib import Path

import typer

from media_analytics.errors import ContractError

_ROOT = Path(__file__).resolve().parents[2]


def write(files: Mapping[str, str], *, check: bool, command: str) -> None:
    """Write the stale ones of `files` (path in the repository to text), or only check that none is.

    Raises:
        ContractError: with `check`, a file is not what the code makes; `command` mends it.
    """
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
