"""Patches: what the contract refuses, what each change does, and that twice is the same as once."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streaming.dead_letters.patches import KINDS, Patch, PatchError, applied, cast, is_meant, read, read_json

NAMES = st.sampled_from(["a", "b", "c", "a.b", "a.b.c", "b.a"])
SCALARS = st.one_of(
    st.sampled_from(["1", "0", "true", "no", "4.0", " 7 ", "2026-03-01", "2026-03-01T10:00:00Z", "17000000", "x", ""]),
    st.integers(-5, 2_000_000_000_000), st.floats(allow_nan=False), st.booleans(), st.text(max_size=5),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2),
)
ITEMS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
WHERE = st.dictionaries(NAMES, SCALARS, max_size=1)
CHANGES = st.one_of(
    st.fixed_dictionaries({"set": NAMES, "value": VALUES}, optional={"where": WHERE}),
    st.fixed_dictionaries({"rename": NAMES, "to": NAMES}, optional={"where": WHERE}),
    st.fixed_dictionaries({"cast": NAMES, "to": st.sampled_from(KINDS)}, optional={"where": WHERE}),
    st.fixed_dictionaries({"drop": NAMES}, optional={"where": WHERE}),
)


@given(st.lists(CHANGES, max_size=4), ITEMS)
def test_a_patch_applied_twice_is_the_same_as_once(
    changes: list[dict[str, Any]], item: dict[str, Any]
) -> None:
    """Would catch a patch whose second application moves, writes or converts something again."""
    with suppress(ValidationError, PatchError):
        patch = Patch.model_validate({"change": changes})
        once = applied(patch, item)
        assert repr(applied(patch, once)) == repr(once)


@given(ITEMS, st.lists(CHANGES, max_size=3))
def test_an_item_is_never_changed_in_place(item: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    """Would catch a dry run that changes what is replayed after it."""
    before = repr(item)
    with suppress(ValidationError, PatchError):
        applied(Patch.model_validate({"change": changes}), item)
    assert repr(item) == before


@given(SCALARS, st.sampled_from(KINDS))
def test_a_cast_value_is_not_cast_further(value: Any, kind: str) -> None:
    """Would catch an instant that moves with each cast, or a number that becomes another."""
    once = cast(value, kind)
    assert repr(cast(once, kind)) == repr(once)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[change]]", "exactly one"),
        ('[[change]]\nset = "a"', "value"),
        ('[[change]]\nset = "a"\nvalue = 1\ndrop = "b"', "exactly one"),
        ('[[change]]\nrename = "a"', "`to`"),
        ('[[change]]\ncast = "a"\nto = "date"', "cast goes to"),
        ('[[change]]\ndrop = "a..b"', "no path"),
        ('[[change]]\nrename = "a"\nto = "a.b"', "into itself"),
        ('[[change]]\nset = "a"\nvalue = 1\n[[change]]\nrename = "a"\nto = "b"', "two changes touch 'a'"),
        ('[[change]]\ncast = "b"\nto = "text"\n[[change]]\nrename = "a"\nto = "b"', "two changes touch 'b'"),
        (
            '[[change]]\ndrop = "a"\nwhere = { b = 1 }\n[[change]]\nset = "b"\nvalue = 2',
            "two changes touch 'b'",
        ),
        ('[where]\nbrand = "bild"', "where.brand"),
        ('[[change]]\nset = "a"\nvalue = 2026-03-01', "value"),
        ("change = 7", "change"),
        ("not toml", "TOML"),
    ],
)
def test_a_patch_that_breaks_its_contract_says_where(text: str, told: str) -> None:
    """Would catch a mistake in a file that is read as another repair."""
    with pytest.raises(PatchError, match=told):
        read(text)


def test_every_change_does_what_it_says() -> None:
    """Would catch a change on the wrong field, in the wrong order, or against its condition."""
    patch = read(
        """
        [where.item]
        event_type = "click"

        [[change]]
        set = "properties.source"
        value = "player"

        [[change]]
        rename = "pos"
        to = "position"

        [[change]]
        cast = "position"
        to = "integer"

        [[change]]
        drop = "debug"
        where = { level = 3 }
        """
    )
    item = {"event_type": "click", "pos": "4", "debug": {"x": 1}, "level": 3}
    assert is_meant(patch.where.item, item)
    assert not is_meant(patch.where.item, {"event_type": "search"})
    assert applied(patch, item) == {
        "event_type": "click", "position": 4, "level": 3, "properties": {"source": "player"}
    }  # fmt: skip
    assert applied(patch, item | {"level": True})["debug"] == {"x": 1}
    assert read_json(patch.text()) == patch


def test_a_path_through_something_that_is_no_object_is_an_error() -> None:
    """Would catch a text that a patch replaces by an object without being asked."""
    with pytest.raises(PatchError, match="no object"):
        applied(read('[[change]]\nset = "a.b"\nvalue = 1'), {"a": "text"})


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("4", "integer", 4), ("4.0", "integer", 4), ("4.5", "integer", "4.5"), (4.0, "integer", 4),
        ("0.5", "number", 0.5), ("inf", "number", "inf"), (True, "integer", True),
        ("YES", "boolean", True), (0, "boolean", False), ("maybe", "boolean", "maybe"),
        (4, "text", "4"), (False, "text", "false"), (["a"], "text", ["a"]),
        (1_700_000_000, "instant", "2023-11-14T22:13:20+00:00"),
        (1_700_000_000_000, "instant", "2023-11-14T22:13:20+00:00"),
        (1_700_000_000_000_000, "instant", "2023-11-14T22:13:20+00:00"),
        ("1700000000", "instant", "2023-11-14T22:13:20+00:00"),
        ("2026-03-01 10:00", "instant", "2026-03-01T10:00:00+00:00"),
        ("yesterday", "instant", "yesterday"),
    ],
)  # fmt: skip
def test_what_cannot_be_cast_stays(value: Any, kind: str, expected: Any) -> None:
    """Would catch a cast that invents a value where the rules should say what is wrong."""
    found = cast(value, kind)
    assert (found, type(found)) == (expected, type(expected))
