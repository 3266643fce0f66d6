"""Contract to Avro schema, and whether a changed schema can still read what old writers wrote.

Belongs here: the mapping of types and the BACKWARD rule. Does not belong here: encoding messages
(`streaming/codecs`).
"""

import json
from typing import Any

import pyarrow as pa

from media_analytics.contracts.model import Column, TopicContract
from media_analytics.errors import ContractError

NAMESPACE = "media_analytics"


def avro_type(arrow_type: pa.DataType) -> Any:
    """The Avro type of a column that is never null.

    Texts stay texts where the contract lists values: Avro enums cannot grow under BACKWARD.

    Raises:
        ContractError: the type has no Avro form here.
    """
    if pa.types.is_timestamp(arrow_type):
        return {"type": "long", "logicalType": "timestamp-micros"}
    if pa.types.is_date32(arrow_type):
        return {"type": "int", "logicalType": "date"}
    if pa.types.is_map(arrow_type):
        return {"type": "map", "values": avro_type(arrow_type.item_type)}
    if pa.types.is_list(arrow_type):
        return {"type": "array", "items": avro_type(arrow_type.value_type)}
    names = {
        pa.string(): "string",
        pa.binary(): "bytes",
        pa.bool_(): "boolean",
        pa.int32(): "int",
        pa.int64(): "long",
        pa.float64(): "double",
    }
    if arrow_type not in names:
        raise ContractError(f"no Avro type for {arrow_type}; use one of the types in contracts/rules.py")
    return names[arrow_type]


def _field(column: Column) -> dict[str, Any]:
    value_type = avro_type(column.arrow_type)
    field: dict[str, Any] = {"name": column.name, "type": value_type, "doc": column.description}
    if column.nullable:
        field["type"] = ["null", value_type]
        field["default"] = None
    elif column.has_default:
        field["default"] = column.default
    return field


def avro_schema(contract: TopicContract) -> dict[str, Any]:
    """The record schema of a topic's value. Nullable fields are `["null", T]` with default null."""
    return {
        "type": "record",
        "name": contract.record_name,
        "namespace": NAMESPACE,
        "doc": contract.grain,
        "fields": [_field(column) for column in contract.columns],
    }


def avro_text(contract: TopicContract) -> str:
    """The schema as checked-in text, one field a line."""
    schema = avro_schema(contract)
    fields = ",\n".join(f"    {json.dumps(field)}" for field in schema.pop("fields"))
    head = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in schema.items())
    return f'{{\n{head},\n  "fields": [\n{fields}\n  ]\n}}\n'
