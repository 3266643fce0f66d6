"""The reader tables of gold against a plain recomputation."""

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics_tests.builders import reference, traffic
from media_analytics_tests.builders.events import at, silver_event
from media_analytics_tests.integration.transforms.frames import (
    assert_same_rows,
    collected,
    frame,
    silver_frame,
)
from spark_jobs.transforms import reader_gold
from spark_jobs.transforms.sessions import sessions

pytestmark = pytest.mark.integration
SESSION_TABLES = {
    "reader_sessions": (),
    "reader_geography": ("country", "region"),
    "reader_devices": ("device_type", "os", "browser"),
    "reader_sources": ("referrer_medium", "referrer_source"),
}


def all_days(events: list[dict]) -> list[date]:
    days = [e["occurred_at"].date() for e in events]
    return [min(days) + timedelta(days=n) for n in range((max(days) - min(days)).days + 1)]


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(traffic.timelines, min_size=30, max_size=50), st.integers(0, 2**32))
def test_gold_equals_a_plain_recomputation(spark_session: SparkSession, times, seed) -> None:
    events = traffic.events_of(times, seed)
    days = all_days(events)
    read = silver_frame(spark_session, events)
    per_session = sessions(read, days).cache()
    for name, dimensions in SESSION_TABLES.items():
        found = collected(getattr(reader_gold, name)(per_session, days))
        expected = (
            reference.by_dimensions(events, dimensions) if dimensions else reference.reader_sessions(events)
        )
        assert_same_rows(found, expected, ("date", "brand", *dimensions))
    found = collected(reader_gold.reader_engagement(read, days))
    assert_same_rows(found, reference.reader_engagement(events), ("date", "brand", "page_key"))
    per_session.unpersist()


def test_one_date_of_engagement_needs_only_its_source_dates(spark_session: SparkSession) -> None:
    """Catches a session of the day before whose beginning was not read: its entry would be counted twice."""
    steps = [at("08 23:40") + n * timedelta(minutes=20) for n in range(330)]
    events = [silver_event(n, when, page_key="/ab"[: 2 + n % 2]) for n, when in enumerate(steps)]
    expected = reference.reader_engagement(events)
    for day in all_days(events):
        wanted = reader_gold.engagement_source_dates([day])
        read = [e for e in events if e["occurred_at"].date() in wanted]
        found = collected(reader_gold.reader_engagement(silver_frame(spark_session, read), [day]))
        assert_same_rows(found, [r for r in expected if r["date"] == day], ("date", "brand", "page_key"))


def test_event_without_visitor_counts_only_as_page_view(spark_session: SparkSession) -> None:
    events = [
        silver_event(1, at("10 12:00")),
        silver_event(2, at("10 12:01"), visitor_id=None),
        silver_event(3, at("10 12:02"), visitor_id=None, event_type="click"),
        silver_event(
            4, at("10 12:03"), visitor_id=None, event_type="page_ping", engaged_seconds=9.0, scroll_pct=90.0
        ),
        silver_event(5, at("10 12:04"), visitor_id=None, page_key="/only"),
    ]
    rows = {
        r["page_key"]: r
        for r in collected(
            reader_gold.reader_engagement(silver_frame(spark_session, events), [date(2026, 3, 10)])
        )
    }
    page = rows["/a"]
    assert (page["page_views"], page["visitors"], page["sessions"]) == (2, 1, 1)
    assert (page["clicks"], page["engaged_seconds"], page["scroll_pct_p50"]) == (0, 0.0, None)
    only = rows["/only"]
    assert (only["page_views"], only["visitors"], only["sessions"], only["recirculation_ratio"]) == (
        1,
        0,
        0,
        None,
    )


def test_sums_of_seconds_do_not_depend_on_row_order(spark_session: SparkSession) -> None:
    """A float sum differs in its last digit when rows come in another order, and so would the row hash."""
    values = [0.1, 59.7, 0.2, 33.3, 1e-7, 0.3] * 50
    pings = [
        silver_event(n, at("10 12:00") + timedelta(seconds=n), event_type="page_ping", engaged_seconds=value)
        for n, value in enumerate(values)
    ]
    found = {
        collected(sessions(silver_frame(spark_session, rows), [date(2026, 3, 10)]))[0]["engaged_seconds"]
        for rows in (pings, pings[::-1], sorted(pings, key=lambda e: e["engaged_seconds"]))
    }
    assert len(found) == 1


@pytest.mark.parametrize("name", [*SESSION_TABLES, "reader_engagement"])
def test_columns_are_the_contract(spark_session: SparkSession, name: str) -> None:
    source = "silver.events" if name == "reader_engagement" else "silver.sessions"
    empty = frame(spark_session, table(source), [])
    found = getattr(reader_gold, name)(empty, [date(2026, 3, 10)]).schema
    expected = spark_schema(table(f"gold.{name}"))
    assert [(f.name, f.dataType) for f in found] == [(f.name, f.dataType) for f in expected]
