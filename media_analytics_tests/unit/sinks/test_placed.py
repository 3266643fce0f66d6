"""Values with their coordinates are an Avro file that any reader understands."""

import io
from dataclasses import dataclass
from typing import Any

import fastavro
from hypothesis import given, settings
from hypothesis import strategies as st

from media_analytics_tests.builders.family_events import family_event
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.instants import microseconds
from streaming.sinks.datums import Datums
from streaming.sinks.placed import PlacedValues

CODEC = Codec.from_file("interactions.events")
NEWER = Codec(
    CODEC.schema
    | {"fields": [*CODEC.schema["fields"], {"name": "screen", "type": ["null", "string"], "default": None}]}
)


@dataclass
class AMessage:
    """A message at a place."""

    data: bytes
    at: tuple[int, int]
    milliseconds: int

    def value(self) -> bytes:
        return self.data

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def timestamp(self) -> tuple[int, int]:
        return 2, self.milliseconds


class TwoSchemas:
    """Knows the schema of this release under 7 and a newer one under 9."""

    def schema_by_id(self, schema_id: int) -> dict[str, Any]:
        return {7: CODEC.schema, 9: NEWER.schema}[schema_id]


def read(messages: list[AMessage]) -> list[dict[str, Any]]:
    """The file of the messages, as fastavro reads it."""
    datums = Datums(TwoSchemas(), "InteractionsEvents")
    for message in messages:
        datums.check(message.value())
    file = b"".join(PlacedValues("interactions.events", datums)(messages))
    return list(fastavro.reader(io.BytesIO(file)))


texts = st.text(max_size=100)


@settings(deadline=None, max_examples=60)
@given(
    events=st.lists(
        st.tuples(
            texts,
            st.none() | texts,
            st.integers(0, 2**63 - 1),
            st.integers(0, 2**31 - 1),
            st.integers(0, 2**62),
            st.integers(0, 4_102_444_800_000),
            st.booleans(),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_every_record_is_read_back_with_its_place(events: list[tuple[Any, ...]]) -> None:
    """One byte too many or too few in a value would shift every later field and row of the insert."""
    messages, wanted = [], []
    for customer, code, latency, partition, offset, milliseconds, is_newer in events:
        event = family_event("interactions", customer_id=customer, error_code=code, latency_ms=latency)
        event = event | ({"screen": code} if is_newer else {})
        codec, schema_id = (NEWER, 9) if is_newer else (CODEC, 7)
        messages.append(AMessage(header(schema_id) + codec.encode(event), (partition, offset), milliseconds))
        wanted.append((event, partition, offset, milliseconds))
    rows = read(messages)
    assert len(rows) == len(wanted)
    for row, (event, partition, offset, milliseconds) in zip(rows, wanted, strict=True):
        place = (row.pop("source_topic"), row.pop("source_partition"), row.pop("source_offset"))
        assert place == ("interactions.events", partition, offset)
        assert microseconds(row.pop("appended_at")) == milliseconds * 1000
        times = {name: microseconds(row.pop(name)) for name in ("occurred_at", "received_at")}
        assert row.pop("screen", None) == event.get("screen")
        assert row | times == {name: value for name, value in event.items() if name != "screen"}
