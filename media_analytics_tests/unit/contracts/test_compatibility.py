"""The BACKWARD rule: what it refuses, that the message names the field, and that fastavro reads what it allows."""

from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.compatibility import incompatibilities
from media_analytics.contracts.registry import TOPICS, topic

INSTANT = {"type": "long", "logicalType": "timestamp-micros"}


def _record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def _field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


@pytest.mark.parametrize(
    ("new", "old", "message"),
    [
        (_field("a", "string"), None, "field 'a' is new and has no default"),
        (_field("a", "int"), _field("a", "long"), "field 'a': was long and is int"),
        (_field("a", "string"), _field("a", "int"), "field 'a': was int and is string"),
        (_field("a", "long"), _field("a", ["null", "long"]), "field 'a': could be null and cannot any more"),
        (_field("a", INSTANT), _field("a", "long"), "the numbers would change their meaning"),
        (
            _field("a", ["null", "int"], default=None),
            _field("a", ["null", "long"]),
            "field 'a': was long, which none",
        ),
        (
            _field("a", {"type": "map", "values": "int"}),
            _field("a", {"type": "map", "values": "string"}),
            "field 'a': was string and is int",
        ),
    ],
)
def test_refused(new: dict[str, Any], old: dict[str, Any] | None, message: str) -> None:
    (problem,) = incompatibilities(_record(new), _record(*([old] if old else [])))
    assert message in problem


def test_another_record_name_is_refused() -> None:
    (problem,) = incompatibilities(_record(name="New"), _record(name="Old"))
    assert "'New'" in problem
    assert "'Old'" in problem


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (_field("a", ["null", "string"], default=None), None),
        (_field("a", "boolean", default=False), None),
        (_field("a", ["null", "long"], default=None), _field("a", "int")),
        (_field("a", "double"), _field("a", "int")),
        (None, _field("a", "string")),
    ],
)
def test_allowed(new: dict[str, Any] | None, old: dict[str, Any] | None) -> None:
    assert incompatibilities(_record(*([new] if new else [])), _record(*([old] if old else []))) == []


@pytest.mark.parametrize("contract", TOPICS.values(), ids=lambda c: c.name)
def test_a_contract_reads_itself(contract: Any) -> None:
    assert incompatibilities(avro_schema(contract), avro_schema(contract)) == []


def test_making_a_required_field_of_a_contract_new_names_it() -> None:
    schema = avro_schema(topic("user.latest"))
    old = schema | {"fields": [f for f in schema["fields"] if f["name"] != "device_type"]}
    (problem,) = incompatibilities(schema, old)
    assert "'device_type'" in problem
    assert "nullable" in problem


_SIMPLE = {
    "int": st.integers(-5, 5),
    "long": st.integers(-(2**40), 2**40),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=3),
    "boolean": st.booleans(),
}


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A new schema, an old schema and a record of the old one."""
    old, new, record = [], [], {}
    for name in "abc":
        fate = draw(st.sampled_from(("kept", "kept", "added", "removed")))
        kind = draw(st.sampled_from(sorted(_SIMPLE)))
        optional = draw(st.booleans())
        if fate != "added":
            old.append(_field(name, ["null", kind] if optional else kind))
            record[name] = draw(st.none() | _SIMPLE[kind] if optional else _SIMPLE[kind])
        if fate != "removed":
            kind = draw(st.sampled_from(sorted(_SIMPLE))) if draw(st.booleans()) else kind
            nullable = draw(st.booleans())
            default = {"default": None} if nullable and draw(st.booleans()) else {}
            new.append(_field(name, ["null", kind] if nullable else kind, **default))
    return _record(*new), _record(*old), record


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(pair=_pairs())
def test_what_is_allowed_fastavro_reads(pair: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    new, old, record = pair
    if incompatibilities(new, old):
        return
    buffer = BytesIO()
    schemaless_writer(buffer, parse_schema(old), record)
    read = schemaless_reader(BytesIO(buffer.getvalue()), parse_schema(old), parse_schema(new))
    assert isinstance(read, dict)
    for field in new["fields"]:
        assert read[field["name"]] == record.get(field["name"])
