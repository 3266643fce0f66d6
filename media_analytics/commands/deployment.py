"""`media-analytics deployment`: the generated files of a deployment.

Belongs here: arguments. Does not belong here: what the files hold
(`media_analytics.deployment`).
"""

from typing import Annotated

import typer

from media_analytics.commands.generated import write

app = typer.Typer(help="Deployment on Kubernetes.", no_args_is_help=True)
Check = Annotated[bool, typer.Option("--check", help="Change nothing; fail when a file is stale.")]


@app.callback()
def deployment() -> None:
    """Deployment on Kubernetes."""


@app.command()
def chart(check: Check = False) -> None:
    """Write the chart's values of each environment, its schema, topics, users and secrets."""
    from media_analytics.deployment.chart import chart_files

    files = {path.as_posix(): text for path, text in chart_files().items()}
    write(files, check=check, command="media-analytics deployment chart")
