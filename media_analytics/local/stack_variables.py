"""The file `stack.env` of a home, and where a command finds its settings.

Belongs here: writing and reading the file, which variables of a caller are settings. Needs nothing of what the embedded
stack is made of, because commands also run in images, which leave it out. Does not belong here: what the file of a
stack holds (`environment`), what the settings mean (`media_analytics.settings`).
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

from media_analytics.local.files import write_atomically
from media_analytics.local.home import HOME_VARIABLE, home_path
from media_analytics.settings import NOT_SETTINGS, PREFIX


def settings_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The settings among the caller's variables. The home is chosen before, so it is not one of them."""
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(PREFIX)
        and name != HOME_VARIABLE
        and not name.removeprefix(PREFIX).startswith(NOT_SETTINGS)
    }


def write_stack_environment(path: Path, variables: Mapping[str, str]) -> None:
    """Write `stack.env` (0600): one `NAME='value'` a line, as a shell reads it."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    write_atomically(path, "\n".join(lines) + "\n")


def read_stack_environment(path: Path) -> dict[str, str]:
    """Read `stack.env`; empty when there is none."""
    if not path.is_file():
        return {}
    variables = {}
    for word in shlex.split(path.read_text("utf-8")):
        name, _, value = word.partition("=")
        variables[name] = value
    return variables


def command_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a command reads its settings from: the caller's variables over those of the stack in its home.

    Where no stack was ever started in the home, as in a container, the home is a setting like the others.
    """
    stack = read_stack_environment(home_path(environ) / "stack.env")
    if not stack and HOME_VARIABLE in environ:
        stack = {HOME_VARIABLE: environ[HOME_VARIABLE]}
    return stack | settings_variables(environ)
