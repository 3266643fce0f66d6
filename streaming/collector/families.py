"""Source code of a function that turns one typed item of a family into its Kafka message.

Belongs here: what the contract says of each field, said in Python: checks in the order of the schema, the datum written
in the same pass. Does not belong here: the rules' wording (`rules.py`), decoding JSON (`items.py`), how a value is
written (`datum.py`). One pass without a record in between takes a third of the time of building a dictionary, checking
it and encoding it; a test compares every message with fastavro's.
"""

import types
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from streaming.codecs.families import Family, Rules
from streaming.codecs.framing import header
from streaming.codecs.generate import Schema
from streaming.codecs.instants import microseconds
from streaming.collector import datum, identity, rules
from streaming.collector.access import Access
from streaming.collector.identity import Visitors
from streaming.collector.items import avro_kind, import_of, is_instant
from streaming.collector.request import Context
from streaming.collector.rules import Times

# What the client has to send although the topic may hold null: consent removes it (decision 0012).
_REQUIRED: Mapping[str, tuple[str, ...]] = {"session": ("session_ref",), "security": ("ip", "user_agent")}
_NO_RULES = Rules()
# field -> local variable that the prologue sets
_LOCALS: Mapping[str, str] = {
    "customer_id": "customer_id",
    "anonymous_id": "anonymous_id",
    "visitor_id": "visitor_id",
    "ip": "ip",
    "user_agent": "agent",
}
_MOST_TOGETHER = 4
Written = tuple[list[str], list[str]]

# An accepted item: its id and brand, the key (none: any partition) and the framed message.
Event = tuple[str, str, bytes | None, bytes]
# From a typed item, its context, whether its text may hold a NUL character, a way to the JSON text of an item, and the
# item's index.
Reader = Callable[[Any, Context, bool, Callable[[int], msgspec.Raw], int], Event]


def reader(
    family: Family, schema: Schema, schema_id: int, access: Access, visitors: Visitors, times: Times
) -> Reader:
    """A function from a typed item to its event.

    It raises `Rejection` with the field and the rule. The JSON is asked for only when the item has no `event_id`.
    """
    names = {
        **datum.NAMES,
        "BRANDS": {brand: datum.text(brand) for brand in access.brands},
        "PURPOSES": frozenset(family.rules["consent"].items or ()),
        "brand_of": access.brand,
        "import_of": import_of,
        "occurred": times.of_item,
        "fromisoformat": datetime.fromisoformat,
        "EPOCH": rules.EARLIEST,
        "MICROSECOND": timedelta(microseconds=1),
        "EARLIEST": max(times.earliest_us, datum.EIGHT_BYTES_FROM),
        "LATEST": microseconds(rules.LATEST),
        "canonical": rules.canonical,
        "instant": rules.instant,
        "visitor_of": visitors.of_address,
        "item_id": lambda raw, brand: identity.item_id(msgspec.json.decode(raw), brand),
        "is_uuid": rules.UUID.fullmatch,
        "uuid_text": rules.uuid_text,
        "address": rules.address,
        "truncated": rules.truncated,
        "too_long_or_nul": rules.text_bytes,
        "unknown_word": rules.unknown_word,
        "missing": rules.missing,
        "number": rules.number,
        "properties": rules.properties,
        "texts": rules.texts,
    }
    lines = _prologue(family, schema)
    parts = [datum.quoted(header(schema_id).decode("latin-1"))]
    for group in _groups(family, schema):
        more, written = _group(family, schema, group, names)
        lines += more
        parts += written
    lines.append(f" message = {_formatted(parts)}.encode('latin-1')")
    lines.append(f" return event_id, brand, {_key(family)}, message")
    module = compile("\n".join(lines), f"<{family.name} event>", "exec")
    code = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    return types.FunctionType(code, {"__builtins__": __builtins__, **names}, "event")


