"""Row hashes: equal for equal content in any order and layout, different for any other value."""

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.registry import table
from media_analytics.contracts.rowhash import canonical, hashed_columns, row_hash
from media_analytics.errors import ContractError
from media_analytics_tests.builders.frames import edge_values, frames

CONTRACT = table("silver.events")
SESSIONS = table("silver.sessions")
_QUICK = settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@_QUICK
@given(frame=frames(CONTRACT), seed=st.integers())
def test_order_layout_and_provenance_do_not_matter(frame: pa.Table, seed: int) -> None:
    rng = random.Random(seed)
    rows = rng.sample(frame.to_pylist(), frame.num_rows)
    names = rng.sample(frame.column_names, len(frame.column_names))
    other = pa.Table.from_pylist(rows, schema=frame.schema).select(names)
    other = pa.concat_tables([other.slice(0, 1), other.slice(1)])
    at = other.column_names.index("loaded_at")
    loaded = pa.array([datetime(2030, 1, 1, tzinfo=UTC)] * frame.num_rows, other.schema.field(at).type)
    assert row_hash(CONTRACT, other.set_column(at, "loaded_at", loaded)) == row_hash(CONTRACT, frame)


@_QUICK
@given(frame=frames(SESSIONS), data=st.data())
def test_any_other_value_matters(frame: pa.Table, data: st.DataObject) -> None:
    assume(frame.num_rows > 0)
    rows = frame.to_pylist()
    column = data.draw(st.sampled_from([c for c in SESSIONS.columns if not c.provenance]))
    row = data.draw(st.integers(0, len(rows) - 1))
    value = data.draw(st.sampled_from(edge_values(SESSIONS, column)))
    old = rows[row][column.name]
    assume(canonical(value) != canonical(old))
    rows[row] = rows[row] | {column.name: value}
    changed = pa.Table.from_pylist(rows, schema=frame.schema)
    assert row_hash(SESSIONS, changed) != row_hash(SESSIONS, frame)


def test_a_repeated_row_matters() -> None:
    schema = arrow_schema(table("ops.session_dates"))
    row = dict.fromkeys(schema.names)
    once, twice = (pa.Table.from_pylist([row] * n, schema=schema) for n in (1, 2))
    assert row_hash(table("ops.session_dates"), once) != row_hash(table("ops.session_dates"), twice)


def test_an_empty_table_has_the_hash_of_no_rows() -> None:
    empty = arrow_schema(CONTRACT).empty_table()
    assert row_hash(CONTRACT, empty) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_missing_column_is_named() -> None:
    empty = arrow_schema(CONTRACT).empty_table()
    with pytest.raises(ContractError, match="visitor_id"):
        row_hash(CONTRACT, empty.drop_columns(["visitor_id"]))


def test_provenance_is_left_out() -> None:
    assert set(CONTRACT.column_names) - set(hashed_columns(CONTRACT)) == {"loaded_at"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, "\\N"),
        (None, ""),
        ("a\tb", "a\\tb"),
        (["a", "b"], ["a,b"]),
        ([("a", "b"), ("c", "d")], [("a", "b},{c:d")]),
        ([], None),
        (True, "true "),
        (1.0, 1.0000000000000002),
    ],
)
def test_values_that_look_alike_differ(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (float("nan"), -float("nan")),
        ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]),
        (
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
)
def test_values_that_are_the_same_are_equal(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other)


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ContractError, match="time zone"):
        canonical(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
