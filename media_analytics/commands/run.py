"""`media-analytics run`: the whole platform on one input, from file to summary.

Belongs here: the order of the steps, their times, how the summary is printed. Does not belong here: what a step does,
and the queries (`summary`).
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from rich.console import Console

    from media_analytics.commands.summary import Figure, Stores
    from media_analytics.contracts.model import TopicContract
    from media_analytics.local.home import Home
    from media_analytics.settings import Settings

app = typer.Typer()

ARRIVAL_TIMEOUT_SECONDS = 600.0


@dataclass
class Stage:
    """One step of the run. `rows` is what went through it, where that can be said."""

    name: str
    seconds: float = 0.0
    rows: int | None = None

    def rate(self) -> float | None:
        """Rows a second, null where nothing was counted."""
        return self.rows / self.seconds if self.rows and self.seconds else None


@dataclass
class Report:
    """What the run did and found; `--json` writes it."""

    stages: list[Stage] = field(default_factory=list)
    figures: "list[Figure]" = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


@app.command()
def run(
    input_file: Annotated[
        Path | None, typer.Option("--input", help="Web log in combined format, plain or gz.", exists=True)
    ] = None,
    brand: Annotated[str, typer.Option(help="Brand the log belongs to.")] = "bild",
    site: Annotated[str, typer.Option(help="Address of the site that wrote it.")] = "https://www.example.org",
    seed: Annotated[int, typer.Option(help="Without --input: seed of the simulated traffic.")] = 1,
    events: Annotated[
        int, typer.Option(min=1, help="Without --input: number of reader events; they cause the others.")
    ] = 50_000,
    explain: Annotated[bool, typer.Option(help="Show the query behind each figure.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the report as JSON here.")
    ] = None,
) -> None:
    """Start the platform, send an input (or simulate yesterday), compute and check every table, print a summary."""
    from rich.console import Console

    from media_analytics.commands.summary import Stores, figures

    console = Console()
    if not console.is_terminal:
        console.width = 140
    report, began = Report(), time.monotonic()
    with _stage(report, console, "start the platform"):
        home = _start()
    settings = _settings(home)
    stores = Stores(settings)
    before, since = _ends(stores), datetime.now(UTC) - timedelta(minutes=1)
    with _stage(report, console, "send through the collector") as stage:
        if input_file is not None:
            stage.rows, report.sent = _send_log(settings, input_file, brand, site)
        else:
            stage.rows, report.sent = _send_simulated(settings, seed, events)
    sent = {topic: _new_offsets(before[topic], ends) for topic, ends in _ends(stores).items()}
    with _stage(report, console, "reach both stores") as stage:
        stage.rows = sum(end - first for ranges in sent.values() for first, end in ranges.values())
        _await_arrival(stores, sent, since)
    _compute(settings, report, console)
    with _stage(report, console, "read the summary"):
        report.figures = [*figures(stores), *_checks(settings)]
    report.seconds = time.monotonic() - began
    _print(console, report, home, explain=explain)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(report), indent=2), "utf-8")


def _start() -> "Home":
    from media_analytics.commands.stack_progress import Progress
    from media_analytics.local import stack
    from media_analytics.local.home import home_path

    with Progress() as progress:
        return stack.up(stack.Request(home=home_path(os.environ), environ=os.environ), progress)


def _settings(home: "Home") -> "Settings":
    from media_analytics.local.stack import settings_of

    return settings_of(home)


def _send_log(settings: "Settings", path: Path, brand: str, site: str) -> tuple[int, dict[str, int]]:
    from media_analytics.commands.ingest import ingest_access_log

    result = ingest_access_log(path, brand, site, settings)
    return result.accepted + result.rejected, {
        "lines": result.lines,
        "accepted": result.accepted,
        "rejected": result.rejected,
        "sent before": result.skipped,
    }


def _send_simulated(settings: "Settings", seed: int, events: int) -> tuple[int, dict[str, int]]:
    from media_analytics.commands.simulate import simulate

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    result = simulate(settings, seed=seed, date=yesterday, events=events)
    parts = (result, *result.families.values())
    accepted, rejected = sum(p.accepted for p in parts), sum(p.rejected for p in parts)
    skipped = sum(p.skipped for p in parts)
    return accepted + rejected, {
        "events": accepted + rejected + skipped,
        "accepted": accepted,
        "rejected": rejected,
        "sent before": skipped,
    }


def _compute(settings: "Settings", report: Report, console: "Console") -> None:
    """Touched dates, completeness and the audit of streamed tables at once; one line for each step of the runs."""
    from media_analytics.automation.at_once import bring_up_to_date

    with _stage(report, console, "compute and check the tables"), console.status("computing ...") as status:
        outcome = bring_up_to_date(settings, status.update)
    for job, done in outcome.runs:
        for step, seconds in done.steps.items():
            report.stages.append(Stage(f"  {job}: {step.replace('__', '.')}", seconds))
        if done.overhead_seconds is not None:
            report.stages.append(Stage(f"  {job}: Dagster's own overhead", done.overhead_seconds))
    if outcome.waited_seconds:
        report.stages.append(Stage("  waiting until the last minute is closed", outcome.waited_seconds))


def _checks(settings: "Settings") -> "Iterator[Figure]":
    """What Dagster knows of every declared check."""
    from media_analytics.commands.summary import Figure
    from media_analytics.contracts.tables import video_files, video_gold
    from media_analytics.resources.dagster_api import DagsterApi

    # Copies in the warehouse follow by themselves, within a minute or two; this command does not wait for them.
    states = {
        name: state
        for name, state in DagsterApi(settings).checks().items()
        if not name.startswith("warehouse.")
    }
    query = "GraphQL assetCheckExecutions of each declared check: the newest that was judged"
    evaluated = {name: state for name, state in states.items() if state != "NOT_EVALUATED"}
    passed = sum(state == "SUCCEEDED" for state in evaluated.values())
    yield Figure("checks", "asset checks passed", f"{passed} of {len(evaluated)}", "Dagster", query)
    # This command loads no video files; their tables are judged when somebody does.
    video = {c.full_name for c in (*video_files.CONTRACTS, *video_gold.CONTRACTS)}
    others = {
        name: state
        for name, state in states.items()
        if state != "SUCCEEDED" and not (state == "NOT_EVALUATED" and name.partition(":")[0] in video)
    }
    if others:
        told = "\n".join(f"{name} {state.lower()}" for name, state in sorted(others.items()))
        yield Figure("checks", "not passed, or not evaluated yet", told, "Dagster", query)


def _new_offsets(before: dict[int, int], after: dict[int, int]) -> dict[int, tuple[int, int]]:
    """Per partition with new records, the first new offset and the end."""
    return {p: (before.get(p, 0), end) for p, end in after.items() if end > before.get(p, 0)}


def _awaited() -> "list[TopicContract]":
    """Topics of events that must be found again in a store; letters are proven with completeness."""
    from media_analytics.checks.completeness_stores import CHECKED

    return [topic for topic in CHECKED if topic.name != "dead_letters"]


def _ends(stores: "Stores") -> dict[str, dict[int, int]]:
    """End offsets of every topic that is awaited."""
    return {topic.name: stores.topic_ends(topic.name) for topic in _awaited()}


def _await_arrival(stores: "Stores", sent: dict[str, dict[int, tuple[int, int]]], since: datetime) -> None:
    """Wait until each new offset is a row in every store of its topic, or a dead letter of a stage between."""
    waiting = [(topic, store) for topic in _awaited() if sent[topic.name] for store in topic.stores]
    deadline = time.monotonic() + ARRIVAL_TIMEOUT_SECONDS
    while waiting:
        missing: dict[str, int] = {}
        for topic, store in list(waiting):
            ranges = sent[topic.name]
            expected = sum(end - first for first, end in ranges.values())
            found = stores.coordinates(topic, store, ranges)
            if found < expected:
                found += stores.dead_letter_coordinates(topic.name, ranges, since)[store]
            if found >= expected:
                waiting.remove((topic, store))
            else:
                missing[f"{topic.name} in {store}"] = expected - found
        if missing and time.monotonic() > deadline:
            told = ", ".join(f"{count} of {place}" for place, count in missing.items())
            raise MediaAnalyticsError(
                f"after {ARRIVAL_TIMEOUT_SECONDS:.0f} s new events are missing: {told}; see `media-analytics status` "
                "and the logs of enricher, sink and stream"
            )
        time.sleep(0.5 if waiting else 0.0)


@contextmanager
def _stage(report: Report, console: "Console", name: str) -> Iterator[Stage]:
    stage = Stage(name)
    began = time.monotonic()
    yield stage
    stage.seconds = time.monotonic() - began
    report.stages.append(stage)
    rate = stage.rate()
    told = f", {stage.rows:,} rows, {rate:,.0f} rows/s" if rate and stage.rows else ""
    console.print(f"{name}: {stage.seconds:.1f} s{told}", highlight=False)


def _print(console: "Console", report: Report, home: "Home", *, explain: bool) -> None:
    from rich.table import Table

    from media_analytics.local.status import page_link

    table = Table("", "what", "value", "read from", title="Summary")
    if explain:
        table.add_column("query", overflow="fold")
    section = ""
    for figure in report.figures:
        cells = [figure.section if figure.section != section else "", figure.name, figure.value, figure.store]
        table.add_row(*cells, *([figure.query] if explain else []), end_section=False)
        section = figure.section
    console.print(table)
    times = Table("step", "seconds", "rows", "rows/s", title="Times")
    for stage in report.stages:
        rate = stage.rate()
        times.add_row(
            stage.name,
            f"{stage.seconds:.1f}",
            f"{stage.rows:,}" if stage.rows else "",
            f"{rate:,.0f}" if rate else "",
        )
    times.add_row("total", f"{report.seconds:.1f}")
    console.print(times)
    console.print(f"sent: {', '.join(f'{name} {value:,}' for name, value in report.sent.items())}")
    console.print(f"Dagster:   {page_link(home)}", soft_wrap=True)
    console.print("The platform keeps running; stop it with `make stop`.")