def _prologue(family: Family, schema: Schema) -> list[str]:
    """Lines that decide what several fields depend on: brand, import, person, address, visitor, consent."""
    fields = {f["name"] for f in schema["fields"]}
    required = _REQUIRED.get(family.name, ())
    lines = ["def event(item, context, nul, raw, index):", " sender = context.sender"]
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
            " if sender.is_server and item.ip is not None:",
            "  ip = canonical(item.ip) if len(item.ip) <= 64 else None",
            "  if ip is None: ip = address('ip', item.ip)",
        ]
    elif "visitor_id" in fields:
        lines.append(" ip = context.peer")
    if "visitor_id" in fields:
        lines += [
            " if customer_id is not None: visitor_id = 'c:' + customer_id",
            " elif anonymous_id is not None: visitor_id = 'a:' + anonymous_id",
            " else: visitor_id = visitor_of(ip, agent, context.received_at, is_import)",
        ]
    # A fact about a person whose address is cut is hashed from the whole address first.
    if family.name == "security":
        lines.append(" if ip is not None: ip = truncated(ip)")
    if family.removed_without_analytics:
        lines.append(" kept = consent is None or 'analytics' in consent")
        lines += [
            f" if not kept: {_LOCALS[name]} = None"
            for name in family.removed_without_analytics
            if name in _LOCALS
        ]
    return lines


def _key(family: Family) -> str:
    """The expression of the message key; it is null when consent removed it or the client named none."""
    name = family.key
    value = _LOCALS.get(name, f"item.{name}")
    if name == "visitor_id" and name not in family.removed_without_analytics:
        return f"{value}.encode()"
    return f"None if {value} is None else {value}.encode()"


def _groups(family: Family, schema: Schema) -> list[list[int]]:
    """The fields by number; up to four neighbours that the client may leave out stand together."""
    groups: list[list[int]] = []
    is_open = False
    for number, field in enumerate(schema["fields"]):
        is_optional = (
            isinstance(field["type"], list)
            and field["type"][0] == "null"
            and field["name"] not in {*_LOCALS, "consent", *family.removed_without_analytics}
        )
        if is_optional and is_open and len(groups[-1]) < _MOST_TOGETHER:
            groups[-1].append(number)
        else:
            groups.append([number])
        is_open = is_optional
    return groups


def _group(family: Family, schema: Schema, group: list[int], names: dict[str, Any]) -> Written:
    """Lines and parts of a group of fields; most often all of a group is left out."""
    lines: list[str] = []
    parts: list[str] = []
    for number in group:
        more, written = _field(family, schema["fields"][number], number, names)
        lines += more
        parts += written
    if len(group) == 1:
        return lines, parts
    missing = " and ".join(f"item.{schema['fields'][number]['name']} is None" for number in group)
    name = f"g{group[0]}"
    return [
        f" if {missing}: {name} = {datum.NULLS[0] * len(group)!r}",
        " else:",
        *(f" {line}" for line in lines),
        f"  {name} = {_formatted(parts)}",
    ], [f"{{{name}}}"]


def _formatted(parts: list[str]) -> str:
    quotes = "'" * 3
    return f"f{quotes}{''.join(parts)}{quotes}"


def _field(family: Family, field: Mapping[str, Any], number: int, names: dict[str, Any]) -> Written:
    """Lines that check one field, and the parts of the message that write it."""
    name, schema = field["name"], field["type"]
    rule = family.rules.get(name, _NO_RULES)
    if name in ("visitor_id", "ip"):
        return _ours(name, schema, number, names)
    if name in _ENVELOPE:
        names["LIVE"], names["IMPORT"] = datum.text("live"), datum.text("import")
        fixed, part = _ENVELOPE[name]
        return list(fixed), [part]
    kind = avro_kind(schema)
    if kind == "string":
        return _text(name, schema, _value(family, name), rule, number, names)
    lines, value = [f" v{number} = {_value(family, name)}"], f"v{number}"
    if isinstance(schema, dict | str) and "default" in field:
        lines.append(f" if {value} is None: {value} = {field['default']!r}")
    written = f"p{number}"
    if kind == "map":
        expression = f"properties_text({value}, nul, properties) if {value} else {datum.NULLS[0]!r}"
        return [*lines, f" {written} = {expression}"], [f"{{{written}}}"]
    if kind == "array":
        names[f"ITEMS_{name}"] = frozenset(rule.items) if rule.items else None
        lines.append(f" if {value}: texts({name!r}, {value}, ITEMS_{name})")
    elif is_instant(schema):
        lines.append(f" if {value} is not None: {value} = instant({name!r}, {value})")
    elif rule.least is not None or rule.most is not None:
        least, most = rules.bounds(kind, rule)
        outside = f"not {least!r} <= {value} <= {most!r}"
        condition = f"{value} is not None and {outside}" if isinstance(schema, list) else outside
        lines.append(f" if {condition}: number({name!r}, {value}, {least!r}, {most!r})")
    # Not inside the f-string: before Python 3.12 its expressions hold no backslash.
    return [*lines, f" {written} = {datum.expression(schema, value)}"], [f"{{{written}}}"]


