"""Items of every family: each rule of its contract holds, each datum is fastavro's, consent removes what it must."""

import io
import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_analytics_tests.unit.collector import support
from media_analytics_tests.unit.collector.support import NOW, SERVER, Mapper, context, raw
from streaming.codecs.avro import Codec
from streaming.codecs.families import Rules, families
from streaming.codecs.framing import unframe
from streaming.codecs.instants import microseconds
from streaming.collector.access import Sender
from streaming.collector.answers import Rejection
from streaming.collector.items import OURS, avro_kind, is_instant
from streaming.collector.rules import PROPERTY_BYTES, PROPERTY_ENTRIES, URL_BYTES

FAMILIES = tuple(families())
TIME = "2026-11-21T08:59:00Z"
# One item of each family with what it has to have.
ITEMS: dict[str, dict[str, Any]] = {
    "user": {"event_type": "page_view"},
    "content": {
        "event_type": "published", "content_id": "x1", "title": "T", "section": "politics", "authors": ["A"],
        "word_count": 10, "is_premium": False, "published_at": TIME, "revision": 1,
    },
    "session": {"event_type": "login", "session_ref": "s1", "tier": "free", "customer_id": "c1"},
    "security": {
        "event_type": "login_failed", "ip": "192.0.2.77", "user_agent": "agent", "severity": 3, "rule": "r",
    },
    "compliance": {
        "event_type": "consent_given", "purposes": ["analytics"], "jurisdiction": "de", "request_id": "q1",
        "customer_id": "c1",
    },
    "interactions": {"event_type": "checkout", "status": "success", "latency_ms": 12, "customer_id": "c1"},
}  # fmt: skip


def item(family: str, **fields: Any) -> dict[str, Any]:
    """An item of a family; a field given as `...` is left out."""
    made = {"brand": "bild", "occurred_at": TIME, "event_id": str(uuid.UUID(int=1))} | ITEMS[family] | fields
    return {k: v for k, v in made.items() if v is not ...}


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Mapper:
    return support.mapper(tmp_path_factory.mktemp("settings"))


def refused(
    mapper: Mapper, family: str, sent: dict[str, Any], sender: Sender = SERVER
) -> tuple[str, str | None]:
    with pytest.raises(Rejection) as caught:
        mapper.family(family, raw(sent), context(sender))
    return caught.value.code, caught.value.field


