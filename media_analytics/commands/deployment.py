"""`media-analytics deployment`: the generated files of a deployment.

Belongs here: arguments, writing, saying what is stale. Does not belong here: what the files hold
(`media_analytics.deployment`).
"""

from typing import Annotated

import typer

from media_analytics.errors import MediaAnalyticsError

app = typer.Typer(help="Deployment on Kubernetes.", no_args_is_help=True)
Check = Annotated[bool, typer.Option("--check", help="Change nothing; fail when a file is stale.")]


@app.callback()
def deployment() -> None:
    """Deployment on Kubernetes."""


@app.command()
def chart(check: Check = False) -> None:
    """Write the chart's values of each environment, its schema, topics, users and secrets."""
    from media_analytics.deployment.chart import ROOT, chart_files

    files = chart_files()
    stale = [
        path
        for path, text in files.items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text("utf-8") != text
    ]
    if check and stale:
        names = ", ".join(path.as_posix() for path in stale)
        raise MediaAnalyticsError(
            f"stale: {names}; run `media-analytics deployment chart`, commit the result"
        )
    for path in stale:
        (ROOT / path).write_text(files[path], "utf-8")
        typer.echo(f"wrote {path.as_posix()}")
    typer.echo(f"{len(stale)} of {len(files)} files changed")
