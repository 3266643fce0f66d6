"""Which messages are whole."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_analytics_tests.builders.streams import NOON, raw_event
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.generate import UnsupportedSchemaError
from streaming.codecs.registry import UnknownSchemaError
from streaming.sinks.datums import BrokenDatumError, Datums, walker

CODEC = Codec.from_file("user.latest")


class OneSchemaRegistry:
    """Knows id 7 and nothing else."""

    def schema_by_id(self, schema_id: int) -> dict[str, Any]:
        if schema_id == 8:
            return {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "string"}]}
        if schema_id != 7:
            raise UnknownSchemaError(f"schema id {schema_id} is not in the registry")
        return CODEC.schema


def latest_event(**fields: Any) -> dict[str, Any]:
    empty = {field["name"]: None for field in CODEC.schema["fields"]}
    derived = {
        "is_clock_corrected": False,
        "device_type": "phone",
        "is_bot": False,
        "referrer_medium": "direct",
        "enrichment_version": "1",
        "source_topic": "user.raw",
        "source_partition": 5,
        "source_offset": 5,
        "appended_at": NOON,
    }
    return empty | raw_event() | derived | fields


@pytest.fixture
def datums() -> Datums:
    return Datums(OneSchemaRegistry(), "UserLatest")


texts = st.text(max_size=200)


@settings(deadline=None)
@given(
    title=st.none() | texts,
    properties=st.dictionaries(texts, texts, max_size=5),
    consent=st.none() | st.lists(texts, max_size=4),
    position=st.none() | st.integers(-(2**31), 2**31 - 1),
    engaged_seconds=st.none() | st.floats(allow_nan=False),
    bytes_sent=st.none() | st.integers(-(2**63), 2**63 - 1),
    source_offset=st.integers(0, 2**62),
)
def test_every_encoded_record_is_whole_and_no_part_of_it_is(**fields: Any) -> None:
    """A walker that steps one byte too far or too short would dead-letter good events."""
    value = header(7) + CODEC.encode(latest_event(**fields))
    datums = Datums(OneSchemaRegistry(), "UserLatest")
    datums.check(value)
    for wrong in (value[:-1], value + b"\x00", value[: len(value) // 2], value + value[5:]):
        with pytest.raises(BrokenDatumError):
            datums.check(wrong)


def test_the_walk_of_a_record_inside_others_ends_where_the_next_begins() -> None:
    datum = CODEC.encode(latest_event(properties={"a": "b"}, consent=["analytics"]))
    assert walker(CODEC.schema)(b"xxx" + datum + datum, 3) == 3 + len(datum)


def test_blocks_with_a_size_are_walked() -> None:
    """Avro allows a negative count followed by the block's size; other languages' writers use it."""
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "a", "type": {"type": "map", "values": "string"}}],
    }
    assert walker(schema)(b"\x01\x08\x02a\x02b\x00", 0) == 7


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "undecodable"),
        (b"", "undecodable"),
        (b"\x00\x00\x00", "undecodable"),
        (b"\x01\x00\x00\x00\x07x", "undecodable"),
        (header(7), "undecodable"),
        (header(7) + b"\xff" * 40, "undecodable"),
        (header(7) + b"garbage" * 20, "undecodable"),
        (header(9) + b"x", "unknown_schema"),
        (header(8) + b"\x02a", "undecodable"),
        (b'{"json": true}', "undecodable"),
    ],
)
def test_broken_messages(datums: Datums, value: bytes | None, reason: str) -> None:
    with pytest.raises(BrokenDatumError) as raised:
        datums.check(value)
    assert raised.value.reason == reason


def test_a_length_beyond_the_value_is_found_before_the_neighbour_is_read(datums: Datums) -> None:
    whole = header(7) + CODEC.encode(latest_event())
    broken = header(7) + b"\x80\x80\x80\x10" + whole[9:]
    with pytest.raises(BrokenDatumError):
        datums.check(broken)


def test_a_type_the_generator_does_not_know_is_named() -> None:
    with pytest.raises(UnsupportedSchemaError, match="fixed"):
        walker(
            json.loads(
                '{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"f","size":2}}]}'
            )
        )