# Fields that every family has: lines, and the part that writes it.
_ENVELOPE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "event_id": (
        (
            " event_id = item.event_id",
            " if event_id is None: event_id = item_id(raw(index), brand)",
            " elif not is_uuid(event_id): event_id = uuid_text('event_id', event_id)",
        ),
        datum.quoted(datum.LENGTHS[36]) + "{event_id}",
    ),
    "brand": ((), "{BRANDS[brand]}"),
    "occurred_at": (
        (
            # Whatever is not usual is judged, and worded, by `Times`.
            " try: us = (fromisoformat(item.occurred_at) - EPOCH) // MICROSECOND",
            " except (ValueError, TypeError, OverflowError): us = -1",
            " if is_import or not EARLIEST <= us <= LATEST:",
            "  occurred_text = instant_text("
            "occurred('occurred_at', item.occurred_at, context.received_at, is_import))",
            " else: occurred_text = eight_bytes(us << 1)",
        ),
        "{occurred_text}",
    ),
    "received_at": ((), "{context.received_text}"),
    "origin": ((), "{IMPORT if is_import else LIVE}"),
    "is_truncated": ((), datum.quoted("\x00")),
    "consent": (
        (
            f" if consent is None: purposes = {datum.NULLS[0]!r}",
            " else:",
            "  purposes = USUAL_PURPOSES.get(tuple(consent))",
            "  if purposes is None:",
            "   texts('consent', consent, PURPOSES)",
            "   purposes = purposes_text(consent)",
        ),
        "{purposes}",
    ),
}


def _value(family: Family, name: str) -> str:
    """The expression of a field's value after consent."""
    if name == "user_agent":
        return "agent or None"
    if name in _LOCALS:
        return _LOCALS[name]
    value = f"item.{name}"
    return f"{value} if kept else None" if name in family.removed_without_analytics else value


def _begun(schema: Any, value: str, number: int, names: dict[str, Any]) -> tuple[list[str], str]:
    """The first lines of a text, and the indentation of those for one that is there."""
    if not isinstance(schema, list):
        names[f"HEADS_{number}"] = datum.LENGTHS
        return [f" t{number} = {value}"], " "
    null = schema.index("null")
    names[f"HEADS_{number}"] = datum.heads(1 - null)
    return [
        f" t{number} = {value}",
        f" if t{number} is None: h{number} = {datum.NULLS[null]!r}; t{number} = ''",
        " else:",
    ], "  "


def _ours(name: str, schema: Any, number: int, names: dict[str, Any]) -> Written:
    """A text that we made, or checked already: visitor and address."""
    lines, pad = _begun(schema, name, number, names)
    text = f"t{number}"
    lines += [
        f"{pad}if not {text}.isascii(): {text} = {text}.encode().decode('latin-1')",
        f"{pad}h{number} = HEADS_{number}[len({text})]",
    ]
    return lines, [f"{{h{number}}}{{{text}}}"]


def _text(name: str, schema: Any, value: str, rule: Rules, number: int, names: dict[str, Any]) -> Written:
    """A text of the client: a word of a list, or a text within its limit and pattern."""
    lines, pad = _begun(schema, value, number, names)
    head, text = f"h{number}", f"t{number}"
    if rule.words is not None:
        branch = datum.NULLS[1 - schema.index("null")] if isinstance(schema, list) else ""
        names[f"WORDS_{name}"] = {word: branch + datum.text(word) for word in rule.words}
        lines += [
            f"{pad}{head} = WORDS_{name}.get({text})",
            f"{pad}if {head} is None: raise unknown_word({name!r}, {text}, WORDS_{name})",
        ]
        return lines, [f"{{{head}}}"]
    if rule.pattern:
        names[f"PATTERN_{name}"] = rules.pattern(rule.pattern).fullmatch
        lines.append(f"{pad}if not PATTERN_{name}({text}): raise unknown_word({name!r}, {text}, ())")
    limit = rule.longest or rules.URL_BYTES
    lines += [
        # A text of other than ASCII characters is written as its bytes, a character each.
        f"{pad}if not {text}.isascii(): {text} = {text}.encode().decode('latin-1')",
        f"{pad}n = len({text})",
        f"{pad}if n > {limit} or nul and '\\x00' in {text}:",
        f"{pad} too_long_or_nul({name!r}, {text}.encode('latin-1'), {limit})",
        f"{pad}{head} = HEADS_{number}[n]",
    ]
    return lines, [f"{{{head}}}{{{text}}}"]
