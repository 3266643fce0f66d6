"""`media-analytics dead-letters`.

Belongs here: arguments, tables, JSON, exit codes. Does not belong here: what letters are and how they are replayed
(`media_analytics.dead_letters`).
"""

import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analytics.commands.completeness import instant_of
from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from media_analytics.dead_letters.groups import Group, Selection
    from media_analytics.dead_letters.views import View
    from media_analytics.settings import Settings

app = typer.Typer(help="Inputs that could not become events: look, patch, replay.", no_args_is_help=True)
Since = Annotated[
    str,
    typer.Option(help="Age (`90m`, `6h`, `7d`) or an instant in ISO 8601: letters that arrived since then."),
]
Family = Annotated[str | None, typer.Option(help="Only this family, such as `user`.")]
Rule = Annotated[str | None, typer.Option(help="Only this rule, such as `unknown_brand`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
_CODE_CHARACTERS = 8


@app.command("list")
def list_groups(
    since: Since = "7d", family: Family = None, rule: Rule = None, as_json: AsJson = False
) -> None:
    """Show letters in groups of one family, rule, field and producer; nothing of them is personal data."""
    from media_analytics.dead_letters.shelf import Shelf

    groups = Shelf(_settings()).groups(_selection(since, family=family, rule=rule))
    if as_json:
        _write([_group(group) for group in groups])
    else:
        _print_groups(groups)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A group from `list`, or a letter_id.", metavar="GROUP|LETTER")],
    since: Since = "30d",
    most: Annotated[int, typer.Option(min=1, max=1000, help="Newest letters of a group to show.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show a letter, or the newest letters of a group: coordinates, schema id and the shape of the input."""
    from media_analytics.dead_letters.shelf import Shelf
    from media_analytics.dead_letters.views import Views

    settings = _settings()
    views = Views(settings)
    found = [views.view(letter) for letter in Shelf(settings).letters(_named(name, since), most)]
    if not found:
        raise MediaAnalyticsError(
            f"no letter or group {name!r} since {since}; see `dead-letters list --since 30d`"
        )
    if as_json:
        _write([asdict(view) for view in found])
    else:
        _print_views(found)


def _settings() -> "Settings":
    from media_analytics.local.environment import command_environment
    from media_analytics.settings import load_settings

    return load_settings(command_environment(os.environ))


def _selection(since: str, **named: Any) -> "Selection":
    from media_analytics.dead_letters.groups import Selection

    return Selection(instant_of(since, datetime.now(UTC)), **named)


def _named(name: str, since: str) -> "Selection":
    if len(name) == _CODE_CHARACTERS:
        return _selection(since, group=name)
    return _selection(since, letters=frozenset({name}))


def _group(group: "Group") -> dict[str, Any]:
    sign = asdict(group.fingerprint)
    return {
        "group": group.fingerprint.code,
        **sign,
        **{k: v for k, v in asdict(group).items() if k != "fingerprint"},
    }


def _write(document: Any) -> None:
    sys.stdout.write(json.dumps(document, default=_text, indent=2) + "\n")


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _print_groups(groups: "list[Group]") -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not groups:
        console.print("No dead letters.")
        return
    # Fits 80 columns; the JSON has everything.
    shown = Table(box=SIMPLE, padding=(0, 0, 0, 1), pad_edge=False)
    shown.add_column("group", no_wrap=True)
    for heading in ("family", "rule", "field", "producer"):
        shown.add_column(heading, overflow="fold")
    for heading in ("letters", "recovered", "last seen"):
        shown.add_column(heading, no_wrap=True, justify="right")
    for group in groups:
        sign = group.fingerprint
        shown.add_row(
            sign.code,
            sign.family,
            sign.rule,
            sign.field or "",
            sign.producer,
            f"{group.letters:,}",
            f"{group.recovered:,}",
            f"{group.last_seen_at:%m-%d %H:%M}",
        )
    console.print(shown)


def _print_views(views: "list[View]") -> None:
    from rich.console import Console

    console = Console()
    for view in views:
        facts = asdict(view)
        payload = facts.pop("payload")
        told = [f"{name} {_text(value)}" for name, value in facts.items() if value is not None]
        console.print(f"[bold]{view.letter_id}[/bold]", highlight=False)
        console.print("  " + "\n  ".join(told[1:]), highlight=False, markup=False)
        console.print("  input, as a shape:", highlight=False)
        text = payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)
        console.print("    " + text.replace("\n", "\n    "), highlight=False, markup=False)