def edges(rule: Rules, kind: str) -> Iterator[tuple[Any, bool]]:
    """Values at and beyond each edge of a rule, and whether they are within."""
    if rule.words is not None:
        yield from ((word, True) for word in rule.words)
        yield from (("nonsense", False), ("", False))
        return
    if rule.items is not None:
        yield list(rule.items), True
        yield ["nonsense"], False
        yield [rule.items[0]] * 65, False
        return
    if rule.entries is not None:
        yield {str(n): "" for n in range(rule.entries)}, True
        yield {str(n): "" for n in range(rule.entries + 1)}, False
        yield {"k": "x" * ((rule.longest or 0) + 1)}, False
        return
    if rule.pattern is not None:
        yield from (("two words", False), ("word\n", False), ("Word", False), ("", False), ("word_2", True))
    if kind == "string":
        longest = rule.longest or URL_BYTES
        # A character of two bytes: limits count bytes.
        filler = "a" if rule.pattern else "ü"
        yield filler * (longest // len(filler.encode())), True
        yield filler * (longest // len(filler.encode()) + 1), False
        yield "a\x00", False
        return
    for value, step in ((rule.least, -1), (rule.most, 1)):
        if value is not None:
            yield value if kind == "double" else int(value), True
            yield value + step if kind == "double" else int(value) + step, False


@pytest.mark.parametrize("family", FAMILIES)
def test_every_rule_of_the_contract_is_the_collectors(mapper: Mapper, family: str) -> None:
    """Catches a rule of a contract that the collector does not apply: sinks would refuse the event too late."""
    made = {"event_id", "brand", "origin", "visitor_id", "ip"}
    known = families()[family]
    tried = 0
    for field in Codec.from_file(known.topic).schema["fields"]:
        name, kind = field["name"], avro_kind(field["type"])
        if name in made or is_instant(field["type"]) or kind == "boolean":
            continue
        for value, is_within in edges(known.rules.get(name, Rules()), kind):
            sent = item(family, **{name: value})
            if is_within:
                assert mapper.family(family, raw(sent), context())[0][name] == value
            else:
                _, where = refused(mapper, family, sent)
                assert (where or "").split(".")[0] == name, (name, value)
            tried += 1
    assert tried > 20


def test_property_limits_are_the_contracts() -> None:
    assert families()["user"].rules["properties"] == Rules(entries=PROPERTY_ENTRIES, longest=PROPERTY_BYTES)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_needs_is_missed(mapper: Mapper, family: str) -> None:
    optional = {"customer_id"}
    for name in ("occurred_at", *ITEMS[family]):
        if name not in optional:
            assert refused(mapper, family, item(family, **{name: ...})) == ("missing_field", name)
    assert refused(mapper, family, item(family, surprise=1)) == ("unknown_field", "surprise")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_key_is_the_contracts(mapper: Mapper, family: str) -> None:
    record, event = mapper.family(family, raw(item(family, anonymous_id="a1")), context())
    value = record[families()[family].key]
    assert event[2] == (value.encode() if value else None)
    assert event[:2] == (record["event_id"], record["brand"])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("consent", [None, ["analytics"], [], ["advertising"]])
def test_consent_removes_what_the_contract_says(
    mapper: Mapper, family: str, consent: list[str] | None
) -> None:
    """Catches a person in a topic that every store reads directly (decision 0012)."""
    names = {f["name"] for f in Codec.from_file(families()[family].topic).schema["fields"]}
    person = {"customer_id": "c1", "anonymous_id": "a1", "device_id": "d1", "session_ref": "s1"}
    given = {n: v for n, v in person.items() if n in names}
    record, event = mapper.family(family, raw(item(family, consent=consent, **given)), context())
    removed = families()[family].removed_without_analytics
    is_kept = consent is None or "analytics" in consent
    for name in removed:
        assert (record[name] is not None) is is_kept, name
    if family == "compliance":
        assert (record["customer_id"], event[2]) == ("c1", b"c1")
    elif not is_kept and removed and families()[family].key in removed:
        assert event[2] is None
    assert record["consent"] == consent


def test_the_address_of_a_security_event_is_cut_and_hashed_whole(mapper: Mapper) -> None:
    """Catches a full address outside user.raw, and visitors of one network that become one."""
    found = []
    for address, cut in (
        ("192.0.2.77", "192.0.2.0"),
        ("192.0.2.78", "192.0.2.0"),
        ("2001:db8:1:2::3", "2001:db8:1::"),
        ("::ffff:192.0.2.77", "192.0.2.0"),
    ):
        record, event = mapper.family("security", raw(item("security", ip=address)), context())
        assert record["ip"] == cut
        assert address.encode() not in event[3]
        user = mapper.user(raw(item("user", ip=address, user_agent="agent")), context())
        assert record["visitor_id"] == user["visitor_id"]
        found.append(record["visitor_id"])
    assert len(set(found)) == 3


def test_an_item_without_an_id_gets_the_one_of_its_content(mapper: Mapper) -> None:
    sent = item("content", event_id=...)
    first = mapper.family("content", raw(sent), context())[1][0]
    again = mapper.family("content", raw(dict(reversed(sent.items()))), context())[1][0]
    assert first == again
    assert mapper.family("content", raw(sent | {"revision": 2}), context())[1][0] != first


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


def values(rule: Rules, schema: Any) -> st.SearchStrategy[Any]:
    """Values of a field that are within its rules."""
    kind = avro_kind(schema)
    if rule.words is not None:
        found: st.SearchStrategy[Any] = st.sampled_from(rule.words)
    elif kind == "array":
        found = st.lists(st.sampled_from(rule.items) if rule.items else _TEXT, max_size=5)
    elif kind == "map":
        found = st.dictionaries(_TEXT, _TEXT, max_size=5)
    elif kind == "string":
        found = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True) if rule.pattern else _TEXT
    elif kind == "boolean":
        found = st.booleans()
    elif kind == "double":
        found = st.floats(rule.least, rule.most)
    else:
        limit = 2**31 if kind == "int" else 2**63
        least, most = rule.least, rule.most
        found = st.integers(
            int(least) if least is not None else -limit, int(most) if most is not None else limit - 1
        )
    return found | st.none() if isinstance(schema, list) or kind == "map" else found


def sent_items(family: str) -> st.SearchStrategy[dict[str, Any]]:
    """Items of a family that are within every rule."""
    known = families()[family]
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in Codec.from_file(known.topic).schema["fields"]:
        name = field["name"]
        if name in OURS or name in ("event_id", "brand", "origin", "ip"):
            continue
        if is_instant(field["type"]):
            fields[name] = st.just(TIME)
        elif name in ("session_ref", "user_agent"):
            fields[name] = _TEXT
        else:
            fields[name] = values(known.rules.get(name, Rules()), field["type"])
    if family in ("user", "security"):
        fields["ip"] = st.ip_addresses(v=4).map(str)
    return st.fixed_dictionaries(fields | {"event_id": st.uuids().map(str), "brand": st.just("welt")})


def expected(family: str, sent: dict[str, Any], visitor_id: str | None) -> dict[str, Any]:
    """The record of an item, said plainly."""
    schema = Codec.from_file(families()[family].topic).schema
    record = {f["name"]: sent.get(f["name"]) for f in schema["fields"]}
    for name in ("occurred_at", "published_at"):
        if name in record:
            record[name] = microseconds(NOW) - 60_000_000
    record |= {"received_at": microseconds(NOW), "origin": "live"}
    for name in ("customer_id", "anonymous_id", "user_agent"):
        if name in record:
            record[name] = record[name] or None
    if "visitor_id" in record:
        record["visitor_id"] = visitor_id
    if "properties" in record:
        record |= {"properties": record["properties"] or {}, "is_truncated": False}
    if family == "security":
        record["ip"] = sent["ip"].rpartition(".")[0] + ".0"
    if sent["consent"] is not None and "analytics" not in sent["consent"]:
        record |= dict.fromkeys(families()[family].removed_without_analytics)
    return record


@pytest.mark.parametrize("family", FAMILIES)
def test_every_datum_is_byte_for_byte_what_fastavro_writes(mapper: Mapper, family: str) -> None:
    """Catches any difference between the generated pass and: build the record, then encode it."""
    schema = Codec.from_file(families()[family].topic).schema
    plain = fastavro.parse_schema(_without_logical_types(schema))

    @settings(max_examples=60, deadline=None)
    @given(sent_items(family))
    def check(sent: dict[str, Any]) -> None:
        record, event = mapper.family(family, raw(sent), context())
        out = io.BytesIO()
        fastavro.schemaless_writer(out, plain, expected(family, sent, record.get("visitor_id")))
        assert unframe(event[3])[1] == out.getvalue()

    check()


@pytest.mark.parametrize("family", FAMILIES)
def test_any_json_is_an_event_or_a_refusal(mapper: Mapper, family: str) -> None:
    """Catches an exception that is no refusal: the client would see a 500."""
    chance = random.Random(7)
    odd = [
        None,
        True,
        0,
        -1,
        2**70,
        1.5,
        "",
        "x",
        "\x00",
        [],
        ["x"],
        [None],
        {},
        {"a": "b"},
        {"a": None},
        "2026-11-21",
    ]
    names = [f["name"] for f in Codec.from_file(families()[family].topic).schema["fields"]]
    outcomes = {"events": 0, "refusals": 0}
    for _ in range(400):
        sent = item(
            family, **{name: chance.choice(odd) for name in chance.sample(names, chance.randint(0, 3))}
        )
        try:
            mapper.family(family, raw(json.dumps(sent).encode()), context())
            outcomes["events"] += 1
        except Rejection as rejection:
            assert rejection.code
            outcomes["refusals"] += 1
    assert min(outcomes.values()) > 20


def _without_logical_types(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {
        "fields": [f | {"type": "long"} if is_instant(f["type"]) else f for f in schema["fields"]]
    }
