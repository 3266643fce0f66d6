"""`media-analytics sql --live`: a statement over topics as they fill, on the Spark server.

Belongs here: arguments, which columns are shown, how rows are printed, what a person does about an error. Does not
belong here: decoding and running (`spark_jobs.live`).
"""

import json
import os
import re
import secrets
import shutil
import signal
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn, cast, get_args

import typer

from media_analytics.commands.grids import cell, wide_console
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.addresses import without_hadoop

if TYPE_CHECKING:
    from pyspark.errors import PySparkException
    from pyspark.sql import Row
    from rich.console import Console

    from media_analytics.contracts.model import TopicContract
    from media_analytics.settings import Settings
    from spark_jobs.live.views import LiveTopic, Window

app = typer.Typer()

# Classes of personal data that a live view does not show; `visitor_key` stands for the visitor.
HIDDEN = frozenset(("identifier", "pseudonym", "network_address", "content", "device"))
# Full addresses and unreadable inputs: the first is for the enricher alone, the second has commands of its own.
NOT_SHOWN = frozenset(("user.raw", "dead_letters"))


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="SELECT over topics, for example from user_latest.")],
    live: Annotated[bool, typer.Option("--live", help="Run until Ctrl-C and print what is new.")] = False,
    mode: Annotated[
        str,
        typer.Option(
            help="`update`: changed rows; `append`: windows once closed; `complete`: all rows anew."
        ),
    ] = "update",
    event_time: Annotated[str, typer.Option(help="Column of the watermark.")] = "occurred_at",
    late: Annotated[
        str, typer.Option(help="How late an event may come, as Spark writes intervals.")
    ] = "10 minutes",
    since: Annotated[
        str | None, typer.Option(help="Read from this age (6h) or instant on; else from now on.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the topic.")] = 2.0,
    most_seconds: Annotated[float | None, typer.Option("--for", help="End after so many seconds.")] = None,
    most_rows: Annotated[int, typer.Option(min=1, help="End after so many rows.")] = 100_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a row and line.")] = False,
) -> None:
    """Run a statement over topics as they fill; Ctrl-C ends it here and on the Spark server."""
    from pyspark.errors import PySparkException

    from media_analytics.commands.completeness import instant_of
    from media_analytics.local.stack_variables import command_environment
    from media_analytics.resources.spark import connect
    from media_analytics.settings import load_settings
    from spark_jobs.live.query import LiveQuery, Mode
    from spark_jobs.live.views import Window, create_view

    if not live:
        raise MediaAnalyticsError("only statements over topics as they fill are taken: add --live")
    if mode not in get_args(Mode):
        raise MediaAnalyticsError(f"--mode is {mode!r}; expected one of {', '.join(get_args(Mode))}")
    settings = load_settings(command_environment(os.environ))
    text, wanted = _topics_of(statement)
    window = Window(event_time, late)
    start = instant_of(since, datetime.now(UTC)) if since else None
    topics = _live_topics(settings, wanted, window, start)
    interrupt = Interrupt()
    spark = connect(settings)
    shown = _Shown(as_json=as_json)
    try:
        with _checkpoint(settings) as checkpoint:
            salt = secrets.token_hex(16)
            for topic in topics:
                create_view(spark, settings.kafka, topic, window, salt)
            query = LiveQuery(spark, text, cast("Mode", mode), every, checkpoint)
            shown.say(f"reading {', '.join(topic.view for topic in topics)}; Ctrl-C ends it")
            try:
                for rows in query.batches(most_seconds, most_rows, lambda: interrupt.is_asked):
                    shown.print(query.columns, rows)
                if interrupt.is_asked:
                    raise KeyboardInterrupt
            finally:
                query.stop()
    except KeyboardInterrupt:
        shown.say("stopped; nothing is left on the Spark server")
    except PySparkException as error:
        raise MediaAnalyticsError(_explained(error)) from None
    finally:
        spark.stop()


def _topics_of(statement: str) -> tuple[str, list["TopicContract"]]:
    """The statement with topics under their views' names, and the topics it names.

    Raises:
        MediaAnalyticsError: it names none.
    """
    from media_analytics.contracts.registry import TOPICS

    known = {name: topic for name, topic in TOPICS.items() if name not in NOT_SHOWN}
    # Texts in quotes stay as they are.
    parts = re.split(r"('(?:[^']|'')*')", statement)
    for name in known:
        pattern = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w])|`{re.escape(name)}`", re.IGNORECASE)
        parts[::2] = [pattern.sub(name.replace(".", "_"), part) for part in parts[::2]]
    words = set(re.findall(r"\w+", " ".join(parts[::2]).lower()))
    found = [topic for name, topic in known.items() if name.replace(".", "_") in words]
    if not found:
        raise MediaAnalyticsError(f"the statement names no topic; {_listed()}")
    return "".join(parts), found


