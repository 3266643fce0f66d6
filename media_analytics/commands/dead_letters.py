"""`media-analytics dead-letters`.

Belongs here: arguments, tables, JSON, exit codes. Does not belong here: what letters are and how they are replayed
(`media_analytics.dead_letters`).
"""

import getpass
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analytics.commands.completeness import instant_of
from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from media_analytics.dead_letters.groups import Group, Selection
    from media_analytics.dead_letters.library import DeadLetters
    from media_analytics.dead_letters.views import LetterView
    from streaming.dead_letters.patches import Patch

app = typer.Typer(help="Inputs that could not become events: look, patch, replay.", no_args_is_help=True)
Since = Annotated[
    str,
    typer.Option(help="Age (`90m`, `6h`, `7d`) or an instant in ISO 8601: letters that arrived since then."),
]
Family = Annotated[str | None, typer.Option(help="Only this family, such as `user`.")]
Rule = Annotated[str | None, typer.Option(help="Only this rule, such as `unknown_brand`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
_CODE_CHARACTERS = 8
REPLAY_SECONDS = 3600.0


@app.command("list")
def list_groups(
    since: Since = "7d", family: Family = None, rule: Rule = None, as_json: AsJson = False
) -> None:
    """Show letters in groups of one family, rule, field and producer; nothing of them is personal data."""
    groups = _letters().groups(_selection(since, family=family, rule=rule))
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
    found = _letters().letters(_named(name, since), most)
    if not found:
        raise MediaAnalyticsError(
            f"no letter or group {name!r} since {since}; see `dead-letters list --since 30d`"
        )
    if as_json:
        _write([asdict(view) for view in found])
    else:
        _print_views(found)


@app.command()
def patch(
    file: Annotated[
        Path | None, typer.Argument(help="Patch file (TOML), or `-`.", allow_dash=True, metavar="[FILE]")
    ] = None,
    new: Annotated[str | None, typer.Option(help="Print the beginning of a patch for this group.")] = None,
    since: Since = "7d",
    as_json: AsJson = False,
) -> None:
    """Check a patch file and show what it would recover; nothing is sent."""
    if new is not None:
        sys.stdout.write(_beginning(new, since))
        return
    if file is None:
        raise MediaAnalyticsError("name a patch file, or begin one with `dead-letters patch --new GROUP`")
    _tell(_letters().dry_run(_selection(since), _patch(file)), as_json=as_json)


@app.command()
def replay(
    file: Annotated[
        Path | None, typer.Option("--patch", help="Patch file (TOML), or `-`.", allow_dash=True)
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only this group, from `list`.")] = None,
    letter: Annotated[list[str] | None, typer.Option(help="Only this letter; may be given again.")] = None,
    family: Family = None,
    rule: Rule = None,
    since: Since = "7d",
    is_all: Annotated[bool, typer.Option("--all", help="Every letter, where nothing else is named.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; send nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True,
    as_json: AsJson = False,
) -> None:
    """Judge letters again, patched, and send what passes to its topic; twice is the same as once."""
    if not (file or group or letter or family or rule or is_all):
        raise MediaAnalyticsError("say which letters: --patch, --group, --letter, --family, --rule, or --all")
    letters, found = _letters(), _patch(file)
    chosen = _selection(since, group=group, family=family, rule=rule, letters=frozenset(letter or ()))
    outcome = letters.dry_run(chosen, found)
    if dry_run or not outcome["passed"]:
        _tell(outcome, as_json=as_json)
        return
    run_id = letters.start_replay(chosen, found, f"dead-letters replay by {getpass.getuser()}")
    outcome["run_id"] = run_id
    if wait:
        outcome["recovered"] = letters.follow(run_id, REPLAY_SECONDS, lambda _: None)
    _tell(outcome, as_json=as_json)


def _letters() -> "DeadLetters":
    from media_analytics.dead_letters.library import DeadLetters
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    return DeadLetters(load_settings(command_environment(os.environ)))


def _patch(file: Path | None) -> "Patch":
    from streaming.dead_letters.patches import Patch, read

    if file is None:
        return Patch()
    try:
        return read(sys.stdin.read() if str(file) == "-" else file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MediaAnalyticsError(f"the patch file {file} cannot be read: {error}") from error


def _beginning(code: str, since: str) -> str:
    """A patch file that means a group and changes nothing yet."""
    groups = _letters().groups(_selection(since, group=code))
    if not groups:
        raise MediaAnalyticsError(f"no group {code!r} since {since}; see `dead-letters list --since 30d`")
    sign = groups[0].fingerprint
    field = json.dumps(sign.field or "a.field")
    return (
        f"# {groups[0].letters} letters: {sign.family}, {sign.rule}, {sign.field or 'no field'}, {sign.producer}\n"
        f"[where]\ngroup = {json.dumps(code)}\n\n"
        "# Changes, in order; see docs/reference/dead-letters.md.\n"
        f'# [[change]]\n# set = {field}\n# value = "..."\n\n'
        f'# [[change]]\n# cast = {field}\n# to = "integer"\n\n'
        f'# [[change]]\n# rename = {field}\n# to = "another.field"\n\n'
        f"# [[change]]\n# drop = {field}\n"
    )


def _selection(since: str, **named: Any) -> "Selection":
    from media_analytics.dead_letters.groups import Selection

    return Selection(instant_of(since, datetime.now(UTC)), **named)


def _named(name: str, since: str) -> "Selection":
    if len(name) == _CODE_CHARACTERS:
        return _selection(since, group=name)
    return _selection(since, letters=frozenset({name}))


def _tell(outcome: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _write(outcome)
        return
    from rich.console import Console

    console = Console()
    verb = "pass" if "run_id" in outcome else "would pass"
    told = f"{outcome['passed']:,} of {outcome['letters']:,} letters {verb}, events: {outcome['events']:,}"
    for name, what in (("recovered_before", "recovered before"), ("not_meant", "not meant by the patch")):
        told += f"; {outcome[name]:,} {what}" if outcome[name] else ""
    console.print(told, highlight=False)
    for failure in outcome["failed"]:
        field = f" in {failure['field']}" if failure["field"] else ""
        console.print(
            f"{failure['letters']:,} still fail: {failure['rule']}{field}", highlight=False, markup=False
        )
    if "recovered" in outcome:
        console.print(f"recovered {outcome['recovered']:,} by run {outcome['run_id']}", highlight=False)
    elif "run_id" in outcome:
        console.print(f"run {outcome['run_id']} was started", highlight=False)


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
        shown.add_column(heading, overflow="fold", min_width=len(heading))
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


def _print_views(views: "list[LetterView]") -> None:
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
