"""Every rule of an item, by the field and code of its refusal; and what a good item becomes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_analytics_tests.unit.collector import support
from media_analytics_tests.unit.collector.support import CODEC, Mapper, click, context, event, raw
from streaming.codecs.generate import Schema
from streaming.codecs.instants import microseconds
from streaming.collector.answers import Rejection


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Mapper:
    return support.mapper(tmp_path_factory.mktemp("settings"))


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        (b"3", "wrong_type", "item"),
        (b"[]", "wrong_type", "item"),
        (b'{"event_type": "\xff"}', "invalid_utf8", "item"),
        (b'{"event_type": "\\ud800"}', "malformed_json", "item"),
        (event(event_type=...), "missing_field", "event_type"),
        (event(occurred_at=...), "missing_field", "occurred_at"),
        (event(event_type="page_viewed"), "unknown_event_type", "event_type"),
        (event(event_type=3), "wrong_type", "event_type"),
        (event(brand=...), "missing_field", "brand"),
        (event(brand="daily_planet"), "unknown_brand", "brand"),
        (event(surprise=1), "unknown_field", "surprise"),
        (event(event_id="17"), "invalid_uuid", "event_id"),
        (event(event_id="{3f2504e0-4f89-11d3-9a0c-0305e82c3301}"), "invalid_uuid", "event_id"),
        (event(occurred_at="yesterday"), "invalid_instant", "occurred_at"),
        (event(occurred_at="2026-11-21T08:59:00"), "invalid_instant", "occurred_at"),
        (event(occurred_at="2026-13-41T08:59:00Z"), "invalid_instant", "occurred_at"),
        (event(occurred_at="1999-12-31T23:59:59Z"), "occurred_at_out_of_range", "occurred_at"),
        (event(occurred_at="0001-01-01T00:00:00+14:00"), "occurred_at_out_of_range", "occurred_at"),
        (event(occurred_at="2100-01-01T00:00:00.000001Z"), "occurred_at_out_of_range", "occurred_at"),
        (event(occurred_at="9999-12-31T23:59:59-14:00"), "occurred_at_out_of_range", "occurred_at"),
        (
            event(origin="import", occurred_at="2026-11-21T09:05:00.1Z"),
            "occurred_at_out_of_range",
            "occurred_at",
        ),
        (event(origin="elsewhere"), "unknown_origin", "origin"),
        (event(ip="999.1.1.1"), "invalid_ip", "ip"),
        (event(ip="fe80::1%eth0"), "invalid_ip", "ip"),
        (event(user_agent="x" * 65_536), "too_long", "user_agent"),
        (event(page_url="https://www.bild.de/" + "ü" * 4096), "too_long", "page_url"),
        (event(title="a\x00b"), "nul_character", "title"),
        (event(customer_id="\x00"), "nul_character", "customer_id"),
        (event(properties={"a": "x" * 1025}), "too_long", "properties.a"),
        (event(properties={"a": "\x00"}), "nul_character", "properties.a"),
        (event(properties={str(n): "" for n in range(65)}), "too_many", "properties"),
        (event(properties={"a": 1}), "wrong_type", "properties"),
        (event(consent=["everything"]), "unknown_purpose", "consent"),
        (event(position=-1), "out_of_range", "position"),
        (event(position=2**31), "wrong_type", "position"),
        (event(position=1.5), "wrong_type", "position"),
        (event(engaged_seconds=60.1), "out_of_range", "engaged_seconds"),
        (event(scroll_pct=101), "out_of_range", "scroll_pct"),
        (event(http_status=99), "out_of_range", "http_status"),
    ],
)
def test_a_refused_item_names_field_and_rule(mapper: Mapper, item: Any, code: str, field: str) -> None:
    with pytest.raises(Rejection) as caught:
        mapper.user(raw(item), context())
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.message


def test_every_accepted_item_is_a_record_of_the_schema(mapper: Mapper) -> None:
    item = event(
        event_id="3F2504E0-4F89-11D3-9A0C-0305E82C3301",
        occurred_at="2026-11-21T09:59:00.123456+01:00",
        customer_id="",
        anonymous_id="a1",
        consent=[],
        title='line\n\n"quotes"; DROP TABLE x; --',
        ip="2001:DB8::1",
        engaged_seconds=60,
        position=0,
        bytes_sent=2**62,
        properties={"k": ""},
    )
    record = mapper.user(raw(item), context())
    assert CODEC.decode(CODEC.encode(record)) == record
    assert record["event_id"] == "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    assert record["occurred_at"] == microseconds(support.NOW) - 60_000_000 + 123_456
    assert record["title"] == item["title"]
    assert (record["customer_id"], record["visitor_id"], record["ip"]) == (None, "a:a1", "2001:db8::1")
    assert (record["origin"], record["consent"], record["is_truncated"]) == ("live", [], False)


def test_limits_are_inclusive(mapper: Mapper) -> None:
    record = mapper.user(
        raw(
            event(
                user_agent="x" * 2048, page_url="x" * 8192, properties={str(n): "v" * 1024 for n in range(64)}
            )
        ),
        context(),
    )
    assert len(record["user_agent"]) == 2048
    assert mapper.user(raw(event(occurred_at="2100-01-01T00:00:00Z")), context())["event_type"] == "page_view"


def test_a_browser_names_neither_address_nor_import_nor_another_brand(mapper: Mapper) -> None:
    browser = context(support.BROWSER)
    record = mapper.user(raw(event(ip="not even an address", brand=...)), browser)
    assert (record["ip"], record["brand"], record["user_agent"]) == ("203.0.113.9", "bild", "header-agent")
    for item, code in (
        (event(brand="welt"), "brand_not_allowed"),
        (event(origin="import"), "origin_not_allowed"),
    ):
        with pytest.raises(Rejection) as caught:
            mapper.user(raw(item), browser)
        assert caught.value.code == code


def test_a_servers_own_user_agent_is_not_the_readers(mapper: Mapper) -> None:
    assert mapper.user(raw(event()), context())["user_agent"] is None


def test_the_collectors_own_fields_cannot_be_set(mapper: Mapper) -> None:
    item = event(received_at="1990-01-01T00:00:00Z", visitor_id="c:root", is_truncated=True)
    record = mapper.user(raw(item), context())
    assert record["received_at"] == microseconds(support.NOW)
    assert record["visitor_id"].startswith("h:")
    assert record["is_truncated"] is False


def test_a_field_added_to_the_schema_is_accepted(tmp_path: Path) -> None:
    """A new optional field of the contract flows through without a change of the collector."""
    schema: Schema = CODEC.schema | {
        "fields": [*CODEC.schema["fields"], {"name": "mood", "type": ["null", "string"], "default": None}]
    }
    made = support.mapper(tmp_path)
    for item, mood in ((event(mood="good"), "good"), (event(), None)):
        assert made.family("user", raw(item), context(), schema)[0]["mood"] == mood


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_accepted_or_refused(data: bytes) -> None:
    made = _shared_mapper()
    for judge in (made.user, made.click):
        try:
            CODEC.encode(judge(raw(data), context(brand="bild")))
        except Rejection as rejection:
            assert rejection.code


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([f["name"] for f in CODEC.schema["fields"]]), _JSON)
def test_any_value_of_any_field_is_accepted_or_refused(name: str, value: Any) -> None:
    """Catches a value that gets past the rules and breaks the encoder or the identity."""
    try:
        record = _shared_mapper().user(raw(event(**{name: value})), context())
    except Rejection as rejection:
        assert rejection.code
    else:
        assert CODEC.decode(CODEC.encode(record)) == record


def test_a_click_becomes_a_page_view(mapper: Mapper) -> None:
    record = mapper.click(raw(click()), context(brand="welt"))
    assert CODEC.decode(CODEC.encode(record)) == {f["name"]: None for f in CODEC.schema["fields"]} | record
    expected = {
        "event_type": "page_view", "brand": "welt", "visitor_id": "c:c9", "page_url": "/a", "query": "q",
        "product": "x", "referrer": "https://example.net/", "position": 4, "ip": "192.0.2.7", "user_agent": "agent",
        "occurred_at": microseconds(support.NOW) - 3660 * 1_000_000,
    }  # fmt: skip
    assert {k: record[k] for k in expected} == expected


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        (click(type="look"), "unknown_event_type", "type"),
        (click(event__timestamp="2026-11-21T08:59:00"), "invalid_instant", "event.timestamp"),
        (click(event__timestamp=1e300), "occurred_at_out_of_range", "event.timestamp"),
        (click(event__timestamp=0), "occurred_at_out_of_range", "event.timestamp"),
        (click(event__timestamp=...), "missing_field", "event.timestamp"),
        (click(event__ip="nowhere"), "invalid_ip", "event.ip"),
        (click(event__user_agent="x" * 3000), "too_long", "event.user_agent"),
        (click(event__page="\x00"), "nul_character", "event.page"),
        (click(event__position="4"), "wrong_type", "event.position"),
        (click(event=3), "wrong_type", "event"),
        ({"id": "1"}, "missing_field", "type"),
    ],
)
def test_a_refused_click_names_field_and_rule(mapper: Mapper, item: Any, code: str, field: str) -> None:
    with pytest.raises(Rejection) as caught:
        mapper.click(raw(item), context(brand="bild"))
    assert (caught.value.code, caught.value.field) == (code, field)


def test_epoch_seconds_and_numeric_ids_are_understood(mapper: Mapper) -> None:
    record = mapper.click(
        raw(click(id=17, event__timestamp=1_795_251_540.5, event__customer_id=9)), context(brand="bild")
    )
    assert record["occurred_at"] == 1_795_251_540_500_000
    assert record["customer_id"] == "9"
    assert record["event_id"] == mapper.click(raw(click(id="17")), context(brand="bild"))["event_id"]


_MADE: list[Mapper] = []


def _shared_mapper() -> Mapper:
    if not _MADE:
        _MADE.append(support.mapper(Path("/nonexistent")))
    return _MADE[0]
