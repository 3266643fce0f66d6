"""Records of a topic, read in bounded parts.

Belongs here: a record as it stands in Kafka, cutting a range of offsets into parts of at most so many bytes. Does not
belong here: what a record says (`rows.py`), which range is due (`automation/`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from media_analytics.resources.kafka import KafkaLog

Offsets = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Record:
    """One message. `appended_at` is its log-append time in microseconds since 1970."""

    partition: int
    offset: int
    appended_at: int
    value: bytes | None


@dataclass(frozen=True)
class Part:
    """Records of `[first, end)` of each partition, all of them."""

    first: Offsets
    end: Offsets
    records: tuple[Record, ...]


def parts(kafka: KafkaLog, topic: str, first: Offsets, end: Offsets, max_bytes: int) -> Iterator[Part]:
    """The range in parts of at most `max_bytes` of values each, or of one record that is larger.

    Markers of transactions have offsets and are no records: the last part ends where the range ends.
    """
    begin = {p: first[p] for p in end}
    place = dict(begin)
    found: list[Record] = []
    size = 0
    for message in kafka.messages(topic, first, end):
        partition, offset, value = message.partition() or 0, message.offset() or 0, message.value()
        if found and size + len(value or b"") > max_bytes:
            yield Part(begin, place, tuple(found))
            begin, place, found, size = place, dict(place), [], 0
        found.append(Record(partition, offset, message.timestamp()[1] * 1000, value))
        place[partition] = offset + 1
        size += len(value or b"")
    if any(begin[p] < end[p] for p in end):
        yield Part(begin, dict(end), tuple(found))
