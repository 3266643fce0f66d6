"""The items of a body as typed values.

Belongs here: which fields an item of a family may have, decoding many at once and one by one. Does not belong here:
rules of values (`families.py`, `rules.py`), ids (`identity.py`), log lines. The item type is made from the schema of
the family's topic, so a field added to the contract is accepted without a change here.
"""

from typing import Annotated, Any

import msgspec

from streaming.codecs.families import Family
from streaming.codecs.generate import Schema
from streaming.collector import body
from streaming.collector.answers import Rejection
from streaming.collector.request import Context
from streaming.collector.shape import explained

# Set by the collector whatever an item says.
OURS = frozenset({"received_at", "visitor_id", "is_truncated"})
# Required by the schema, and not of the client: the collector finds them elsewhere.
_FOUND = frozenset({"event_id", "brand", "origin"})

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[str, Any] = {
    "string": str,
    "int": Int32,
    "long": _Int64,
    "double": float,
    "boolean": bool,
    "array": list[str],
    "map": dict[str, str],
}


class _Claim(msgspec.Struct):
    event_id: str | None = None


_claim = msgspec.json.Decoder(_Claim)
_LONGEST_CLAIM = 64


def is_instant(schema: Any) -> bool:
    """Whether the field is an instant: microseconds in the datum, ISO 8601 in an item."""
    if isinstance(schema, list):
        return any(is_instant(s) for s in schema)
    return isinstance(schema, dict) and schema.get("logicalType") == "timestamp-micros"


def avro_kind(schema: Any) -> str:
    """The Avro type of a field, without null."""
    if isinstance(schema, list):
        schema = next(s for s in schema if s != "null")
    return str(schema["type"] if isinstance(schema, dict) else schema)


def required_fields(schema: Schema) -> list[str]:
    """The fields that every item has to name."""
    return [
        f["name"]
        for f in schema["fields"]
        if f["name"] not in OURS | _FOUND and not isinstance(f["type"], list) and "default" not in f
    ]


def item_type(schema: Schema, family: Family) -> type[msgspec.Struct]:
    """The type of an item: the fields of the schema, those that may be null or are found elsewhere optional."""
    required = required_fields(schema)
    needed: list[Any] = []
    optional: list[Any] = []
    for field in schema["fields"]:
        name = field["name"]
        kind: Any = str if is_instant(field["type"]) else _TYPES[avro_kind(field["type"])]
        if name in OURS:
            optional.append((name, msgspec.Raw, msgspec.Raw()))
        elif name in required:
            needed.append((name, kind))
        else:
            optional.append((name, kind | None, None))
    # No item is part of a cycle: the garbage collector need not look.
    return msgspec.defstruct(
        f"{family.name.title()}Item", [*needed, *optional], forbid_unknown_fields=True, gc=False
    )


class Items:
    """The items of one body: decoded all at once where that is possible, else each alone when it is asked for."""

    def __init__(
        self, data: bytes, many: "msgspec.json.Decoder[Any]", one: "msgspec.json.Decoder[Any]", limit: int
    ) -> None:
        self._data = data
        self._one = one
        self._limit = limit
        self._raws: list[msgspec.Raw] | None = None
        self._typed: list[Any] | None = None
        try:
            self._typed = typed = many.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # One item, or one that is wrong: then each is looked at alone.
            self._raws = body.items(data, limit)
            self._count = len(self._raws)
        else:
            self._count = len(typed)
            body.check_count(self._count, limit)

    def __len__(self) -> int:
        return self._count

    def raw(self, index: int) -> msgspec.Raw:
        """The JSON text of an item."""
        if self._raws is None:
            self._raws = body.items(self._data, self._limit)
        return self._raws[index]

    @property
    def all_typed(self) -> list[Any] | None:
        """All items, when they could be decoded at once."""
        return self._typed

    def typed(self, index: int) -> Any:
        """The typed item.

        Raises:
            Rejection: not UTF-8, a missing or unknown field, or a value of another type.
        """
        return self._typed[index] if self._typed is not None else decoded(self._one, self.raw(index))


def claimed_id(raw: msgspec.Raw) -> str | None:
    """The event id a refused item claims, so that its sender finds it; None when it has none."""
    try:
        claimed = _claim.decode(raw).event_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return claimed[:_LONGEST_CLAIM] if claimed else None


def import_of(origin: str, context: Context) -> bool:
    """Whether an item with this origin is an import.

    Raises:
        Rejection: `unknown_origin`, or `origin_not_allowed`: imports need a server key.
    """
    if origin == "live":
        return False
    if origin != "import":
        raise Rejection("unknown_origin", "origin", f"origin is {origin[:64]!r}; expected live or import")
    if not context.sender.is_server:
        raise Rejection("origin_not_allowed", "origin", "imports need a server key")
    return True


def decoded(decoder: "msgspec.json.Decoder[Any]", raw: msgspec.Raw) -> Any:
    """The typed item.

    Raises:
        Rejection: not JSON, not UTF-8, a missing or unknown field, or a value of another type.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise explained(error, "item") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Rejection("malformed_json", "item", f"the item is not JSON: {error}", "shape") from None
    except UnicodeDecodeError as error:
        raise Rejection("invalid_utf8", "item", f"the item is not UTF-8: {error.reason}", "shape") from None
