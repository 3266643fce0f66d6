"""`media-analytics trace EVENT_ID`.

Belongs here: arguments, progress, the table, the JSON. Does not belong here: the searches (`trace_places.py`).
"""

import json
import os
import sys
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from media_analytics.commands.trace_places import Trace
    from media_analytics.commands.trace_stops import Place

app = typer.Typer()


@app.command("trace")
def command(
    event_id: Annotated[str, typer.Argument(help="The event's UUID.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show every place an event is: topics, lake files, ClickHouse parts, its session, dead letters."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from media_analytics.commands.trace_places import trace
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    settings = load_settings(command_environment(os.environ))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def progress(topic: str, done: int, total: int) -> None:
            if topic not in tasks:
                tasks[topic] = bar.add_task(f"reading {topic}", total=total)
            bar.update(tasks[topic], completed=done)

        found = trace(settings, event_id, progress)
    if as_json:
        sys.stdout.write(json.dumps(_document(found), default=_text, indent=2) + "\n")
    else:
        _print(found)
    if not found.places:
        where = f" (not asked: {'; '.join(found.unanswered)})" if found.unanswered else ""
        raise MediaAnalyticsError(
            f"event {found.event_id} is in no store and in no dead letter{where}. Ids are UUIDs as the collector "
            "answered them; a record older than the topics' retention is found only in the lake"
        )


def _document(found: "Trace") -> dict[str, Any]:
    return {
        "event_id": found.event_id,
        "found": bool(found.places),
        "places": [_without_people(place).as_dict() for place in found.places],
        "stopped": found.stops,
        "unanswered": found.unanswered,
    }


def _print(found: "Trace") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("store", "name", "where", title=f"event {found.event_id}")
    for place in found.places:
        table.add_row(place.store, place.name, _where(_without_people(place)))
    console = Console()
    if found.places:
        console.print(table)
    for line in found.stops:
        console.print(f"[yellow]stopped[/yellow] {line}")
    for line in found.unanswered:
        console.print(f"[yellow]not answered[/yellow] {line}")


def _without_people(place: "Place") -> "Place":
    """The place without the columns that name a person: a listing is read by more people than a table."""
    from media_analytics.contracts.registry import TABLES

    contract = TABLES.get(place.name)
    named = {c.name for c in contract.columns if c.personal_data} if contract else set()
    return replace(place, facts={name: value for name, value in place.facts.items() if name not in named})


def _where(place: "Place") -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in place.facts.items() if value is not None)


def _text(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
