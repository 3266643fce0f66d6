"""Where an event is: one search for each store, cheapest first.

Belongs here: the searches of `media-analytics trace` and what each may cost. Does not belong here: printing, reading
Kafka (`trace_kafka.py`).

Cost: ClickHouse scans one column within its limits; the lake reads one column, of one partition where hour or date
are known; Kafka is read at known coordinates, or from the known time on for at most 100,000 records of a partition.
Only when neither store has the event is the log read from its begin, with progress; its retention bounds that.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pyarrow.dataset as ds
from confluent_kafka import Message
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import ArrowInvalid, fs

from media_analytics.commands.trace_kafka import Log, Progress, RefusedError, append_time
from media_analytics.commands.trace_stops import FIRST_TOPICS, Place, first_topic, stops, stored_events
from media_analytics.contracts.registry import table
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.settings import Settings
from streaming.codecs.instants import instant

_MOST_RECORDS = 100_000


@dataclass
class Trace:
    """Every place found, and the stores that did not answer."""

    event_id: str
    places: list[Place] = field(default_factory=list)
    # Where the way of a coordinate ended before a store; empty when it is everywhere.
    stops: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[Place]:
        """The places in one table or topic."""
        return [place for place in self.places if place.name == name]


def trace(settings: Settings, event_id: str, progress: Progress) -> Trace:
    """Search every store; one that does not answer is named and does not end the search."""
    found = Trace(event_id.strip().lower())
    search = _Search(settings, found, progress)
    for step in (
        search.realtime,
        search.bronze,
        search.kafka,
        search.silver,
        search.session,
        search.dead_letters,
    ):
        try:
            found.places.extend(step())
        except (MediaAnalyticsError, DeltaError, ArrowInvalid, OSError) as error:
            found.unanswered.append(f"{step.__name__}: {str(error)[:300]}")
    if not found.unanswered:
        found.stops.extend(stops(found.places))
    return found


class _Search:
    """The searches of one trace. Later ones use what earlier ones found."""

    def __init__(self, settings: Settings, found: Trace, progress: Progress) -> None:
        self._settings = settings
        self._found = found
        self._progress = progress
        self._id = found.event_id
        self._log = Log(settings)

    def realtime(self) -> Iterator[Place]:
        """Rows and parts in ClickHouse, of every family."""
        store = ClickHouse(self._settings)
        for contract in stored_events("realtime"):
            columns = ", ".join(c for c in _REALTIME_COLUMNS if c in contract.column_names)
            names, rows = store.named_rows(
                f"SELECT _part AS part, {columns} FROM {contract.full_name} WHERE event_id = {{id:String}} "
                "ORDER BY appended_at",
                {"id": self._id},
                comment="media-analytics trace",
            )
            for row in rows:
                yield Place("clickhouse", contract.full_name, dict(zip(names, row, strict=True)))

    def bronze(self) -> Iterator[Place]:
        """Rows, files and versions in the lake's bronze tables: those of the family it is known to be of, else all."""
        known = [p for contract in stored_events("realtime") for p in self._found.of(contract.full_name)]
        topics = {str(p.facts["source_topic"]) for p in known}
        hours = sorted({_hour(p.facts["appended_at"]) for p in known})
        wanted = ds.field("event_id") == self._id
        for contract in stored_events("bronze"):
            if topics and first_topic(contract) not in topics:
                continue
            near = list(self._lake_rows(contract.full_name, wanted & ds.field("appended_hour").isin(hours)))
            yield from near or self._lake_rows(contract.full_name, wanted)

    def kafka(self) -> Iterator[Place]:
        """The messages in the first topic of its family, and in user.latest."""
        known = {
            (str(p.facts["source_topic"]), p.facts["source_partition"], p.facts["source_offset"]): p.facts[
                "appended_at"
            ]
            for p in self._rows()
        }
        if not known:
            for topic in (*FIRST_TOPICS, "user.latest"):
                yield from self._if_read(self._scanned(topic))
            return
        for (topic, partition, offset), appended_at in sorted(known.items()):
            yield from self._if_read(self._message(topic, partition, offset, appended_at))
            if topic == "user.raw":
                yield from self._if_read(self._latest(partition, offset, appended_at))

    def _if_read(self, places: Iterator[Place]) -> Iterator[Place]:
        """The places. A topic that this user may not read is named, and the search goes on in the others."""
        try:
            yield from places
        except RefusedError as error:
            self._found.unanswered.append(f"kafka: {str(error)[:300]}")

    def _message(self, topic: str, partition: int, offset: int, appended_at: datetime) -> Iterator[Place]:
        message = self._log.at(topic, partition, offset)
        yield _message_place(topic, partition, offset, appended_at, is_kept=message is not None)

    def _rows(self) -> Iterator[Place]:
        """Rows of stores that hold coordinates of the event."""
        for contract in (*stored_events("realtime"), *stored_events("bronze")):
            yield from self._found.of(contract.full_name)

    def silver(self) -> Iterator[Place]:
        """The row of the event in silver."""
        events = (*self._found.of("realtime.user_events"), *self._found.of("bronze.user_events"))
        dates = {p.facts["occurred_at"].astimezone(UTC).date() for p in events}
        wanted = ds.field("event_id") == self._id
        if dates:
            wanted &= ds.field("date").isin(sorted(dates))
        yield from self._lake_rows("silver.events", wanted)

    def session(self) -> Iterator[Place]:
        """The session that holds the event: the visitor's, on the brand, around its time."""
        for event in self._found.of("silver.events"):
            at, visitor = event.facts["occurred_at"], event.facts["visitor_id"]
            if visitor is None:
                continue
            day = at.astimezone(UTC).date()
            wanted = (
                ds.field("date").isin([day - timedelta(days=n) for n in range(3)])
                & (ds.field("brand") == event.facts["brand"])
                & (ds.field("visitor_id") == visitor)
                & (ds.field("started_at") <= at)
                & (ds.field("ended_at") >= at)
            )
            yield from self._lake_rows("silver.sessions", wanted)

    def dead_letters(self) -> Iterator[Place]:
        """Letters about the event or its coordinates, of every stage."""
        messages = [p for topic in FIRST_TOPICS for p in self._found.of(topic)]
        coordinates = {(p.name, p.facts["partition"], p.facts["offset"]) for p in messages}
        times = [p.facts["appended_at"] for p in messages]
        ranges = (
            self._log.since("dead_letters", min(times), _MOST_RECORDS)
            if times
            else self._log.whole("dead_letters")
        )
        for message in self._log.scan("dead_letters", ranges, lambda m: True, self._progress):
            letter = self._log.decoded(message)
            place = tuple(letter.get(f"source_{name}") for name in ("topic", "partition", "offset"))
            if letter.get("event_id") == self._id or place in coordinates:
                yield _letter_place(message, letter)

    def _scanned(self, topic: str) -> Iterator[Place]:
        """The whole topic: an id is text inside the value, so only values that hold it are decoded."""
        needle = self._id.encode()
        for message in self._log.scan(
            topic, self._log.whole(topic), lambda m: needle in (m.value() or b""), self._progress
        ):
            if self._log.decoded(message).get("event_id") == self._id:
                partition, offset = message.partition() or 0, message.offset() or 0
                yield _message_place(topic, partition, offset, append_time(message), is_kept=True)

    def _latest(self, partition: int, offset: int, appended_at: datetime) -> Iterator[Place]:
        """The message made of a raw one: where bronze says, else searched from its time on."""
        for row in self._found.of("bronze.user_events"):
            if (row.facts["source_partition"], row.facts["source_offset"]) == (partition, offset):
                at = row.facts["latest_partition"], row.facts["latest_offset"]
                message = self._log.at("user.latest", *at)
                time = append_time(message) if message is not None else None
                yield _message_place("user.latest", *at, time, is_kept=message is not None)
                return
        start = self._log.since("user.latest", appended_at, _MOST_RECORDS)
        needle = self._id.encode()
        for message in self._log.scan(
            "user.latest",
            {partition: start[partition]},
            lambda m: needle in (m.value() or b""),
            self._progress,
        ):
            record = self._log.decoded(message)
            if (record.get("source_partition"), record.get("source_offset")) == (partition, offset):
                yield _message_place(
                    "user.latest", partition, message.offset() or 0, append_time(message), is_kept=True
                )
                return

    def _lake_rows(self, name: str, wanted: ds.Expression) -> Iterator[Place]:
        contract = table(name)
        path = without_hadoop(self._settings.lake.table_path(contract.layer, contract.name))
        try:
            delta = DeltaTable(path)
        except TableNotFoundError:
            return
        columns = [
            c
            for c in _LAKE_COLUMNS.get(name, _BRONZE_COLUMNS)
            if c in {f.name for f in delta.schema().fields}
        ]
        rows = (
            delta.to_pyarrow_dataset().to_table(columns=[*columns, "__filename"], filter=wanted).to_pylist()
        )
        for row in rows:
            file = row.pop("__filename").removeprefix(path).lstrip("/")
            yield Place(
                "delta", name, row | {"file": file, "version": _version_of(path, delta.version(), file)}
            )


