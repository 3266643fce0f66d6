"""Source code of a function that turns one typed item of a family into its Kafka message.

Belongs here: what the contract says of each field, said in Python: checks in the order of the schema, the datum written
in the same pass. Does not belong here: the rules' wording (`rules.py`), decoding JSON (`items.py`). One pass without a
record in between takes a third of the time of building a dictionary, checking it and encoding it; a test compares every
message with fastavro's.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from streaming.codecs.families import Family, Rules
from streaming.codecs.framing import header
from streaming.codecs.generate import WRITERS, Schema, varint, write_lines
from streaming.collector import identity, rules
from streaming.collector.access import Access
from streaming.collector.identity import Visitors
from streaming.collector.items import avro_kind, import_of, is_instant
from streaming.collector.request import Context
from streaming.collector.rules import Times

# What the client has to send although the topic may hold null: consent removes it (decision 0012).
_REQUIRED: Mapping[str, tuple[str, ...]] = {"session": ("session_ref",), "security": ("ip", "user_agent")}
_NO_RULES = Rules()


class Event(NamedTuple):
    """An accepted item: its id and brand, the key and the framed message."""

    event_id: str
    brand: str
    key: bytes | None
    message: bytes


# From a typed item, its context, a way to the JSON text of an item, and the item's index.
Reader = Callable[[Any, Context, Callable[[int], msgspec.Raw], int], Event]


def reader(
    family: Family, schema: Schema, schema_id: int, access: Access, visitors: Visitors, times: Times
) -> Reader:
    """A function from a typed item to its event.

    It raises `Rejection` with the field and the rule. The JSON is asked for only when the item has no `event_id`.
    """
    names = {
        "Event": Event,
        "HEADER": header(schema_id),
        "LIVE": _text_datum("live"),
        "IMPORT": _text_datum("import"),
        "BRANDS": {brand: _text_datum(brand) for brand in access.brands},
        **WRITERS,
        "PURPOSES": frozenset(family.rules["consent"].items or ()),
        "brand_of": access.brand,
        "import_of": import_of,
        "occurred": times.occurred,
        "iso": rules.iso_instant,
        "instant": rules.instant,
        "visitor_of": visitors.visitor_id,
        "item_id": lambda raw, brand: identity.item_id(msgspec.json.decode(raw), brand),
        "uuid_text": rules.uuid_text,
        "address": rules.address,
        "truncated": rules.truncated,
        "text_bytes": rules.text_bytes,
        "unknown_word": rules.unknown_word,
        "missing": rules.missing,
        "number": rules.number,
        "properties": rules.properties,
        "texts": rules.texts,
    }
    lines = _prologue(family, schema)
    for field in schema["fields"]:
        lines += _field(family, field, names)
    lines.append(f" return Event(event_id, brand, {_key(family)}, bytes(out))")
    module = compile("\n".join(lines), f"<{family.name} event>", "exec")
    code = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    return types.FunctionType(code, {"__builtins__": __builtins__, **names}, "event")


def _prologue(family: Family, schema: Schema) -> list[str]:
    """Lines that decide what several fields depend on: brand, import, person, address, visitor, consent."""
    fields = {f["name"] for f in schema["fields"]}
    required = _REQUIRED.get(family.name, ())
    lines = ["def event(item, context, raw, index):", " out = bytearray(HEADER)", " sender = context.sender"]
    lines += [
        f" if item.{name} is None: raise missing('{name}')"
        for name in required
        if name not in ("ip", "user_agent")
    ]
    lines += [
        " brand = item.brand",
        " if brand is None or sender.brand is not None or brand not in BRANDS:",
        "  brand = brand_of(brand, context.brand, sender)",
        " is_import = item.origin is not None and import_of(item.origin, context)",
        " customer_id = item.customer_id or None",
        " anonymous_id = item.anonymous_id or None",
        " consent = item.consent",
        " if consent: texts('consent', consent, PURPOSES)",
    ]
    if "user_agent" in fields:
        lines += [
            " agent = item.user_agent",
            # A browser sends for itself; a server's own header says nothing about the reader.
            " if agent is None and not sender.is_server: agent = context.agent",
        ]
        if "user_agent" in required:
            lines.append(" if agent is None: raise missing('user_agent')")
    elif "visitor_id" in fields:
        lines.append(" agent = None if sender.is_server else context.agent")
    if "ip" in fields:
        if "ip" in required:
            lines.append(" if item.ip is None and sender.is_server: raise missing('ip')")
        lines += [
            " ip = context.peer",
            " if item.ip is not None and sender.is_server: ip = address('ip', item.ip)",
        ]
    elif "visitor_id" in fields:
        lines.append(" ip = context.peer")
    if "visitor_id" in fields:
        lines += [
            " if customer_id is not None: visitor_id = 'c:' + customer_id",
            " elif anonymous_id is not None: visitor_id = 'a:' + anonymous_id",
            " else:",
            "  visitor_id = visitor_of(customer_id=None, anonymous_id=None, host=ip, user_agent=agent,",
            "   received_at=context.received_at, is_import=is_import)",
        ]
    # A fact about a person whose address is cut is hashed from the whole address first.
    if family.name == "security":
        lines.append(" if ip is not None: ip = truncated(ip)")
    if family.removed_without_analytics:
        lines.append(" kept = consent is None or 'analytics' in consent")
        lines += [
            f" if not kept: {_local(name)} = None"
            for name in family.removed_without_analytics
            if _local(name) is not None
        ]
    return lines


def _local(name: str) -> str | None:
    """The local variable that the prologue sets for a field."""
    return {"user_agent": "agent"}.get(name) or (
        name if name in ("customer_id", "anonymous_id", "visitor_id", "ip") else None
    )


def _key(family: Family) -> str:
    """The expression of the message key; it is null when consent removed it or the client named none."""
    name = family.key
    value = _local(name) or f"item.{name}"
    if name == "visitor_id" and name not in family.removed_without_analytics:
        return f"{value}.encode()"
    return f"None if {value} is None else {value}.encode()"


def _field(family: Family, field: Mapping[str, Any], names: dict[str, Any]) -> list[str]:
    """Lines that check one field and append its datum."""
    name, schema = field["name"], field["type"]
    rule = family.rules.get(name, _NO_RULES)
    special = {
        "event_id": [
            " event_id = item.event_id",
            " if event_id is None: event_id = item_id(raw(index), brand)",
            " else: event_id = uuid_text('event_id', event_id)",
            # 36 characters of ASCII.
            " out.append(72)",
            " out += event_id.encode()",
        ],
        "brand": [" out += BRANDS[brand]"],
        "occurred_at": [
            " out += varint(occurred('occurred_at', iso('occurred_at', item.occurred_at), context.received_at,"
            " is_import=is_import))"
        ],
        "received_at": [" out += varint(context.received_us)"],
        "origin": [" out += IMPORT if is_import else LIVE"],
        "is_truncated": [" out.append(0)"],
        "consent": write_lines(schema, "consent", 1),
        # Checked already, or made by us.
        "visitor_id": _plain_text("visitor_id", schema),
        "ip": _plain_text("ip", schema),
    }
    if name in special:
        return special[name]
    if name in ("customer_id", "anonymous_id"):
        return _text(name, schema, rule, name, names)
    if name == "user_agent":
        return _text(name, schema, rule, "(agent or None)", names)
    removed = name in family.removed_without_analytics
    value = f"(item.{name} if kept else None)" if removed else f"item.{name}"
    kind = avro_kind(schema)
    if kind == "string":
        return _text(name, schema, rule, value, names)
    lines = [f" v = {value}"]
    if kind == "map":
        return [*lines, " v = properties(v) if v else {}", *write_lines(schema, "v", 1)]
    if kind == "array":
        names[f"ITEMS_{name}"] = frozenset(rule.items) if rule.items else None
        return [*lines, f" if v: texts({name!r}, v, ITEMS_{name})", *write_lines(schema, "v", 1)]
    if is_instant(schema):
        return [*lines, f" v = instant({name!r}, v)", *write_lines(schema, "v", 1)]
    if rule.least is not None or rule.most is not None:
        least, most = rules.bounds(kind, rule)
        outside = f"not {least!r} <= v <= {most!r}"
        condition = f"v is not None and {outside}" if isinstance(schema, list) else outside
        lines.append(f" if {condition}: number({name!r}, v, {least!r}, {most!r})")
    return [*lines, *write_lines(schema, "v", 1)]


def _text(name: str, schema: Any, rule: Rules, value: str, names: dict[str, Any]) -> list[str]:
    """Lines for a text: a word of a list, or a text within its limit and pattern."""
    nullable = isinstance(schema, list)
    null = schema.index("null") if nullable else 0
    pad = "  " if nullable else " "
    begin = [f" v = {value}"]
    if nullable:
        begin += [f" if v is None: out.append({null * 2})", " else:", f"  out.append({(1 - null) * 2})"]
    if rule.words is not None:
        names[f"WORDS_{name}"] = {word: _text_datum(word) for word in rule.words}
        return [
            *begin,
            f"{pad}b = WORDS_{name}.get(v)",
            f"{pad}if b is None: raise unknown_word({name!r}, v, WORDS_{name})",
            f"{pad}out += b",
        ]
    limit = rule.longest or rules.URL_BYTES
    names["PATTERNS"] = names.get("PATTERNS", {}) | (
        {name: rules.pattern(rule.pattern)} if rule.pattern else {}
    )
    matched = (
        [f"{pad}if not PATTERNS[{name!r}].fullmatch(v): raise unknown_word({name!r}, v, ())"]
        if rule.pattern
        else []
    )
    return [
        *begin,
        *matched,
        f"{pad}b = v.encode()",
        f"{pad}n = len(b)",
        f"{pad}if n > {limit} or 0 in b: text_bytes({name!r}, b, {limit})",
        *_length(pad),
        f"{pad}out += b",
    ]


def _plain_text(value: str, schema: Any) -> list[str]:
    """Lines for a text that needs no check."""
    return write_lines(schema, value, 1)


def _length(pad: str) -> Iterable[str]:
    return (
        f"{pad}if n < 64: out.append(n << 1)",
        f"{pad}elif n < 8192:",
        f"{pad} out.append(n << 1 & 127 | 128)",
        f"{pad} out.append(n >> 6)",
        f"{pad}else: out += varint(n)",
    )


def _text_datum(text: str) -> bytes:
    data = text.encode()
    return varint(len(data)) + data
