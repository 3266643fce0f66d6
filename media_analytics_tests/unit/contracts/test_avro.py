"""Avro schemas against fastavro: round trip, nulls, integer bounds, defaults.

Catches: a type that loses values, a field that takes null against its contract, a default an old message cannot get.
"""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.validation import validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.model import Column, TopicContract
from media_analytics.contracts.registry import TOPICS
from media_analytics_tests.builders.frames import good_value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONTRACTS = list(TOPICS.values())


def _values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_timestamp(kind):
        return st.integers(0, 4_102_444_800_000_000).map(lambda us: _EPOCH + timedelta(microseconds=us))
    if pa.types.is_map(kind):
        return st.dictionaries(_values(kind.key_type), _values(kind.item_type), max_size=3)
    if pa.types.is_list(kind):
        return st.lists(_values(kind.value_type), max_size=3)
    simple: dict[pa.DataType, st.SearchStrategy[Any]] = {
        pa.string(): st.text(max_size=20),
        pa.binary(): st.binary(max_size=20),
        pa.bool_(): st.booleans(),
        pa.int32(): st.integers(-(2**31), 2**31 - 1),
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.float64(): st.floats(allow_nan=False),
        pa.date32(): st.dates(date(1970, 1, 1), date(2100, 1, 1)),
    }
    return simple[kind]


def _records(contract: TopicContract) -> st.SearchStrategy[dict[str, Any]]:
    def of(column: Column) -> st.SearchStrategy[Any]:
        values = _values(column.arrow_type)
        return st.none() | values if column.nullable else values

    return st.fixed_dictionaries({column.name: of(column) for column in contract.columns})


def _good(contract: TopicContract) -> dict[str, Any]:
    record = {column.name: good_value(contract, column, 0) for column in contract.columns}
    return {
        name: dict(v) if isinstance(v, list) and v and isinstance(v[0], tuple) else v
        for name, v in record.items()
    }


def _encoded(schema: Any, record: dict[str, Any]) -> BytesIO:
    buffer = BytesIO()
    schemaless_writer(buffer, schema, record)
    return BytesIO(buffer.getvalue())


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_records_come_back_as_they_went(contract: TopicContract) -> None:
    schema = parse_schema(avro_schema(contract))

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(record=_records(contract))
    def comes_back(record: dict[str, Any]) -> None:
        assert schemaless_reader(_encoded(schema, record), schema, None) == record

    comes_back()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_null_is_taken_exactly_where_the_contract_says_so(contract: TopicContract) -> None:
    schema = parse_schema(avro_schema(contract))
    record = _good(contract)
    assert validate(record, schema, raise_errors=False)
    taken = {
        c.name for c in contract.columns if validate(record | {c.name: None}, schema, raise_errors=False)
    }
    assert taken == {c.name for c in contract.columns if c.nullable}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_integers_keep_the_bounds_of_their_type(contract: TopicContract) -> None:
    schema = parse_schema(avro_schema(contract))
    record = _good(contract)
    bits = {pa.int32(): 31, pa.int64(): 63}
    for column in contract.columns:
        if column.arrow_type in bits:
            largest = 2 ** bits[column.arrow_type] - 1
            assert validate(record | {column.name: largest}, schema, raise_errors=False)
            assert not validate(record | {column.name: largest + 1}, schema, raise_errors=False)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_a_message_of_a_writer_that_knows_no_optional_field_can_be_read(contract: TopicContract) -> None:
    reader = avro_schema(contract)
    required = [field for field in reader["fields"] if "default" not in field]
    assert 0 < len(required) < len(reader["fields"])
    record = _good(contract)
    old = parse_schema(reader | {"fields": required})
    message = _encoded(old, {field["name"]: record[field["name"]] for field in required})
    read = schemaless_reader(message, old, parse_schema(reader))
    assert isinstance(read, dict)
    defaults = {field["name"]: field["default"] for field in reader["fields"] if "default" in field}
    assert {name: read[name] for name in defaults} == defaults


def test_texts_stay_texts_so_that_lists_of_values_can_grow() -> None:
    for contract in CONTRACTS:
        for field in avro_schema(contract)["fields"]:
            assert "enum" not in str(field["type"])
