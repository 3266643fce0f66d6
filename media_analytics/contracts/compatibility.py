"""Whether a reader with a new Avro schema understands what writers with the old one wrote (BACKWARD).

Belongs here: the rule, and messages that name the field and the fix. Does not belong here: asking a registry.
"""

from collections.abc import Mapping, Sequence
from typing import Any

# Writer type -> reader types that can take its values (Avro specification, "Schema Resolution").
_PROMOTIONS = {
    "int": {"int", "long", "float", "double"},
    "long": {"long", "float", "double"},
    "float": {"float", "double"},
    "string": {"string", "bytes"},
    "bytes": {"bytes", "string"},
}


def incompatibilities(reader: Mapping[str, Any], writer: Mapping[str, Any]) -> list[str]:
    """What a reader of the new record schema could not read; empty when it reads everything.

    Args:
        reader: the new record schema.
        writer: the record schema that messages in the topic were written with.
    """
    if reader["name"] != writer["name"]:
        return [f"the record is named {reader['name']!r} but was {writer['name']!r}; keep the name"]
    written = {field["name"]: field for field in writer["fields"]}
    problems = []
    for field in reader["fields"]:
        name = field["name"]
        if name not in written:
            if "default" not in field:
                problems.append(
                    f"field {name!r} is new and has no default, so messages of older producers cannot be read; "
                    "make it nullable or give it an avro_default"
                )
            continue
        reason = _unreadable(field["type"], written[name]["type"])
        if reason:
            problems.append(f"field {name!r}: {reason}; add a field with another name instead")
    return problems


def _unreadable(reader: Any, writer: Any) -> str | None:
    """Why values of the type `writer` cannot be read as `reader`; None when they can."""
    if isinstance(writer, list):
        return _first(_unreadable(reader, branch) for branch in writer)
    if isinstance(reader, list):
        if any(_unreadable(branch, writer) is None for branch in reader):
            return None
        return f"was {_name(writer)}, which none of {_name(reader)} reads"
    if _logical(reader) != _logical(writer):
        return f"was {_name(writer)} and is {_name(reader)}: the numbers would change their meaning"
    kind, was = _kind(reader), _kind(writer)
    if kind == was == "array":
        return _unreadable(reader["items"], writer["items"])
    if kind == was == "map":
        return _unreadable(reader["values"], writer["values"])
    if kind in _PROMOTIONS.get(was, {was}):
        return None
    if was == "null":
        return "could be null and cannot any more, but older messages may hold null"
    return f"was {_name(writer)} and is {_name(reader)}"


def _first(reasons: Any) -> str | None:
    return next((reason for reason in reasons if reason is not None), None)


def _kind(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, Mapping) else str(schema)


def _logical(schema: Any) -> str | None:
    return schema.get("logicalType") if isinstance(schema, Mapping) else None


def _name(schema: Any) -> str:
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return " or ".join(_name(branch) for branch in schema)
    return _logical(schema) or _kind(schema)
