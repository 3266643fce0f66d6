"""What `media-analytics completeness` says of rows of ops.completeness."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from media_analytics.commands.completeness import instant_of
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.registry import table
from media_analytics.errors import MediaAnalyticsError
from media_analytics.modelling.completeness import summed

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def row(minute: int, topic: str = "content.events", **fields: Any) -> dict[str, Any]:
    return {
        "minute": NOON + timedelta(minutes=minute),
        "topic": topic,
        "partition": 0,
        "first_offset": 10 * minute,
        "last_offset": 10 * minute + 9,
        "kafka_count": 10,
        "dead_letters_enricher": 0,
        "dead_letters_lake": 1,
        "dead_letters_realtime": None,
        "missing_lake": 0,
        "duplicates_lake": 0,
        "missing_realtime": None,
        "duplicates_realtime": None,
    } | fields


def rows(*found: dict[str, Any]) -> pa.Table:
    names = list(row(0))
    contract = arrow_schema(table("ops.completeness"))
    return pa.Table.from_pylist(list(found), pa.schema([contract.field(name) for name in names]))


def test_a_red_minute_shows_where_to_look() -> None:
    """Would catch losses that cancel out against duplicates of other minutes, and stores a topic does not have."""
    (proof,) = summed(rows(row(1, missing_lake=2), row(0), row(2, duplicates_lake=2)))
    assert (proof.store, proof.minutes, proof.messages, proof.dead_letters) == ("lake", 3, 30, 3)
    assert (proof.missing, proof.duplicates) == (2, 2)
    assert proof.judged_through == NOON + timedelta(minutes=3)
    assert [(r["first_offset"], r["missing"], r["duplicates"]) for r in proof.red] == [(10, 2, 0), (20, 0, 2)]


def test_since_is_an_age_or_an_instant() -> None:
    """Would catch an instant that is read in the machine's zone."""
    assert instant_of("90m", NOON) == NOON - timedelta(minutes=90)
    assert instant_of("2d", NOON) == NOON - timedelta(days=2)
    assert instant_of("2026-03-10T10:00", NOON) == NOON - timedelta(hours=2)
    with pytest.raises(MediaAnalyticsError, match="--since is 'yesterday'"):
        instant_of("yesterday", NOON)
