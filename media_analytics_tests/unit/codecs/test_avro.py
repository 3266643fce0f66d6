"""The generated codec agrees with fastavro byte by byte, and refuses what is not a datum."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.codecs.avro import Codec, DecodeError, EncodeError

TOPICS = ("user.raw", "user.latest", "dead_letters")

_LONG = st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXT,
    "bytes": st.binary(max_size=200),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": _LONG,
    "double": st.floats(allow_nan=False),
    "float": st.floats(allow_nan=False, width=32),
    "boolean": st.booleans(),
}


def values(schema: Any) -> st.SearchStrategy[Any]:
    """Values of a type."""
    if isinstance(schema, list):
        return st.none() | values(next(s for s in schema if s != "null"))
    if isinstance(schema, dict) and schema["type"] == "array":
        return st.lists(values(schema["items"]), max_size=80)
    if isinstance(schema, dict) and schema["type"] == "map":
        return st.dictionaries(_TEXT, values(schema["values"]), max_size=20)
    return _VALUES[schema["type"] if isinstance(schema, dict) else schema]


def records(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Records of a schema."""
    return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in schema["fields"]})


_PRIMITIVE = st.sampled_from(list(_VALUES))
_TYPE = st.recursive(
    _PRIMITIVE,
    lambda inner: (
        st.builds(lambda i: {"type": "array", "items": i}, inner)
        | st.builds(lambda i: {"type": "map", "values": i}, inner)
    ),
    max_leaves=3,
)
_FIELD_TYPE = _TYPE | st.builds(lambda t: ["null", t], _TYPE) | st.builds(lambda t: [t, "null"], _TYPE)
_SCHEMA = st.lists(_FIELD_TYPE, min_size=1, max_size=8).map(
    lambda types: {
        "type": "record",
        "name": "Any",
        "fields": [{"name": f"f{n}", "type": t} for n, t in enumerate(types)],
    }
)


def fastavro_bytes(schema: Any, record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


@pytest.mark.parametrize("topic", TOPICS)
def test_our_topics_are_written_and_read_as_fastavro_does(topic: str) -> None:
    codec = Codec.from_file(topic)
    # Instants travel as integers here; fastavro would turn them into datetimes.
    plain = fastavro.parse_schema(_without_logical_types(codec.schema))

    @settings(max_examples=60, deadline=None)
    @given(records(codec.schema))
    def check(record: dict[str, Any]) -> None:
        datum = codec.encode(record)
        assert datum == fastavro_bytes(plain, record)
        assert codec.decode(datum) == record

    check()


@settings(max_examples=150, deadline=None)
@given(st.data(), _SCHEMA)
def test_any_supported_schema_is_written_and_read_as_fastavro_does(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    """Catches a block, branch or length written the wrong way in types our topics do not use yet."""
    codec = Codec(schema)
    record = data.draw(records(schema))
    datum = codec.encode(record)
    assert datum == fastavro_bytes(fastavro.parse_schema(schema), record)
    assert codec.decode(datum) == fastavro.schemaless_reader(io.BytesIO(datum), schema, None)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read_never_anything_else(data: bytes) -> None:
    codec = Codec.from_file("user.raw")
    try:
        record = codec.decode(data)
    except DecodeError:
        return
    assert codec.decode(codec.encode(record)) == record


def test_every_cut_of_a_datum_is_refused() -> None:
    codec = Codec.from_file("user.raw")
    datum = codec.encode(_user_record())
    for end in range(len(datum)):
        with pytest.raises(DecodeError):
            codec.decode(datum[:end])
    with pytest.raises(DecodeError):
        codec.decode(datum + b"\x00")


@pytest.mark.parametrize(
    "claimed", [b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff\xff\xff\xff\x0f", b"\x01"]
)
def test_a_length_that_cannot_be_is_refused_without_taking_memory(claimed: bytes) -> None:
    codec = Codec({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})
    with pytest.raises(DecodeError):
        codec.decode(claimed)
    items = Codec(
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "long"}}]}
    )
    with pytest.raises(DecodeError):
        items.decode(claimed)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"position": "3"}, "position"),
        ({"event_id": None}, "event_id"),
        ({"title": b"x"}, "title"),
        ({"properties": {"a": 1}}, "properties"),
        ({"consent": [1]}, "consent"),
        ({"title": "\ud800"}, "title"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(EncodeError) as caught:
        Codec.from_file("user.raw").encode(_user_record() | change)
    assert caught.value.field == field


def test_a_missing_field_without_default_is_named() -> None:
    record = _user_record()
    del record["brand"]
    with pytest.raises(EncodeError) as caught:
        Codec.from_file("user.raw").encode(record)
    assert caught.value.field == "brand"


def test_readers_understand_older_and_newer_writers() -> None:
    old = Codec({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})
    new = Codec(
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "b", "type": ["null", "long"], "default": None},
                {"name": "a", "type": "string"},
                {"name": "c", "type": {"type": "map", "values": "string"}, "default": {}},
            ],
        }
    )
    assert new.decode_as(old.encode({"a": "x"}), 1, old.schema) == {"b": None, "a": "x", "c": {}}
    assert old.decode_as(new.encode({"a": "x", "b": 3, "c": {"k": "v"}}), 2, new.schema) == {"a": "x"}


def test_a_writer_that_lacks_a_required_field_is_refused() -> None:
    writer = {"type": "record", "name": "R", "fields": [{"name": "z", "type": "string"}]}
    reader = Codec({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})
    with pytest.raises(DecodeError, match="field a"):
        reader.decode_as(b"\x00", 7, writer)


def test_structs_are_written_like_dictionaries() -> None:
    class Row:
        def __init__(self, **fields: Any) -> None:
            self.__dict__.update(fields)

    codec = Codec.from_file("user.raw")
    record = _user_record()
    assert codec.encode_struct(Row(**record)) == codec.encode(record)


def _user_record() -> dict[str, Any]:
    fields = Codec.from_file("user.raw").schema["fields"]
    record: dict[str, Any] = {f["name"]: None for f in fields}
    return record | {
        "event_id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": 1_780_000_000_000_000,
        "received_at": 1_780_000_000_000_001,
        "origin": "live",
        "visitor_id": "a:1",
        "consent": ["analytics"],
        "engaged_seconds": 1.5,
        "position": 70,
        "properties": {"k": "v"},
        "is_truncated": False,
    }


def _without_logical_types(schema: dict[str, Any]) -> dict[str, Any]:
    def plain(kind: Any) -> Any:
        if isinstance(kind, list):
            return [plain(k) for k in kind]
        return "long" if isinstance(kind, dict) and "logicalType" in kind else kind

    return schema | {"fields": [f | {"type": plain(f["type"])} for f in schema["fields"]]}
