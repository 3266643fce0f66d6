"""What the message browser shows of a record."""

from typing import Any

import pytest

from media_analytics.contracts.registry import TOPICS
from media_analytics.dashboard.reading.messages import redacted

_VALUES: dict[str, Any] = {"string": "x-secret-x", "binary": b"x-secret-x", "bool": True, "double": 1.0}


def _value(kind: str) -> Any:
    if kind.startswith("list"):
        return ["x-secret-x"]
    if kind.startswith("map"):
        return {"k": "x-secret-x"}
    if kind.startswith("timestamp"):
        return 1_700_000_000_000_000
    return _VALUES.get(kind, 1)


@pytest.mark.parametrize("name", TOPICS)
def test_whatever_has_a_class_of_personal_data_is_replaced(name: str) -> None:
    """Catches a classified field of any type that is shown, and a harmless one that is not."""
    topic = TOPICS[name]
    shown = redacted(topic, {c.name: _value(str(c.arrow_type)) for c in topic.columns})
    for column in topic.columns:
        if column.personal_data:
            assert shown[column.name] == f"[redacted: {column.personal_data}]", column.name
    if name != "dead_letters":
        assert shown["event_type"] == "x-secret-x"
        assert shown["occurred_at"] == "2023-11-14T22:13:20+00:00"


def test_a_field_that_nobody_described_is_not_shown() -> None:
    """Catches a new field of a producer that is ahead of the contracts."""
    assert redacted(TOPICS["user.raw"], {"shoe_size": 43}) == {"shoe_size": "[redacted: not in the contract]"}


def test_nothing_stays_nothing() -> None:
    shown = redacted(TOPICS["user.raw"], {"ip": None, "properties": {}, "title": ""})
    assert shown == {"ip": None, "properties": {}, "title": ""}


def test_a_letter_does_not_quote_its_input() -> None:
    """Catches the message of a refusal, which repeats what was refused."""
    shown = redacted(
        TOPICS["dead_letters"], {"message": "'bob@x.org' is no brand", "field": "bob@x.org", "reason": "r"}
    )
    assert shown == {
        "message": "[redacted: repeats its input]",
        "field": "[redacted: repeats its input]",
        "reason": "r",
    }
