"""The real web log's facts, from file to records, without any service."""

import itertools
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from media_analytics_tests.builders import settings as builder
from streaming.codecs.instants import instant, microseconds
from streaming.collector import log_lines
from streaming.collector.access import Access
from streaming.collector.answers import Rejection
from streaming.collector.identity import Visitors
from streaming.collector.request import Context
from streaming.collector.rules import Times
from streaming.sender.log_file import LogFile

LOG = Path(__file__).parents[4] / "shared" / "data" / "weblog" / "apache_logs.gz"
pytestmark = pytest.mark.skipif(not LOG.is_file(), reason=f"the real log is not beside the repository: {LOG}")


@pytest.fixture(scope="module")
def outcome(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[dict[str, object]], list[tuple[int, Rejection]]]:
    settings = builder.make(tmp_path_factory.mktemp("settings"))
    access = Access(settings)
    mapper = log_lines.LineMapper(access, Visitors(settings.privacy), Times(settings.history_start))
    now = datetime.now(UTC)
    context = Context(access.sender({}), None, "127.0.0.1", None, now, microseconds(now), "")
    records, rejected = [], []
    for batch in LogFile(LOG).batches(0, 1000, 1024 * 1024):
        found = log_lines.batch(batch.body("bild", "https://www.example.org", LOG.name), 1000)
        for numbered in found.lines:
            try:
                records.append(mapper.record(numbered, "bild", found.site, context))
            except Rejection as rejection:
                rejected.append((numbered.line_number, rejection))
    return records, rejected


def test_all_lines_but_one_parse(
    outcome: tuple[list[dict[str, object]], list[tuple[int, Rejection]]],
) -> None:
    records, rejected = outcome
    assert len(records) == 9_999
    assert [(number, r.code) for number, r in rejected] == [(8899, "malformed_line")]
    assert "8899" in rejected[0][1].message


def test_ids_are_unique_though_lines_repeat(outcome: tuple[list[dict[str, object]], object]) -> None:
    assert len({r["event_id"] for r in outcome[0]}) == 9_999


def test_statuses_days_and_page_views(outcome: tuple[list[dict[str, object]], object]) -> None:
    records = outcome[0]
    statuses = Counter(r["http_status"] for r in records)
    assert {s: statuses[s] for s in (200, 304, 404, 500)} == {200: 9_125, 304: 445, 404: 213, 500: 3}
    days = Counter(instant(int(str(r["occurred_at"]))).date().isoformat() for r in records)
    assert days == {"2015-05-17": 1_632, "2015-05-18": 2_893, "2015-05-19": 2_896, "2015-05-20": 2_578}
    assert sum(r["event_type"] == "page_view" for r in records) == 3_926
    assert len({r["ip"] for r in records}) == 1_753
    assert len({r["user_agent"] for r in records} - {None}) in (557, 558)


def test_gaps_of_thirty_minutes_give_the_known_sessions(
    outcome: tuple[list[dict[str, object]], object],
) -> None:
    """No session of this log crosses midnight, so gaps alone decide."""
    times: dict[object, list[int]] = {}
    for record in outcome[0]:
        times.setdefault(record["visitor_id"], []).append(int(str(record["occurred_at"])))
    gap = 30 * 60 * 1_000_000
    sessions = 0
    for moments in times.values():
        moments.sort()
        sessions += 1 + sum(b - a > gap for a, b in itertools.pairwise(moments))
    assert sessions == 3_223


def test_requests_stay_within_the_collectors_limits() -> None:
    bodies = [
        b.body("bild", "https://www.example.org", LOG.name)
        for b in LogFile(LOG).batches(0, 1000, 1024 * 1024)
    ]
    assert len(bodies) == 10
    assert all(len(body) < 1024 * 1024 for body in bodies)
    assert sum(len(msgspec.json.decode(body)["lines"]) for body in bodies) == 10_000
