"""The reader tables over a real access log, when it lies beside the repository."""

import gzip
import hashlib
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from media_analytics_tests.builders import reference
from media_analytics_tests.builders.events import silver_event
from media_analytics_tests.integration.transforms.frames import assert_same_rows, collected, silver_frame
from spark_jobs.transforms import reader_gold
from spark_jobs.transforms.sessions import sessions
from streaming.collector.access_log import LineError, parse
from streaming.collector.identity import line_id

LOG = Path(__file__).parents[3].parent / "shared" / "data" / "weblog" / "apache_logs.gz"
DAYS = [date(2015, 5, day) for day in (17, 18, 19, 20)]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not LOG.exists(), reason=f"no log at {LOG}"),
]


def log_events() -> list[dict[str, Any]]:
    """Events of the parsable lines; the visitor is a hash of host and user agent."""
    seen: Counter[bytes] = Counter()
    found = []
    with gzip.open(LOG) as file:
        for number, raw in enumerate(file):
            line = raw.rstrip(b"\r\n")
            occurrence, seen[line] = seen[line], seen[line] + 1
            try:
                parsed = parse(line.decode())
            except LineError:
                continue
            visitor = hashlib.sha256(f"{parsed.host}\0{parsed.user_agent or ''}".encode()).hexdigest()[:32]
            path = (parsed.target or "").partition("?")[0]
            found.append(
                silver_event(
                    number,
                    parsed.occurred_at,
                    event_id=line_id(line, occurrence),
                    event_type="page_view" if parsed.is_page_view else "resource_request",
                    visitor_id=f"h:{visitor}",
                    page_key=(path.rstrip("/") or "/") if path else None,
                    is_bot="bot" in (parsed.user_agent or "").lower(),
                )
            )
    return found


def test_counts_of_the_real_log(spark_session: SparkSession, record_property: Any) -> None:
    events = log_events()
    assert len(events) == 9_999
    assert [sum(e["date"] == day for e in events) for day in DAYS] == [1632, 2893, 2896, 2578]
    silver = silver_frame(spark_session, events)
    began = time.monotonic()
    found = collected(sessions(silver, DAYS))
    record_property("sessions_seconds", time.monotonic() - began)
    assert len(found) == 3_223
    assert sum(row["page_views"] for row in found) == 3_926
    assert sum(row["events"] for row in found) == 9_999
    pages = collected(reader_gold.reader_engagement(silver, DAYS))
    assert sum(row["page_views"] for row in pages) == 3_926
    assert_same_rows(pages, reference.reader_engagement(events), ("date", "brand", "page_key"))
