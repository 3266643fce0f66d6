"""Original and copy are compared number by number."""

from typing import Any

import pytest

from media_analytics.contracts.registry import table
from media_analytics.warehouse.loading import compare
from media_analytics.warehouse.statements import KEYS, ROWS, SUM, VALUES, measures

SESSIONS = table("warehouse.reader_sessions")
DAY = "2026-03-10"


def fingerprint(**changed: Any) -> dict[str, Any]:
    sums = {f"{SUM}{n}": 1.5 + n for n in range(len(measures(SESSIONS)))}
    return {ROWS: 3, KEYS: 11, VALUES: 12, **sums} | changed


def differences(delta: dict[str, Any], staged: dict[str, Any], logged: int = 3) -> dict[str, Any]:
    return compare(SESSIONS, [DAY], {DAY: delta}, {DAY: staged}, {DAY: logged})


def test_the_same_is_the_same_also_when_floats_were_added_in_another_order() -> None:
    assert differences(fingerprint(), fingerprint(**{f"{SUM}0": 1.5 * (1 + 1e-12)})) == {}
    assert (
        differences(fingerprint(**{f"{SUM}0": float("nan")}), fingerprint(**{f"{SUM}0": float("nan")})) == {}
    )


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({ROWS: 4}, "rows"),
        ({KEYS: 1}, "hash of keys"),
        ({VALUES: 1}, "hash of values"),
        ({f"{SUM}0": 1.5001}, "sum of sessions"),
        ({f"{SUM}0": None}, "sum of sessions"),
    ],
)
def test_each_number_alone_is_a_difference(changed: dict[str, Any], name: str) -> None:
    """Would catch a comparison that looks at the count only."""
    found = differences(fingerprint(**changed), fingerprint(), logged=3)
    assert [d[0] for d in found[DAY]] == [name]


def test_the_log_counts_too_and_a_missing_partition_is_no_rows() -> None:
    assert differences(fingerprint(), fingerprint(), logged=2) == {DAY: [("rows of the Delta log", 2, 3)]}
    assert compare(SESSIONS, [DAY], {}, {}, {}) == {}
    found = compare(SESSIONS, [DAY], {DAY: fingerprint()}, {}, {DAY: 3})
    assert ("rows", 3, None) in found[DAY] and ("rows of the Delta log", 3, 0) in found[DAY]


def test_rows_of_another_partition_are_a_difference() -> None:
    found = compare(SESSIONS, [], {}, {DAY: fingerprint()}, {})
    assert found == {DAY: [("rows of a partition that was not asked for", 0, 3)]}
