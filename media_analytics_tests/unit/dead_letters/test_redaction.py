"""What a listing may show: shapes, never texts of a person."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.dead_letters import redaction

WORDS = redaction.words("user", ["bild"])
# Letters and digits that no mask is made of.
SECRET = st.text("bcdBCD12345678éß漢", min_size=1, max_size=200)
JSON = st.recursive(
    st.one_of(SECRET, st.integers(100, 10**9), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(SECRET, inner, max_size=5)),
)


def leaves(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [text for value in found.values() for text in leaves(value)]
    if isinstance(found, list):
        return [text for value in found for text in leaves(value)]
    return [found] if isinstance(found, str) else []


@given(JSON)
def test_no_text_of_the_input_is_left(found: Any) -> None:
    """Would catch a value that passes as it is: an address, a name, a number in an unexpected field."""
    for text in leaves(redaction.original(json.dumps(found).encode(), WORDS)):
        shape = text.removeprefix("number ").partition("...")[0]
        assert not set(shape) & set("bcdBCD12345678éß漢")


@given(SECRET)
def test_no_quoted_value_of_a_message_is_left(found: str) -> None:
    """Would catch a letter whose open part says what its encrypted part hides."""
    for quoted in (repr(found), repr(f"{found}'s"), repr(f"{found} \"b\" 'c' {found}")):
        told = redaction.message(f"ip is {quoted}; expected an address")
        shown = re.sub(r"\.\.\. \(\d+ characters\)", "", told)
        assert not set(shown.removeprefix("ip is ").partition("; expected")[0]) & set("bcdBCD12345678éß漢")
        assert shown.endswith("; expected an address")


def test_the_decoders_words_stay_and_names_that_a_client_made_up_do_not() -> None:
    """Would catch a message without use, and an address that somebody used as a name."""
    told = "Expected `str | null`, got `int` - at `$.page_url`"
    assert redaction.message(told) == told
    unknown = "Object contains unknown field `203.0.113.9` - at `$`"
    assert redaction.message(unknown) == "Object contains unknown field `<name>` - at `<name>`"


@pytest.mark.parametrize("path", ["properties.203.0.113.9", "203.0.113.9", "properties.id-48151623", "a b"])
def test_a_name_that_may_be_of_a_person_is_not_shown(path: str) -> None:
    """Would catch an address that a client used as a field's name."""
    assert redaction.name(path) == "<name>"
    assert redaction.name("items[3].page_url") == "items[3].page_url"


@given(st.binary(max_size=2000))
def test_bytes_that_are_no_json_are_one_shape(data: bytes) -> None:
    """Would catch a broken input that breaks the listing, or is quoted in it."""
    shown = redaction.original(data, WORDS)
    for text in leaves(shown) if not isinstance(shown, str) else [shown]:
        assert not set(text.partition("...")[0].removeprefix("number ")) & set("bcdBCD12345678")


def test_the_shape_tells_what_is_wrong() -> None:
    """Would catch a redaction that hides the mistake together with the person."""
    item = {
        "event_type": "page_view", "brand": "bild", "occurred_at": "21.11.2026", "ip": "192.0.2.7", "position": "4",
        "consent": ["analytics"], "properties": {"plan": True, "anna@example.org": "x"},
    }  # fmt: skip
    assert redaction.original(json.dumps(item).encode(), WORDS) == {
        "event_type": "page_view", "brand": "bild", "occurred_at": "99.99.9999", "ip": "999.9.9.9", "position": "9",
        "consent": ["analytics"], "properties": {"plan": True, "<name>": "a"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("event.timestamp", "event.timestamp"),
        ("properties[0].name", "properties[0].name"),
        ("anna@example.org", "<name>"),
        ("customer 17", "<name>"),
        ("user_4915112345", "<name>"),
        ("x" * 65, "<name>"),
    ],
)
def test_a_field_name_is_shown_only_if_a_program_chose_it(path: str, shown: str) -> None:
    """Would catch an address that a client sent as the name of a field."""
    assert redaction.name(path) == shown
