"""`media-analytics databricks validate|deploy|run|destroy`: the pipeline on Databricks.

Belongs here: arguments, questions, calling Databricks' own command. Does not belong here: what the bundle must be
(`media_analytics.databricks`).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from media_analytics.environments.operations import Environment

app = typer.Typer(help="The pipeline on Databricks: check, deploy, run, remove.")

PROGRAM = "databricks"
_Target = Annotated[str, typer.Option("--target", "-t", help="dev, qa, uat or prod.")]
_Folder = Annotated[Path, typer.Option("--bundle", help="Folder of databricks.yml.", file_okay=False)]
_HERE = Path()


@app.command()
def validate(
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="One target; all when left out.")
    ] = None,
    bundle: _Folder = _HERE,
) -> None:
    """Check the bundle without a workspace: types, tasks, and the numbers of the settings."""
    from typing import get_args

    from media_analytics.databricks.checking import check_offline, variables_of
    from media_analytics.environments.operations import Environment
    from media_analytics.environments.reading import environment_named

    names = get_args(Environment) if target is None else (environment_named(target, "--target"),)
    for name in names:
        found, missing = check_offline(bundle, name, variables_of(os.environ))
        (job,) = found.resources.jobs.values()
        typer.echo(f"{name} is valid: {len(job.tasks)} tasks, data in {found.variables['data_path']}")
        for variable in missing:
            typer.echo(f"  to deploy it, set BUNDLE_VAR_{variable}")


@app.command()
def deploy(target: _Target, bundle: _Folder = _HERE) -> None:
    """Check the bundle, then upload it and create or change its job, cluster and secret scope."""
    name = _checked(target, bundle)
    _call(bundle, "deploy", "--target", name)


@app.command()
def run(
    target: _Target,
    day: Annotated[str, typer.Option("--date", help="The day to load and compute, YYYY-MM-DD.")],
    bundle: _Folder = _HERE,
) -> None:
    """Run the deployed job for one day and wait for its end; the exit code is the job's."""
    from media_analytics.databricks.rules import JOB

    name = _checked(target, bundle)
    _call(bundle, "run", JOB, "--target", name, "--params", f"date={_day(day)}")


@app.command()
def destroy(
    target: _Target,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    bundle: _Folder = _HERE,
) -> None:
    """Remove what was deployed: job, cluster, secret scope. Tables stay."""
    name = _checked(target, bundle)
    if not yes:
        typer.confirm(f"Remove job, cluster and secret scope of {name}? Tables stay", abort=True)
    _call(bundle, "destroy", "--target", name, "--auto-approve")


def _checked(target: str, bundle: Path) -> "Environment":
    """The environment of that name, after its bundle was found whole and valid."""
    from media_analytics.databricks.checking import check_offline, variables_of
    from media_analytics.environments.reading import environment_named

    name = environment_named(target, "--target")
    _, missing = check_offline(bundle, name, variables_of(os.environ))
    if missing:
        names = ", ".join(f"BUNDLE_VAR_{variable}" for variable in missing)
        raise MediaAnalyticsError(f"target {name} needs values that are not in databricks.yml; set {names}")
    return name


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise MediaAnalyticsError(f"--date is {text!r}; expected a day like 2026-03-10") from None


def _call(folder: Path, *arguments: str) -> None:
    """Run `databricks bundle ...` in the bundle's folder; its exit code, if not 0, is ours.

    Raises:
        MediaAnalyticsError: the command is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise MediaAnalyticsError(
            f"the command `{PROGRAM}` is not on PATH. Install Databricks' CLI 0.260 or newer "
            "(macOS: `brew install databricks/tap/databricks`; others: "
            "https://docs.databricks.com/dev-tools/cli/install.html), then log in: `databricks auth login --host URL`"
        )
    command: Sequence[str] = (program, "bundle", *arguments)
    done = subprocess.run(command, cwd=folder, check=False)
    if done.returncode != 0:
        typer.echo(f"`{PROGRAM} {' '.join(command[1:])}` ended with {done.returncode}", err=True)
        sys.exit(done.returncode)
