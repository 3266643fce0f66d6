"""Which announced events stand in their topic.

Belongs here: looking for them after a replay was stopped. Does not belong here: what follows from it (`replay.py`).

Records of `user.raw` hold full addresses and only the enricher reads them, so an event of that topic is looked for
where the enricher put it, under the coordinates it has in `user.raw`: `user.latest`, or the letters.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from confluent_kafka import Message

from media_analytics.dead_letters.ledger import key_of
from media_analytics.errors import ServiceError
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec, DecodeError
from streaming.codecs.framing import FramingError, unframe
from streaming.codecs.registry import RegistryClient, UnknownSchemaError
from streaming.dead_letters.letters import TOPIC as LETTERS

HEADER = "media_analytics.replay"
RAW, LATEST, GROUP = "user.raw", "user.latest", "enricher"
# How long a stopped replay waits for the enricher to have read what may be its events.
ENRICHER_SECONDS = 120.0
_POLL_SECONDS = 0.5
# Clocks of this host and of the broker may differ.
_CLOCKS = timedelta(minutes=5)
Place = tuple[int, int]  # partition, offset


class Standing:
    """Looks in topics from the announced offsets on."""

    def __init__(
        self, settings: Settings, kafka: KafkaLog, enricher_seconds: float = ENRICHER_SECONDS
    ) -> None:
        """Keep the settings; connect with the first question."""
        self._settings = settings
        self._kafka = kafka
        self._enricher_seconds = enricher_seconds

    def places(self, topic: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Place]:
        """Partition and offset of the announced events that stand in their topic, by `key_of`.

        Raises:
            ServiceError: Kafka does not answer, or the enricher has not read the newest records in time.
        """
        topic_id = self._kafka.topic(topic).topic_id
        # Events of a topic that was made anew are gone with it.
        mine = [row for row in rows if row["target_topic_id"] == topic_id]
        if not mine:
            return {}
        firsts = [{int(p): offset for p, offset in json.loads(row["first_offsets"]).items()} for row in mine]
        first = {p: min(one.get(p, 0) for one in firsts) for p in self._kafka.end_offsets(topic)}
        return self._enriched(mine, first) if topic == RAW else self._named(topic, mine, first)

    def _named(
        self, topic: str, rows: Sequence[Mapping[str, Any]], first: Mapping[int, int]
    ) -> dict[str, Place]:
        """By the name in the header of each message."""
        wanted, found = {key_of(row) for row in rows}, dict[str, Place]()
        low, end = self._kafka.first_offsets(topic), self._kafka.end_offsets(topic)
        start = {p: max(low[p], first.get(p, 0)) for p in end}
        for message in self._kafka.messages(topic, start, end):
            name = name_of(message)
            if name in wanted:
                found.setdefault(name, (message.partition() or 0, message.offset() or 0))
        return found

    def _enriched(self, rows: Sequence[Mapping[str, Any]], first: Mapping[int, int]) -> dict[str, Place]:
        """By event id, at or after the announced offsets: an event that stands is not sent again, whoever sent it."""
        self._wait_for_enricher(first)
        names: dict[str, list[str]] = {}
        for row in rows:
            names.setdefault(row["event_id"], []).append(key_of(row))
        since = min(row["announced_at"] for row in rows) - _CLOCKS
        found: dict[str, Place] = {}
        letters = self._kafka.records(LETTERS, since)
        enricher_letters = (x for x in letters if x["stage"] == GROUP and x["source_topic"] == RAW)
        start, end = self._kafka.offsets_at(LATEST, since), self._kafka.end_offsets(LATEST)
        for record in _both(self._decoded(self._kafka.messages(LATEST, start, end)), enricher_letters):
            partition, offset = record["source_partition"], record["source_offset"]
            if record["event_id"] in names and offset >= first.get(partition, 0):
                for name in names[record["event_id"]]:
                    found.setdefault(name, (partition, offset))
        return found

    def _wait_for_enricher(self, first: Mapping[int, int]) -> None:
        end = self._kafka.end_offsets(RAW)
        wanted = {p: offset for p, offset in end.items() if offset > first.get(p, 0)}
        deadline = time.monotonic() + self._enricher_seconds
        while True:
            reached = self._kafka.committed(GROUP).get(RAW, {})
            behind = sum(max(0, offset - reached.get(p, 0)) for p, offset in wanted.items())
            if not behind:
                return
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"an earlier replay was stopped, and the enricher has yet to read {behind} records of {RAW} that "
                    "may be its events; see `media-analytics status`, then start the replay again"
                )
            time.sleep(_POLL_SECONDS)

    def _decoded(self, messages: Iterable[Message]) -> Iterator[Mapping[str, Any]]:
        codec, registry = Codec.from_file(LATEST), RegistryClient(self._settings.registry.url)
        try:
            for message in messages:
                try:
                    schema_id, datum = unframe(message.value() or b"")
                    yield codec.decode_as(datum, schema_id, registry.schema_by_id(schema_id))
                except (FramingError, DecodeError, UnknownSchemaError):
                    # What the enricher wrote can be decoded; anything else is no event of ours.
                    continue
        finally:
            registry.close()


def name_of(message: Message) -> str:
    """The name of the replayed event that a message carries; empty for every other message."""
    headers = message.headers() or []
    for name, value in headers.items() if isinstance(headers, dict) else headers:
        if name == HEADER and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return ""


def _both(*sources: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for source in sources:
        yield from source
