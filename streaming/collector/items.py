"""One JSON item of the user family, or of the clickstream, to one `user.raw` record.

Belongs here: which fields an item may have, and the order in which its rules are checked. Does not belong
here: the rules (`rules.py`), ids (`identity.py`), log lines (`access_log.py`). The item type is made from
the schema of `user.raw`, so a field added to the contract is accepted without a change here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

from streaming.codecs.generate import Schema
from streaming.collector import identity, rules
from streaming.collector.access import Access, Sender
from streaming.collector.answers import Rejection
from streaming.collector.identity import Visitors
from streaming.collector.shape import explained

# Set by the collector whatever an item says.
_OURS = frozenset({"received_at", "visitor_id", "is_truncated"})
_ENVELOPE = frozenset(
    {"event_id", "event_type", "brand", "occurred_at", "origin", "customer_id", "anonymous_id", "consent"}
)
_CLICK_TYPES = {"click": "click", "view": "page_view", "purchase": "purchase"}

# field of the record -> where a click has it
_CLICK_FIELDS = {
    "page_url": "event.page",
    **{
        name: f"event.{name}"
        for name in ("user_agent", "ip", "customer_id", "query", "product", "referrer", "position")
    },
}

_Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[str, Any] = {
    "string": str,
    "int": _Int32,
    "long": _Int64,
    "double": float,
    "boolean": bool,
    "array": list[str],
    "map": dict[str, str],
}


@dataclass(frozen=True, slots=True)
class Context:
    """What all items of one request share. `peer` is the sender's address, `agent` its User-Agent header."""

    sender: Sender
    brand: str | None
    peer: str | None
    agent: str | None
    received_at: datetime
    received_us: int


class _ClickEvent(msgspec.Struct):
    timestamp: str | float
    user_agent: str | None = None
    ip: str | None = None
    customer_id: str | int | None = None
    page: str | None = None
    query: str | None = None
    product: str | int | None = None
    referrer: str | None = None
    position: _Int32 | None = None


class _Click(msgspec.Struct):
    id: str | int
    type: str
    package_id: str | int
    event: _ClickEvent
    brand: str | None = None


class _Claim(msgspec.Struct):
    event_id: str | None = None


_claim = msgspec.json.Decoder(_Claim)
_LONGEST_CLAIM = 64


def item_type(schema: Schema) -> type[msgspec.Struct]:
    """The type of a user item: every field of the schema, all but type and time optional."""
    fields: list[Any] = [("event_type", str), ("occurred_at", str)]
    for field in schema["fields"]:
        name = field["name"]
        if name in ("event_type", "occurred_at"):
            continue
        kind: Any = msgspec.Raw if name in _OURS else _TYPES[_avro_kind(field["type"])]
        fields.append(
            (name, kind | None if name not in _OURS else kind, msgspec.Raw() if name in _OURS else None)
        )
    return msgspec.defstruct("UserItem", fields, forbid_unknown_fields=True)


def _avro_kind(schema: Any) -> str:
    if isinstance(schema, list):
        schema = next(s for s in schema if s != "null")
    return str(schema["type"] if isinstance(schema, dict) else schema)