_REALTIME_COLUMNS = (
    "source_topic", "source_partition", "source_offset", "appended_at", "occurred_at", "inserted_at", "brand",
    "visitor_id",
)  # fmt: skip
_BRONZE_COLUMNS = (
    "source_topic", "source_partition", "source_offset", "appended_at", "occurred_at", "latest_partition",
    "latest_offset", "appended_hour", "batch_id", "brand",
)  # fmt: skip
_LAKE_COLUMNS = {
    "silver.events": (
        "date", "occurred_at", "brand", "visitor_id", "source_partition", "source_offset",
    ),
    "silver.sessions": ("session_id", "date", "started_at", "ended_at", "events"),
}  # fmt: skip


def _version_of(path: str, newest: int, file: str) -> int | None:
    """The version that added a file; None when its commit was cleaned into a checkpoint."""
    system, root = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
    for version in range(newest, -1, -1):
        try:
            with system.open_input_stream(f"{root}/_delta_log/{version:020d}.json") as stream:
                text = stream.read().decode()
        except FileNotFoundError:
            return None
        for line in text.splitlines():
            added = json.loads(line).get("add") if '"add"' in line else None
            if added and unquote(added["path"]) == unquote(file):
                return version
    return None


def _message_place(
    topic: str, partition: int, offset: int, appended_at: datetime | None, *, is_kept: bool
) -> Place:
    facts = {"partition": partition, "offset": offset, "appended_at": appended_at, "is_kept": is_kept}
    return Place("kafka", topic, facts)


def _letter_place(message: Message, letter: Mapping[str, Any]) -> Place:
    names = (
        "letter_id",
        "stage",
        "reason",
        "field",
        "message",
        "source_topic",
        "source_partition",
        "source_offset",
    )
    facts = {name: letter[name] for name in names}
    at = {"partition": message.partition(), "offset": message.offset()}
    return Place("kafka", "dead_letters", at | facts | {"received_at": instant(letter["received_at"])})


def _hour(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H")