def _listed() -> str:
    from media_analytics.contracts.registry import TOPICS

    names = [name.replace(".", "_") for name in TOPICS if name not in NOT_SHOWN]
    return f"there are {', '.join(names)} (user.raw holds full addresses and is for the enricher alone)"


def _live_topics(
    settings: "Settings", contracts: Sequence["TopicContract"], window: "Window", since: datetime | None
) -> list["LiveTopic"]:
    """What is read and shown of each topic, from `since` or from its end as it is now.

    Raises:
        MediaAnalyticsError: a topic has no such event time.
        RegistryError: its schemas are not there.
        ServiceError: Kafka does not answer, or refuses this user.
    """
    from media_analytics.resources.kafka import KafkaLog
    from spark_jobs.live.views import APPENDED, LiveTopic
    from streaming.codecs.avro import Codec
    from streaming.codecs.registry import RegistryClient

    registry, log = RegistryClient(settings.registry.url), KafkaLog(settings)
    found = []
    for contract in contracts:
        columns = [c.name for c in contract.columns if c.personal_data not in HIDDEN]
        instants = [c.name for c in contract.columns if str(c.arrow_type).startswith("timestamp")]
        if window.event_time not in {*instants, APPENDED}:
            raise MediaAnalyticsError(
                f"--event-time is {window.event_time!r}; {contract.name} has {', '.join([*instants, APPENDED])}"
            )
        reader = Codec.from_file(contract.name).schema
        writers = registry.versions(f"{contract.name}-value")
        # Spark's own `latest` is the end when its first batch is planned, seconds later.
        start = log.offsets_at(contract.name, since) if since else log.end_offsets(contract.name)
        found.append(LiveTopic(contract.name, reader, writers, columns, start))
    registry.close()
    return found


@contextmanager
def _checkpoint(settings: "Settings") -> Iterator[str]:
    """A folder for the query's state that both sides reach; removed with all it holds.

    Raises:
        MediaAnalyticsError: there is no such place.
    """
    if settings.spark.live_checkpoints is None and not settings.local:
        raise MediaAnalyticsError(
            "the Spark cluster needs a folder for the state of live queries: set "
            "MEDIA_ANALYTICS_SPARK__LIVE_CHECKPOINTS to one that its executors and this machine reach"
        )
    from pyarrow import fs

    root = settings.spark.live_checkpoints or str(settings.home / "run" / "live-sql")
    if "://" not in root:
        _sweep(Path(root))
    folder = f"{root.rstrip('/')}/{os.getpid()}-{uuid.uuid4().hex}"
    try:
        yield folder
    finally:
        system, path = (
            fs.FileSystem.from_uri(without_hadoop(folder))
            if "://" in folder
            else (fs.LocalFileSystem(), folder)
        )
        with suppress(FileNotFoundError):
            system.delete_dir(path)


def _sweep(root: Path) -> None:
    """Remove what killed commands left."""
    import psutil

    for left in root.glob("*-*"):
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


class _Shown:
    """Prints batches of rows as tables, or as JSON lines."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console: Console | None = None

    def print(self, columns: Sequence[str], rows: Sequence["Row"]) -> None:
        """One batch."""
        if self._as_json:
            for row in rows:
                typer.echo(json.dumps(row.asDict(recursive=True), default=str, ensure_ascii=False))
            return
        from rich.table import Table

        table = Table(*columns, title=f"{datetime.now(UTC):%H:%M:%S} UTC", box=None, title_justify="left")
        for row in rows:
            table.add_row(*(cell(value) for value in row))
        self._out().print(table)

    def say(self, text: str) -> None:
        """A word to the person, beside the rows."""
        typer.echo(text, err=True)

    def _out(self) -> "Console":
        if self._console is None:
            self._console = wide_console()
        return self._console


def _explained(error: "PySparkException") -> str:
    """Spark's message in short, with what to do where that is known."""
    from spark_jobs.live.query import short

    text = short(error)
    condition = error.getCondition() or ""
    if "TABLE_OR_VIEW_NOT_FOUND" in condition:
        return f"{text} — {_listed()}"
    if "outputMode" in text or "output mode" in text.lower() or "OUTPUT_MODE" in condition:
        return f"{text} — try another --mode: `complete` for sorted results, `append` for joins"
    if "UNRESOLVED_COLUMN" in condition:
        return f"{text} — columns that name a person are not there; `visitor_key` tells visitors apart"
    return f"Spark refuses the statement: {text}"


class Interrupt:
    """Ctrl-C and SIGTERM raise `KeyboardInterrupt`, and are remembered.

    Raised inside a callback (garbage collection, gRPC), Python prints the exception and goes on: the statement would
    run for ever.
    """

    def __init__(self) -> None:
        """Take both signals from now on."""
        self.is_asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, signal_number: int, frame: FrameType | None) -> NoReturn:
        self.is_asked = True
        raise KeyboardInterrupt