class Mapper:
    """Turns items into records for the codec of `user.raw`."""

    def __init__(self, schema: Schema, access: Access, visitors: Visitors, times: rules.Times) -> None:
        names = [(f["name"], _avro_kind(f["type"])) for f in schema["fields"]]
        own = _ENVELOPE | _OURS | {"ip", "user_agent", "properties"}
        self._texts = [n for n, kind in names if kind == "string" and n not in own]
        self._numbers = [n for n, kind in names if n not in own and kind in ("int", "long", "double")]
        self._others = [
            n for n, kind in names if n not in own and kind not in ("string", "int", "long", "double")
        ]
        self._user = msgspec.json.Decoder(item_type(schema))
        self._click = msgspec.json.Decoder(_Click)
        self._access = access
        self._visitors = visitors
        self._times = times

    def user(self, raw: msgspec.Raw, context: Context) -> dict[str, Any]:
        """The record of an item of `/v1/events/user`.

        Raises:
            Rejection: with the field and the rule.
        """
        item: Any = _decoded(self._user, raw)
        if item.event_type not in rules.EVENT_TYPES:
            raise Rejection(
                "unknown_event_type",
                "event_type",
                f"event_type is {item.event_type[:64]!r}; expected one of {', '.join(sorted(rules.EVENT_TYPES))}",
            )
        brand = self._access.brand(item.brand, context.brand, context.sender)
        is_import = _is_import(item.origin, context)
        record: dict[str, Any] = {
            "event_id": rules.uuid_text("event_id", item.event_id) if item.event_id is not None else None,
            "event_type": item.event_type,
            "occurred_at": self._times.occurred(
                "occurred_at",
                rules.iso_instant("occurred_at", item.occurred_at),
                context.received_at,
                is_import=is_import,
            ),
            "origin": "import" if is_import else "live",
            "customer_id": rules.text("customer_id", item.customer_id) if item.customer_id else None,
            "anonymous_id": rules.text("anonymous_id", item.anonymous_id) if item.anonymous_id else None,
            "consent": _consent(item.consent),
            "properties": rules.properties(item.properties) if item.properties else {},
        }
        for name in self._texts:
            value = getattr(item, name)
            record[name] = value if value is None else rules.text(name, value)
        for name in self._numbers:
            value = getattr(item, name)
            bounded = value is not None and name in rules.NUMBER_BOUNDS
            record[name] = rules.number(name, value) if bounded else value
        for name in self._others:
            record[name] = getattr(item, name)
        agent = item.user_agent
        if agent is None and not context.sender.is_server:
            # A browser sends for itself; a server's own header says nothing about the reader.
            agent = context.agent
        self._complete(record, brand, item.ip, agent, context, is_import)
        if record["event_id"] is None:
            record["event_id"] = identity.item_id(msgspec.json.decode(raw), brand)
        return record

    def click(self, raw: msgspec.Raw, context: Context) -> dict[str, Any]:
        """The record of an item of `/v1/clickstream`.

        Raises:
            Rejection: with the field and the rule.
        """
        item: _Click = _decoded(self._click, raw)
        try:
            return self._click_record(item, context)
        except Rejection as rejection:
            # The client knows its own names only.
            name = _CLICK_FIELDS.get(rejection.field or "", rejection.field)
            raise Rejection(rejection.code, name, rejection.message, rejection.kind) from None

    def _click_record(self, item: _Click, context: Context) -> dict[str, Any]:
        event = item.event
        event_type = _CLICK_TYPES.get(item.type)
        if event_type is None:
            raise Rejection(
                "unknown_event_type",
                "type",
                f"type is {item.type[:64]!r}; expected one of click, view, purchase",
            )
        brand = self._access.brand(item.brand, context.brand, context.sender)
        moment = (
            rules.iso_instant("event.timestamp", event.timestamp)
            if isinstance(event.timestamp, str)
            else rules.epoch_instant("event.timestamp", event.timestamp)
        )
        package_id = rules.text("package_id", str(item.package_id))
        record: dict[str, Any] = {
            "event_id": identity.click_id(package_id, rules.text("id", str(item.id))),
            "event_type": event_type,
            "occurred_at": self._times.occurred(
                "event.timestamp", moment, context.received_at, is_import=False
            ),
            "origin": "live",
            "customer_id": None,
            "anonymous_id": None,
            "consent": None,
            "properties": {},
            "position": event.position
            if event.position is None
            else rules.number("position", event.position),
        }
        if event.customer_id not in (None, ""):
            record["customer_id"] = rules.text("customer_id", str(event.customer_id))
        for name, value in (("page_url", event.page), ("query", event.query), ("referrer", event.referrer)):
            record[name] = value if value is None else rules.text(name, value)
        if event.product is not None:
            record["product"] = rules.text("product", str(event.product))
        self._complete(record, brand, event.ip, event.user_agent, context, is_import=False)
        return record

    def _complete(
        self,
        record: dict[str, Any],
        brand: str,
        address: str | None,
        agent: str | None,
        context: Context,
        is_import: bool,
    ) -> None:
        """Add what the collector decides: brand, receipt, address, user agent, visitor."""
        if agent:
            agent = rules.text("user_agent", agent)
        given = address if context.sender.is_server else None
        address = context.peer if given is None else rules.address("ip", given)
        record["brand"] = brand
        record["received_at"] = context.received_us
        record["ip"] = address
        record["user_agent"] = agent or None
        record["is_truncated"] = False
        record["visitor_id"] = self._visitors.visitor_id(
            customer_id=record["customer_id"],
            anonymous_id=record["anonymous_id"],
            host=address,
            user_agent=agent,
            received_at=context.received_at,
            is_import=is_import,
        )


def claimed_id(raw: msgspec.Raw) -> str | None:
    """The event id a refused item claims, so that its sender finds it; None when it has none."""
    try:
        claimed = _claim.decode(raw).event_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return claimed[:_LONGEST_CLAIM] if claimed else None


def _is_import(origin: str | None, context: Context) -> bool:
    if origin is None or origin == "live":
        return False
    if origin != "import":
        raise Rejection("unknown_origin", "origin", f"origin is {origin[:64]!r}; expected live or import")
    if not context.sender.is_server:
        raise Rejection("origin_not_allowed", "origin", "imports need a server key")
    return True


def _consent(purposes: list[str] | None) -> list[str] | None:
    for purpose in purposes or ():
        if purpose not in rules.PURPOSES:
            raise Rejection(
                "unknown_purpose",
                "consent",
                f"consent holds {purpose[:64]!r}; expected some of {', '.join(sorted(rules.PURPOSES))}",
            )
    return purposes


def _decoded(decoder: "msgspec.json.Decoder[Any]", raw: msgspec.Raw) -> Any:
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
