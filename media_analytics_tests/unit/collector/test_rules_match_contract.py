"""The collector's rules are those of the `user.raw` contract: what it accepts, the contract accepts."""

from typing import Any

import pandera
import pytest

from media_analytics.contracts.registry import topic
from media_analytics.contracts.topics import envelope, user
from media_analytics_tests.unit.collector.support import CODEC
from streaming.collector import rules


@pytest.fixture(scope="module")
def checks() -> dict[str, dict[str, Any]]:
    """Statistics of each column's checks."""
    found: dict[str, dict[str, Any]] = {}
    for name, column in topic("user.raw").schema.columns.items():
        assert isinstance(column, pandera.api.pandas.components.Column)
        found[name] = {k: v for check in column.checks for k, v in (check.statistics or {}).items()}
    return found


def test_words_are_the_same() -> None:
    assert frozenset(user.EVENT_TYPES) == rules.EVENT_TYPES
    assert frozenset(envelope.PURPOSES) == rules.PURPOSES


def test_text_limits_are_the_same(checks: dict[str, dict[str, Any]]) -> None:
    limited = {
        name: c["max_value"]
        for name, c in checks.items()
        if "max_value" in c and isinstance(c["max_value"], int)
    }
    for name in ("visitor_id", "ip", *rules.NUMBER_BOUNDS):
        limited.pop(name, None)
    assert limited == {name: rules.TEXT_LIMITS.get(name, rules.URL_BYTES) for name in limited}
    assert set(rules.TEXT_LIMITS) <= set(limited)


def test_number_bounds_are_within_the_contracts(checks: dict[str, dict[str, Any]]) -> None:
    for name, (low, high) in rules.NUMBER_BOUNDS.items():
        assert checks[name].get("min_value", low) == low, name
        assert high <= checks[name].get("max_value", high), name
    numbers = [
        f["name"]
        for f in CODEC.schema["fields"]
        if f["type"] in (["null", "int"], ["null", "long"], ["null", "double"])
    ]
    bounded = {name for name in numbers if "min_value" in checks[name]}
    assert bounded == set(rules.NUMBER_BOUNDS)


def test_property_limits_are_the_same(checks: dict[str, dict[str, Any]]) -> None:
    assert (checks["properties"]["most"], checks["properties"]["longest"]) == (
        rules.PROPERTY_ENTRIES,
        rules.PROPERTY_BYTES,
    )
