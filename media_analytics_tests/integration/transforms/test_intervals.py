"""Intervals and subscription numbers against a plain walk through every event."""

import random
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics_tests.builders import reference_intervals as reference
from media_analytics_tests.builders.events import MIDNIGHT, at, silver_event
from media_analytics_tests.integration.transforms.frames import (
    assert_same_rows,
    collected,
    frame,
    silver_frame,
)
from spark_jobs.transforms import intervals
from spark_jobs.transforms.reader_subscriptions import reader_subscriptions

pytestmark = pytest.mark.integration
CONTENT, COMPLIANCE = table("bronze.content_events"), table("bronze.compliance_events")
# Steps between events of a key: none at all, across midnight, days.
STEPS = [timedelta(0), timedelta(microseconds=1), timedelta(hours=7), timedelta(hours=24), timedelta(days=3)]
numbers = st.integers(0, 2**32)
few = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))


def walk(seed: int, count: int) -> list[tuple[random.Random, Any]]:
    """Times of events: many keys, many ties."""
    chance = random.Random(seed)
    found, now = [], MIDNIGHT
    for _ in range(count):
        now = now + chance.choice(STEPS) if chance.random() < 0.3 else now
        found.append((chance, now))
    return found


def arrived(number: int, chance: random.Random, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The event as bronze has it, sometimes twice: a client sent it again, later."""
    place = {
        "source_topic": "content.events",
        "source_partition": number % 3,
        "source_offset": 2 * number,
        "received_at": row["occurred_at"],
        "appended_at": row["occurred_at"],
        "appended_hour": "2026-03-10T00",
        "schema_id": 1,
        "batch_id": f"b-{number}",
        "loaded_at": row["occurred_at"],
    }
    first = row | place
    if chance.random() > 0.2:
        return [first]
    later = {"received_at": row["occurred_at"] + timedelta(seconds=9), "source_offset": 2 * number + 1}
    return [first, first | later] if chance.random() < 0.5 else [first | later, first]


def content_rows(seed: int, count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, (chance, when) in enumerate(walk(seed, count)):
        row = {
            "event_id": str(uuid.UUID(int=chance.getrandbits(100))),
            "event_type": chance.choice(["published", "updated", "unpublished", "headline_changed"]),
            "brand": chance.choice(["bild", "welt"]),
            "occurred_at": when,
            "content_id": f"a{chance.randrange(5)}",
            "title": f"T{number}",
            "section": "politik",
            "authors": ["A"],
            "word_count": number,
            "is_premium": False,
            "published_at": MIDNIGHT,
            "revision": number,
            "origin": "live",
        }
        rows += arrived(number, chance, row)
    return rows


def consent_rows(seed: int, count: int) -> list[dict[str, Any]]:
    purposes = ["analytics", "personalisation", "advertising", "ml_training"]
    rows: list[dict[str, Any]] = []
    for number, (chance, when) in enumerate(walk(seed, count)):
        row = {
            "event_id": str(uuid.UUID(int=chance.getrandbits(100))),
            "event_type": chance.choice(
                ["consent_given", "consent_withdrawn", "consent_given", "export_requested"]
            ),
            "brand": chance.choice(["bild", "welt"]),
            "occurred_at": when,
            "customer_id": chance.choice(["k1", "k2", "k3", None]),
            "purposes": chance.sample(purposes, chance.randrange(4)),
            "jurisdiction": "de",
            "request_id": f"r{number}",
            "origin": "live",
        }
        rows += arrived(number, chance, row)
    return rows


def reader_rows(seed: int, count: int) -> list[dict[str, Any]]:
    types = ["subscription_start", "subscription_cancel", "page_view"]
    return [
        silver_event(
            number,
            when,
            event_id=str(uuid.UUID(int=chance.getrandbits(100))),
            event_type=chance.choice(types),
            brand=chance.choice(["bild", "welt"]),
            customer_id=chance.choice(["k1", "k2", "k3", "k4", None]),
            tier=chance.choice(["basic", "premium", None]),
            segment=chance.choice(["a", None]),
            is_bot=chance.random() < 0.2,
        )
        for number, (chance, when) in enumerate(walk(seed, count))
    ]


@few
@given(numbers)
def test_content_equals_a_walk_through_its_events(spark_session: SparkSession, seed: int) -> None:
    """Would catch copies that make intervals of their own, ties ordered by arrival, gaps and overlaps."""
    rows = content_rows(seed, 80)
    found = collected(intervals.content(frame(spark_session, CONTENT, rows)))
    assert_same_rows(found, reference.content(rows), ("brand", "content_id", "valid_from"))


@few
@given(numbers)
def test_consent_equals_a_walk_through_its_events(spark_session: SparkSession, seed: int) -> None:
    """Would catch a second consent that begins a second interval, and a withdrawal that is forgotten."""
    rows = consent_rows(seed, 80)
    found = collected(intervals.consent(frame(spark_session, COMPLIANCE, rows)))
    assert_same_rows(found, reference.consent(rows), ("customer_id", "purpose", "valid_from"))


@few
@given(numbers)
def test_subscriptions_equal_a_walk_through_their_events(spark_session: SparkSession, seed: int) -> None:
    """Would catch a start while active that leaves two open intervals, and cancels that end nothing."""
    rows = reader_rows(seed, 80)
    expected, without = reference.subscriptions(rows)
    events = silver_frame(spark_session, rows)
    found = collected(intervals.subscriptions(events))
    assert_same_rows(found, expected, ("brand", "start_event_id"))
    assert intervals.cancels_without_start(events).count() == without


@few
@given(numbers)
def test_subscription_numbers_equal_a_count_of_every_date(spark_session: SparkSession, seed: int) -> None:
    """Would catch a wrong midnight, churn by the wrong day's base, readers who subscribed already in conversion."""
    rows = reader_rows(seed, 70)
    last = max(row["occurred_at"] for row in rows).date()
    dates = [MIDNIGHT.date() + timedelta(days=n) for n in range(-1, (last - MIDNIGHT.date()).days + 2)]
    events = silver_frame(spark_session, rows)
    subscribed = intervals.subscriptions(events)
    found = collected(reader_subscriptions(subscribed, events, dates))
    keys = ("date", "brand", "tier", "segment")
    assert_same_rows(found, reference.reader_subscriptions(rows, dates), keys)
    some = dates[1::2]
    part = collected(reader_subscriptions(subscribed, events, some))
    assert_same_rows(part, [row for row in found if row["date"] in some], keys)


def test_intervals_are_half_open(spark_session: SparkSession) -> None:
    """A cancel at 00:00: the subscription is not active at that midnight, and the cancel is the new day's."""
    common = {"customer_id": "k", "tier": "basic", "segment": "a"}
    rows = [
        silver_event(1, at("10 00:00"), event_type="subscription_start", **common),
        silver_event(2, at("11 00:00"), event_type="subscription_cancel", **common),
    ]
    events = silver_frame(spark_session, rows)
    dates = [at("9 00:00").date(), at("10 00:00").date(), at("11 00:00").date()]
    found = {
        r["date"].day: r
        for r in collected(reader_subscriptions(intervals.subscriptions(events), events, dates))
    }
    numbers = {day: (r["starts"], r["cancels"], r["active"], r["churn_rate"]) for day, r in found.items()}
    # Day 9: the interval contains its next 00:00. Day 10 begins with it active and ends without.
    assert numbers == {9: (0, 0, 1, None), 10: (1, 0, 0, 0.0), 11: (0, 1, 0, None)}


@pytest.mark.parametrize("name", ["content", "consent", "subscriptions"])
def test_columns_are_the_contracts(spark_session: SparkSession, name: str) -> None:
    sources: dict[str, Sequence[Any]] = {
        "content": (intervals.content, CONTENT),
        "consent": (intervals.consent, COMPLIANCE),
        "subscriptions": (intervals.subscriptions, table("silver.events")),
    }
    transform, source = sources[name]
    found = transform(frame(spark_session, source, [])).schema
    expected = {f.name: f.dataType for f in spark_schema(table(f"silver.{name}"))}
    assert {f.name: f.dataType for f in found} == expected
    assert len(arrow_schema(table(f"silver.{name}")).names) == len(expected)
