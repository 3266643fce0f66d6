"""silver.sessions against a plain recomputation of all dates."""

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics_tests.builders import reference, traffic
from media_analytics_tests.builders.events import at, silver_event
from media_analytics_tests.integration.transforms.frames import assert_same_rows, collected, silver_frame
from spark_jobs.transforms import sessions as transform

pytestmark = pytest.mark.integration
KEYS = ("session_id",)


def days_of(events: list[dict]) -> list[date]:
    days = [e["occurred_at"].date() for e in events]
    return [min(days) + timedelta(days=n) for n in range((max(days) - min(days)).days + 1)]


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(traffic.timelines, min_size=30, max_size=60), st.integers(0, 2**32))
def test_sessions_equal_a_recomputation_of_all_dates(spark_session: SparkSession, times, seed) -> None:
    """Catches a wrong gap, a cut decided by the session instead of the chain, ties broken by arrival."""
    events = traffic.events_of(times, seed)
    found = collected(transform.sessions(silver_frame(spark_session, events), days_of(events)))
    expected = reference.sessions(events)
    assert_same_rows(found, expected, KEYS)
    assert sum(row["events"] for row in found) == sum(e["visitor_id"] is not None for e in events)
    assert all(row["duration_seconds"] < 48 * 3600 for row in found)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(traffic.timelines, min_size=30, max_size=60), st.integers(0, 2**32))
def test_one_date_needs_only_its_source_dates(spark_session: SparkSession, times, seed) -> None:
    """Catches a look-back shorter than 24 h 30 min and a look-ahead shorter than two midnights."""
    events = traffic.events_of(times, seed)
    expected = reference.sessions(events)
    frame = silver_frame(spark_session, events)
    for day in days_of(events)[:5]:
        read = [e for e in events if e["occurred_at"].date() in transform.source_dates([day])]
        found = collected(transform.sessions(silver_frame(spark_session, read), [day]))
        assert_same_rows(found, [r for r in expected if r["date"] == day], KEYS)
    two = [days_of(events)[0], days_of(events)[-1]]
    found = collected(transform.sessions(frame, two))
    assert_same_rows(found, [r for r in expected if r["date"] in two], KEYS)


def test_chain_over_three_midnights_is_cut_at_the_second_and_third(spark_session: SparkSession) -> None:
    steps = [at("10 10:00") + n * timedelta(minutes=30) for n in range(150)]
    events = [silver_event(n, when) for n, when in enumerate(steps)]
    found = collected(transform.sessions(silver_frame(spark_session, events), days_of(events)))
    starts = sorted(row["started_at"] for row in found)
    assert starts == [at("10 10:00"), at("12 00:00"), at("13 00:00")]


def test_chain_from_midnight_is_cut_at_the_next(spark_session: SparkSession) -> None:
    """An event at 00:00 of D-1 itself already counts: the cut at D happens."""
    steps = [at("10 00:00") + n * timedelta(minutes=30) for n in range(60)]
    events = [silver_event(n, when) for n, when in enumerate(steps)]
    found = collected(transform.sessions(silver_frame(spark_session, events), days_of(events)))
    assert sorted(row["started_at"] for row in found) == [at("10 00:00"), at("11 00:00")]


def test_session_id_is_the_uuid5_that_python_makes(spark_session: SparkSession) -> None:
    visitor = "c:Jörg|ß 'x'"
    event = silver_event(7, at("10 12:00"), visitor_id=visitor)
    (row,) = collected(transform.sessions(silver_frame(spark_session, [event]), [date(2026, 3, 10)]))
    assert row["session_id"] == transform.session_id("bild", visitor, event["event_id"])
    assert row["session_id"] == reference.session_row([event])["session_id"]


def test_columns_are_the_contract(spark_session: SparkSession) -> None:
    found = transform.sessions(silver_frame(spark_session, []), [date(2026, 3, 10)]).schema
    expected = spark_schema(table("silver.sessions"))
    assert [(f.name, f.dataType) for f in found] == [(f.name, f.dataType) for f in expected]


@settings(max_examples=300, deadline=None)
@given(st.lists(traffic.timelines, min_size=1, max_size=1), traffic.timelines, st.integers(0, 2**32))
def test_a_new_event_alters_only_touched_dates(times, extra, seed) -> None:
    """The whole recomputation before and after: whatever differs lies on a touched date."""
    extra = extra[: 1 + seed % 3]
    events = [dict(e, brand="bild", visitor_id="a:v") for e in traffic.events_of([*times, extra], seed)]
    before, after = events[: len(times[0])], events
    old = {r["session_id"]: r for r in reference.sessions(before)}
    new = {r["session_id"]: r for r in reference.sessions(after)}
    changed = {
        r["date"]
        for key in old.keys() | new.keys()
        for r in (old.get(key), new.get(key))
        if old.get(key) != new.get(key) and r is not None
    }
    touched = {
        day
        for event in events[len(before) :]
        for day in transform.touched_dates(event["occurred_at"].date(), event["occurred_at"])
    }
    assert changed <= touched
