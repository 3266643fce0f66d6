"""The `media-analytics` command.

Belongs here: which commands exist and how an error of ours is shown. Does not belong here: what a command does
(`commands/`).
"""

import importlib
import os
import sys

import typer

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local.loopback import without_proxy

app = typer.Typer(
    name="media-analytics",
    help="The open data platform for digital publishers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

# module, name of the command group (None = its commands stand at the top level)
_COMMANDS: tuple[tuple[str, str | None], ...] = (
    ("stack", None),
    ("backup", None),
    ("run", None),
    ("ingest", "ingest"),
    ("generate", "generate"),
    ("load", "load"),
    ("simulate", None),
    ("trace", None),
    ("completeness", None),
    ("dead_letters", "dead-letters"),
    ("faults", None),
    ("sql", None),
    ("query", None),
    ("table", "table"),
    ("contracts", "contracts"),
    ("config", "config"),
    ("databricks", "databricks"),
    ("deployment", "deployment"),
)

for _module, _group in _COMMANDS:
    app.add_typer(importlib.import_module(f"media_analytics.commands.{_module}").app, name=_group)


def main() -> None:
    """Run the command line; an error of ours ends it with one clear message and exit code 1."""
    os.environ.update(without_proxy(os.environ))
    try:
        app()
    except MediaAnalyticsError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
