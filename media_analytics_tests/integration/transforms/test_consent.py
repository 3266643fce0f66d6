"""Every set of purposes in silver and gold: who refused analytics is counted as page views and as nobody.

The rows are as the enricher leaves them; `streaming/test_consent.py` shows that, in topics, realtime and bronze, and
`stream/test_stream.py` for bronze.user_events.
"""

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics_tests.builders.events import at, bronze_event
from media_analytics_tests.integration.streaming.test_consent import CASES, PURPOSES
from media_analytics_tests.integration.transforms.frames import bronze_frame, collected, frame
from spark_jobs.transforms import events as transform
from spark_jobs.transforms import intervals, reader_gold
from spark_jobs.transforms.reader_subscriptions import reader_subscriptions
from spark_jobs.transforms.sessions import sessions

pytestmark = pytest.mark.integration
DAY = date(2026, 3, 10)
TYPES = ("page_view", "page_ping", "click", "subscription_start")


def _rows() -> list[dict[str, Any]]:
    """For each case one reader who reads, stays, clicks and subscribes."""
    rows = []
    for case, (consent, may_count) in enumerate(CASES):
        person = f"customer-{case}" if may_count else None
        for step, event_type in enumerate(TYPES):
            when = at("10 12:00") + timedelta(minutes=case, seconds=step)
            fields = {
                "event_type": event_type,
                "consent": consent,
                "customer_id": person,
                "anonymous_id": None,
                "visitor_id": person and f"c:{person}",
                "engaged_seconds": 9.0 if event_type == "page_ping" else None,
                "tier": "basic" if event_type == "subscription_start" else None,
            }
            rows.append(bronze_event(case * 10 + step, when, **fields))
    return rows


def test_each_case_in_silver_and_gold(spark_session: SparkSession) -> None:
    """Would catch a session, visitor, click or subscription of somebody who refused to be counted."""
    may = {case for case, (_, may_count) in enumerate(CASES) if may_count}
    people = {f"customer-{case}" for case in may}
    silver = transform.events(bronze_frame(spark_session, _rows()), [DAY]).cache()
    stored = collected(silver)
    assert len(stored) == len(CASES) * len(TYPES)
    assert {row["customer_id"] for row in stored} - {None} == people
    for row in stored:
        case = int(row["event_id"].replace("-", ""), 16) // 10
        assert row["consent"] == CASES[case][0]
        assert (row["visitor_id"] is not None) == (case in may)

    per_session = sessions(silver, [DAY]).cache()
    assert {row["visitor_id"] for row in collected(per_session)} == {f"c:{person}" for person in people}
    (summed,) = collected(reader_gold.reader_sessions(per_session, [DAY]))
    assert (summed["visitors"], summed["page_views"], summed["clicks"]) == (len(may),) * 3
    (page,) = collected(reader_gold.reader_engagement(silver, [DAY]))
    assert page["page_views"] == len(CASES)
    assert (page["visitors"], page["sessions"], page["clicks"]) == (len(may),) * 3
    assert page["engaged_seconds"] == 9.0 * len(may)
    for grouped in (reader_gold.reader_geography, reader_gold.reader_devices, reader_gold.reader_sources):
        rows = collected(grouped(per_session, [DAY]))
        counted = [sum(row[name] for row in rows) for name in ("sessions", "visitors", "page_views")]
        assert counted == [len(may)] * 3, grouped.__name__
    subscribed = intervals.subscriptions(silver).cache()
    assert {row["customer_id"] for row in collected(subscribed)} == people
    (starts,) = collected(reader_subscriptions(subscribed, silver, [DAY]))
    # Whoever may not be counted is no customer who could have subscribed.
    assert (starts["starts"], starts["active"], starts["conversion_rate"]) == (len(may), len(may), 1.0)


def test_each_purpose_is_given_and_withdrawn_by_itself(spark_session: SparkSession) -> None:
    """Would catch a withdrawal of one purpose that ends another, and one that is in force again afterwards."""
    rows, expected = [], set()
    for number, purpose in enumerate(PURPOSES):
        alone, among = f"alone-{purpose}", f"all-but-{purpose}"
        for step, (customer, event_type, purposes) in enumerate(
            (
                (alone, "consent_given", [purpose]),
                (among, "consent_given", list(PURPOSES)),
                (among, "consent_withdrawn", [purpose]),
            )
        ):
            when = at("10 12:00") + timedelta(hours=step)
            decided = {
                "event_type": event_type,
                "customer_id": customer,
                "purposes": purposes,
                "jurisdiction": "de",
                "request_id": f"r{number}",
                "source_topic": "compliance.events",
            }
            rows.append(bronze_event(100 + 10 * number + step, when, **decided))
        expected |= {(alone, purpose, 12, None), (among, purpose, 13, 14)}
        expected |= {(among, other, 13, None) for other in PURPOSES if other != purpose}
    bronze = frame(spark_session, table("bronze.compliance_events"), rows)
    found = {
        (r["customer_id"], r["purpose"], r["valid_from"].hour, r["valid_to"] and r["valid_to"].hour)
        for r in collected(intervals.consent(bronze))
    }
    assert found == expected
