"""A public web log through the whole platform, against what plain Python counts in the file.

Would catch: sessions cut or joined, page views lost, doubled or under another date, anywhere between a file and gold.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest

from media_analytics.contracts.registry import table
from media_analytics.local.stack_variables import read_stack_environment
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings, load_settings
from media_analytics_tests.benchmarks.path import Platform, callers_environment
from media_analytics_tests.builders.weblog import REAL_LOG, Counted, counted

LINES = 10_000

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not REAL_LOG.is_file(), reason=f"the public log is not beside the repository: {REAL_LOG}"
    ),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    started = Platform(tmp_path_factory.mktemp("public"), callers_environment(), lines=LINES)
    started.command("up", "--ports", "free")
    started.run()
    yield started
    started.command("down")


@pytest.fixture(scope="module")
def settings(platform: Platform) -> Settings:
    return load_settings(read_stack_environment(platform.folder / "home" / "stack.env"))


@pytest.fixture(scope="module")
def log(platform: Platform) -> Counted:
    found = counted(platform.log)
    # As its README says.
    assert (found.lines, found.unreadable) == (LINES, 1)
    return found


def test_sessions_and_their_page_views_are_those_of_the_log(settings: Settings, log: Counted) -> None:
    columns = ("date", "sessions", "page_views")
    rows = DeltaLog(settings).rows(table("gold.reader_sessions"), columns).to_pylist()
    assert {r["date"]: (r["sessions"], r["page_views"]) for r in rows} == {
        day: (sessions, log.page_views_of_sessions[day]) for day, sessions in log.sessions.items()
    }
    each: Counter[date] = Counter(
        DeltaLog(settings).rows(table("silver.sessions"), ("date",))["date"].to_pylist()
    )
    assert each == log.sessions


def test_page_views_by_date_are_those_of_the_log(settings: Settings, log: Counted) -> None:
    """In the live table by the time of the event, and in gold by page."""
    asked = "SELECT toDate32(occurred_at) AS day, uniqExactIf(event_id, event_type = 'page_view') "
    live = ClickHouse(settings).rows(f"{asked} FROM realtime.user_events GROUP BY day")
    expected = {day: views for day, views in log.page_views.items() if views}
    assert {day: views for day, views in live if views} == expected
    pages: Counter[date] = Counter()
    rows = DeltaLog(settings).rows(table("gold.reader_engagement"), ("date", "page_views"))
    for row in rows.to_pylist():
        pages[row["date"]] += row["page_views"]
    assert pages == expected
