"""The dashboard's pages in a real browser, with known rows in the real stores."""

import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser

from media_analytics.modelling.minutes import Counts
from media_analytics_tests.integration.dashboard.planted import Api, Planted, minute_ago
from media_analytics_tests.integration.dashboard.seen import PHONE, open_dashboard
from media_analytics_tests.services.browser import browser as start_browser
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(home: Embedded) -> Embedded:
    """The pages run."""
    home.start("dashboard")
    return home


def test_nobody_sees_a_page_without_the_token(pages: Embedded) -> None:
    """Catches Streamlit served beside its guard: page, socket and files."""
    url = pages.settings.dashboard.page_url
    assert url is not None
    with httpx.Client(base_url=url, trust_env=False) as nobody:
        for path in ("/", "/interactions", "/_stcore/health", "/_stcore/stream", "/static/index.html"):
            assert nobody.get(path).status_code == 401, path
        assert nobody.get("/", headers={"Host": "evil.example"}).status_code == 403


def test_the_live_page_shows_the_rows_and_what_comes_next(
    chromium: Browser, pages: Embedded, planted: Planted
) -> None:
    """Catches a wrong label or unit, a number that stands still, a title read as markup, a call to another host."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("", "Live")
        seen.until(lambda: seen.metric("Readers in the last 5 min") == "0", "zero readers")
        assert seen.metric("Received to visible, median") == "\N{EN DASH}"
        seen.until(lambda: "Nobody has opened a page" in seen.page.inner_text("body"), "the empty table")
        title = "<b>Not bold</b> [link](http://elsewhere.example) ![](http://elsewhere.example/x.png)"
        for n in range(1234):
            if n % 617 == 0:
                planted.events("user_events", 617, visitor_id=f"a:{n}", page_key="a", title=title)
        planted.events("user_events", 3, visitor_id="a:w", brand="sport_bild", page_key="/w", title="Second")
        began = time.monotonic()
        seen.until(lambda: seen.metric("Readers in the last 5 min") == "3", "three readers", 4)
        assert time.monotonic() - began < 4
        assert seen.metric("Events per second") == "20.6"
        assert seen.metric("Received to visible, 99 of 100") == "400 ms"
        assert seen.rows("Top articles now") == [
            ["Article", "Brand", "Readers", "Page views"],
            [title, "Bild", "2", "1,234"],
            ["Second", "Sport Bild", "1", "3"],
        ]
        seen.until(lambda: "Readers in the last 5 min" in seen.chart_texts(0), "the chart")
        brands = seen.chart_texts(0)
        assert {"Bild", "Welt", "Sport Bild", "Politico", "Business Insider", "2", "1", "0"} <= set(brands)
        families = seen.chart_texts(1)
        assert {"Time (UTC)", "Events per second", "user", "interactions", "session", "security"} <= set(
            families
        )
        assert seen.elsewhere == []
        assert seen.faults() == []


def test_the_interactions_page_names_the_anomaly(
    chromium: Browser, pages: Embedded, api: Api, planted: Planted
) -> None:
    """Catches percent against ratio, a type without its verdict, an anomaly that is not listed."""
    minute = minute_ago(2)
    result = planted.result(minute, play=Counts(1000, 500), search=Counts(96, 4))
    result["event_types"]["play"] |= {"baseline_error_rate": 0.0101, "score": 22.34, "is_anomaly": True}
    result["anomalies"] = [
        {"event_type": "play", "error_rate": 1 / 3, "baseline_error_rate": 0.0101, "score": 22.34}
    ]
    assert api.http.post("/v1/events/minutes", json=result).status_code == 202
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("interactions", "Interactions and anomalies")
        seen.until(lambda: seen.metric("Interactions in the newest minute") == "1,600", "the pushed minute")
        assert seen.metric("Error rate in the newest minute") == "31.50 %"
        assert f"{minute:%H:%M:%S} UTC" in seen.rows("Newest minute by type")[0][0] + seen.page.inner_text(
            "body"
        )
        assert seen.rows("Newest minute by type")[1:] == [
            ["play", "1,500", "500", "33.33 %", "1.01 %", "22.3", "anomaly"],
            ["search", "100", "4", "4.00 %", "\N{EN DASH}", "0.0", "normal"],
        ]
        assert seen.rows("Anomalies of the last 24 hours")[1] == [
            f"{minute:%Y-%m-%d %H:%M}", "play", "33.33 %", "1.01 %", "22.3",
        ]  # fmt: skip
        assert {"Interactions per minute", "Time (UTC)", "play", "search"} <= set(seen.chart_texts(0))
        assert "Errors (% of interactions)" in seen.chart_texts(1)
        assert seen.faults() == []


def test_a_phone_reads_every_page(chromium: Browser, pages: Embedded, planted: Planted) -> None:
    """Catches a page that must be pushed sideways at 390 pixels, and a number cut off."""
    planted.events("user_events", 5, visitor_id="a:1", page_key="/a", title="A headline of usual length " * 3)
    with open_dashboard(chromium, pages.settings, PHONE) as seen:
        for path, title in (("", "Live"), ("interactions", "Interactions and anomalies")):
            seen.open(path, title)
            seen.page.locator("table").first.wait_for()
            assert seen.overflow() <= 0, path


def test_the_page_says_when_the_api_is_away_and_comes_back(chromium: Browser, pages: Embedded) -> None:
    """Catches a page that dies, or shows old numbers as if they were new."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("", "Live")
        seen.until(lambda: seen.page.get_by_test_id("stMetric").count() == 4, "the page")
        pages.kill("dashboard-api")
        seen.until(lambda: "does not answer" in seen.page.inner_text("body"), "the reason")
        assert seen.page.get_by_test_id("stMetric").count() == 0
        pages.start("dashboard-api")
        seen.until(lambda: seen.page.get_by_test_id("stMetric").count() == 4, "numbers again")
