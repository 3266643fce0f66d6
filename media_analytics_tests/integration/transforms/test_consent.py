"""Each case of consent in silver and gold: who refused analytics is counted as page views and as nobody.

The rows are as the enricher leaves them; `streaming/test_consent.py` shows that, in topics, realtime and bronze.
"""

from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from media_analytics_tests.builders.events import at, bronze_event
from media_analytics_tests.integration.streaming.test_consent import CASES
from media_analytics_tests.integration.transforms.frames import bronze_frame, collected
from spark_jobs.transforms import events as transform
from spark_jobs.transforms import intervals, reader_gold
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
    assert {row["customer_id"] for row in collected(intervals.subscriptions(silver))} == people
