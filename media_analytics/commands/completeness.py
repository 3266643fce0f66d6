"""`media-analytics completeness`.

Belongs here: arguments, reading `ops.completeness`, the table, the JSON, the exit code. Does not belong here: judging
minutes (`checks/`).
"""

import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    import pyarrow as pa

    from media_analytics.modelling.completeness import Proof
    from media_analytics.settings import Settings

app = typer.Typer()
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_DAY = timedelta(days=1)
_SHOWN = 20


@app.command("completeness")
def command(
    since: Annotated[
        str,
        typer.Option(help="Age (`90m`, `6h`, `7d`) or an instant in ISO 8601; at most 8 days are kept open."),
    ] = "24h",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show for each topic and store whether every offset is one row or a dead letter; exit code 1 when not."""
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.modelling.completeness import summed
    from media_analytics.settings import load_settings

    settings = load_settings(command_environment(os.environ))
    start = instant_of(since, datetime.now(UTC))
    proofs = summed(_rows(settings, start))
    if as_json:
        document = {
            "since": start,
            # Null: nothing was judged, so nothing is known.
            "is_complete": not any(p.red for p in proofs) if proofs else None,
            "proofs": [vars(p) for p in proofs],
        }
        sys.stdout.write(json.dumps(document, default=_text, indent=2) + "\n")
    else:
        _print(proofs, start)
    if red := [p for p in proofs if p.red]:
        places = ", ".join(f"{p.topic} in {p.store}" for p in red)
        raise MediaAnalyticsError(f"not complete: {places}; see docs/runbooks/completeness.md")


def instant_of(text: str, now: datetime) -> datetime:
    """The instant that `90m`, `6h`, `7d` ago or an ISO 8601 text means.

    Raises:
        MediaAnalyticsError: it is neither.
    """
    if age := re.fullmatch(r"(\d+)([mhd])", text):
        return now - int(age[1]) * _UNITS[age[2]]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise MediaAnalyticsError(
            f"--since is {text!r}; expected an age such as 6h, or an instant in ISO 8601"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _rows(settings: "Settings", start: datetime) -> "pa.Table":
    from media_analytics.contracts.registry import table
    from media_analytics.modelling.completeness import since
    from media_analytics.resources.delta_log import DeltaLog

    today = datetime.now(UTC).date()
    days = [(start.date() + n * _DAY).isoformat() for n in range((today - start.date()).days + 1)]
    contract = table("ops.completeness")
    return since(DeltaLog(settings).rows(contract, list(contract.column_names), days), start)


def _print(proofs: "list[Proof]", start: datetime) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not proofs:
        console.print(
            f"No minute since {start:%Y-%m-%d %H:%M} UTC has been judged; completeness runs while data flows."
        )
        return
    # Fits 80 columns; the JSON has everything.
    shown = Table(
        title=f"completeness since {start:%Y-%m-%d %H:%M} UTC",
        box=SIMPLE,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    for name in ("topic", "store"):
        shown.add_column(name, no_wrap=True)
    for name in ("messages", "letters", "missing", "twice", "through"):
        shown.add_column(name, no_wrap=True, justify="right")
    for p in proofs:
        numbers = (p.messages, p.dead_letters, p.missing, p.duplicates)
        through = f"{p.judged_through:%m-%d %H:%M}" if p.judged_through else ""
        shown.add_row(p.topic, p.store, *(f"{n:,}" for n in numbers), through, style="red" if p.red else "")
    console.print(shown)
    for p in proofs:
        for minute in p.red[:_SHOWN]:
            console.print(
                f"{p.topic} in {p.store}: {minute['minute']:%Y-%m-%d %H:%M} partition {minute['partition']} offsets "
                f"{minute['first_offset']} to {minute['last_offset']}: {minute['missing']} missing, "
                f"{minute['duplicates']} twice"
            )


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
