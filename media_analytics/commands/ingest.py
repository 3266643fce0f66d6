"""`media-analytics ingest`: sends files to the collector.

Belongs here: the command, its library function, how progress is shown. Does not belong here: reading files and posting
(`streaming/sender`), what a line means (`streaming/collector`).
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analytics.errors import MediaAnalyticsError

if TYPE_CHECKING:
    from media_analytics.settings import Settings

app = typer.Typer(help="Send files to the collector.", no_args_is_help=True)

# Lines acknowledged, bytes of the file read, bytes of the file.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class IngestResult:
    """What happened to a file. `accepted` and `rejected` are of this run, the totals of all runs of the file.

    `skipped` lines were acknowledged in an earlier run. `problem` says why the end of the file could not be read.
    """

    lines: int
    accepted: int
    rejected: int
    skipped: int
    accepted_total: int
    rejected_total: int
    seconds: float
    problem: str | None


@app.callback()
def _group() -> None:
    """Send files to the collector."""


@app.command("access-log")
def access_log(
    file: Annotated[Path, typer.Argument(help="Log file in combined format, plain or gzip.")],
    brand: Annotated[str, typer.Option(help="Brand the site belongs to.")],
    site: Annotated[str, typer.Option(help="Address of the site, without path: https://www.example.org")],
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Lines a second; default: as fast as possible.")
    ] = None,
) -> None:
    """Send a web server's log. Running it again sends only what was not acknowledged."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from media_analytics.local.stack_variables import command_environment
    from media_analytics.settings import load_settings

    settings = load_settings(command_environment(os.environ))
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[lines]:,} lines"), TimeRemainingColumn(),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(file.name, total=None, lines=0)

        def show(lines: int, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, lines=lines)

        result = ingest_access_log(file, brand, site, settings, rate=rate, progress=show)
    typer.echo(
        f"{result.lines:,} lines: {result.accepted:,} accepted, {result.rejected:,} rejected, "
        f"{result.skipped:,} sent before; {result.seconds:.1f} s"
    )
    if result.problem is not None:
        raise MediaAnalyticsError(
            f"{result.problem}. The lines before it were sent; get the whole file and send it."
        )


def ingest_access_log(
    path: Path,
    brand: str,
    site: str,
    settings: "Settings",
    rate: float | None = None,
    progress: Progress | None = None,
) -> IngestResult:
    """Send a log file to the collector of the settings, from where an earlier run of the same file stopped.

    Progress is kept per SHA-256 of the file, brand and site, after each acknowledged request: after a kill at most one
    request is sent twice, with the same event ids. `rate` is in lines a second.

    Raises:
        MediaAnalyticsError: no such file, or the brand or site is not usable.
        ServiceError: the collector is away or refuses; what was acknowledged is recorded.
    """
    from streaming.sender import progress as state
    from streaming.sender.log_file import LogFile
    from streaming.sender.post import Poster

    _check(path, brand, site, settings)
    began = time.monotonic()
    site = site.rstrip("/")
    log = LogFile(path)
    about = {"file": path.name, "sha256": log.sha256(), "brand": brand, "site": site}
    file = progress_file(settings, about)
    most_lines = _lines_at_once(rate, settings.collector.max_items)
    with state.held(file) as before, Poster.to_collector(settings, brand) as poster:
        sent = before
        for batch in log.batches(before.items, most_lines, settings.collector.max_body_bytes):
            _keep_rate(rate, batch.last_line - len(batch.lines) - before.items, began)
            reply = poster.post("/v1/access-log", batch.body(brand, site, path.name))
            sent = sent.advanced(batch.last_line, reply, about)
            state.save(file, sent)
            if progress is not None:
                progress(batch.last_line, batch.bytes_read, log.size)
        if progress is not None:
            progress(log.lines, log.size, log.size)
    return IngestResult(
        lines=log.lines,
        accepted=sent.accepted - before.accepted,
        rejected=sent.rejected - before.rejected,
        skipped=before.items,
        accepted_total=sent.accepted,
        rejected_total=sent.rejected,
        seconds=time.monotonic() - began,
        problem=log.problem,
    )


def progress_file(settings: "Settings", about: dict[str, str]) -> Path:
    """Where the progress of a file is kept: one per SHA-256, brand and site."""
    site = hashlib.sha256(about["site"].encode()).hexdigest()[:16]
    return settings.home / "ingest" / f"{about['sha256'][:32]}-{about['brand']}-{site}.json"


def _check(path: Path, brand: str, site: str, settings: "Settings") -> None:
    if not path.is_file():
        raise MediaAnalyticsError(f"{path} is not a file; give a log file in combined format, plain or gzip")
    if brand not in settings.brands:
        raise MediaAnalyticsError(f"brand is {brand!r}; expected one of {', '.join(sorted(settings.brands))}")
    if not site.startswith(("http://", "https://")):
        raise MediaAnalyticsError(f"site is {site!r}; expected an address like https://www.example.org")


def _lines_at_once(rate: float | None, most: int) -> int:
    """Lines of a request; with a rate so that a second has about ten requests."""
    return most if rate is None else max(1, min(most, int(rate / 10)))


def _keep_rate(rate: float | None, lines: int, began: float) -> None:
    """Wait until so many lines may have been sent."""
    if rate is not None:
        time.sleep(max(0.0, lines / rate - (time.monotonic() - began)))
