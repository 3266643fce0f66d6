"""The pages about days and about the health of data in a real browser, with known rows in the real stores."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from media_analytics.contracts.registry import table
from media_analytics.dashboard.reading.articles import TABLES
from media_analytics_tests.integration.dashboard.planted import Planted
from media_analytics_tests.integration.dashboard.seen import PHONE, open_dashboard
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration
PAGES = (
    ("overview", "Brand overview"),
    ("articles", "Articles"),
    ("audience", "Audience"),
    ("subscriptions", "Subscriptions"),
    ("video", "Video quality"),
    ("data-health", "Data health"),
)
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
BEFORE = YESTERDAY - timedelta(days=28)


def brand_day(day: Any, brand: str, views: int) -> dict[str, Any]:
    """A date of a brand: of all traffic twice the numbers of people."""
    row: dict[str, Any] = {"date": day, "brand": brand, "subscription_cancels": 3}
    for twin, factor in (("", 2), ("_human", 1)):
        row |= {
            f"page_views{twin}": views * factor, f"sessions{twin}": views * factor // 2,
            f"viewing_sessions{twin}": views * factor // 2, f"bounces{twin}": views * factor // 8,
            f"visitors{twin}": views * factor // 4, f"engaged_seconds{twin}": 12.5 * views * factor,
        }  # fmt: skip
    return row


@pytest.fixture(scope="module")
def marts(home: Embedded) -> Iterator[Planted]:
    planted = Planted(home.settings)
    planted.mart(
        "bi_brand_days",
        [
            brand_day(BEFORE, "bild", 400),
            brand_day(YESTERDAY, "bild", 1200),
            brand_day(YESTERDAY, "sport_bild", 800),
        ],
    )
    title = "<b>Wahl</b>: [das Ergebnis](http://elsewhere.example)"
    article = {"date": YESTERDAY, "brand": "bild", "page_key": "a-1", "headline": title, "section": "politik"}
    planted.mart(
        "editorial_articles",
        [article | {"page_views": 2000, "page_views_human": 1000, "engaged_seconds_human": 42_000}],
    )
    for name in TABLES[1:]:
        planted.mart(name)
    yield planted
    for name in ("bi_brand_days", *TABLES):
        planted.mart(name, exists=False)


def test_the_overview_shows_numbers_beside_those_before(
    chromium: Browser, pages: Embedded, marts: Planted
) -> None:
    """Catches a wrong label, unit or colour, robots among people, an axis without its name, a call to another host."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("overview", "Brand overview")
        seen.until(lambda: seen.has("By brand"), "the brands")
        seen.until(lambda: seen.page.get_by_test_id("stMetric").count() == 13, "the measures")
        # The API keeps answers for some seconds: they may be about the rows of the test before.
        by_brand = [
            ["Brand", "Page views", "Change", "Visits", "Change"],
            ["Bild", "1,200", "+200.0 %", "600", "+200.0 %"],
            ["Sport Bild", "800", "\N{EN DASH}", "400", "\N{EN DASH}"],
        ]
        seen.until(lambda: [row[:5] for row in seen.rows("By brand")] == by_brand, "numbers by brand", 40)
        seen.until(lambda: seen.metric("Page views") == "2,000", "people's page views", 40)
        assert seen.metric("Engaged time for each page view") == "12.5 s"
        assert seen.metric("Bounce rate") == "25.00 %"
        seen.until(lambda: "Page views" in seen.chart_texts(0), "the chart")
        seen.until(lambda: {"Date (UTC)", "Bild", "Sport Bild"} <= set(seen.chart_texts(0)), "its series", 40)
        assert "compared with" in seen.page.inner_text("body")
        assert seen.elsewhere == []
        assert seen.faults() == []


def test_a_link_opens_the_same_numbers(chromium: Browser, pages: Embedded, marts: Planted) -> None:
    """Catches a filter that does not stand in the address, or an address that nobody reads."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("overview?brand=Sport+Bild&who=All+traffic", "Brand overview")
        seen.until(lambda: seen.has("By brand"), "the brands")
        seen.until(lambda: seen.metric("Page views") == "1,600", "all traffic of one brand")
        assert [row[:2] for row in seen.rows("By brand")[1:]] == [["Sport Bild", "1,600"]]
        assert seen.faults() == []


def test_a_file_is_taken_away(chromium: Browser, pages: Embedded, marts: Planted, tmp_path: Path) -> None:
    """Catches a button without a file, and a file of other rows than the page's."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("overview?brand=Bild", "Brand overview")
        seen.until(lambda: seen.has("By brand"), "the brands")
        with seen.page.expect_download() as found:
            seen.page.get_by_role("button", name="CSV", exact=True).click()
        found.value.save_as(tmp_path / "rows.csv")
        lines = (tmp_path / "rows.csv").read_text("utf-8").splitlines()
        assert lines[0].startswith('"date","brand","page_views"')
        assert [line.split(",")[:3] for line in lines[1:]] == [[str(YESTERDAY), '"bild"', "1200"]]
        assert found.value.suggested_filename.endswith("_human.csv")


def test_an_article_is_found_and_its_life_shown(chromium: Browser, pages: Embedded, marts: Planted) -> None:
    """Catches a headline read as markup, a search that finds nothing, an article without its own numbers."""
    title = "<b>Wahl</b>: [das Ergebnis](http://elsewhere.example)"
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("articles?search=wahl", "Articles")
        seen.until(lambda: seen.has("What it is"), "the article")
        assert seen.rows("Most read")[1] == [title, "Bild", "politik", "1,000", "42.0 s"]
        assert seen.rows("What it is")[1][:2] == [title, "politik"]
        seen.until(lambda: seen.has("Most read") and seen.metric("Page views") == "1,000", "its numbers")
        assert "article=bild+a-1" in seen.page.url.replace("%20", "+")
        search = seen.page.get_by_label("Search", exact=True)
        search.fill("nothing like it")
        search.press("Enter")
        seen.until(lambda: "No article has" in seen.page.inner_text("body"), "that nothing was found")
        assert seen.elsewhere == []
        assert seen.faults() == []


def test_without_marts_a_page_says_what_will_come(chromium: Browser, pages: Embedded) -> None:
    """Catches an error, or zeros, in a stack's first hour."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("audience", "Audience")
        seen.until(lambda: "There are no numbers yet" in seen.page.inner_text("body"), "the reason")
        assert seen.page.get_by_test_id("stMetric").count() == 0
        assert seen.faults() == []


def test_data_health_shows_what_changed_and_what_cannot_be_known(
    chromium: Browser, pages: Embedded, planted: Planted
) -> None:
    """Catches a change without its cause, and checks told as good where Dagster is away."""
    now = datetime.now(UTC)
    planted.delta(
        table("ops.restatements"),
        [{"table": "gold.reader_sessions", "date": BEFORE, "brand": "bild", "measure": "sessions", "base_version": 1,
          "old_value": 10.0, "new_value": 12.5, "cause": "late events", "recorded_at": now}],
        replace=True,
    )  # fmt: skip
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("data-health", "Data health")
        seen.until(lambda: "late events" in seen.page.inner_text("body"), "the change", 30)
        row = [str(BEFORE), "gold.reader_sessions", "Bild", "sessions", "10", "12.5", "late events"]
        assert seen.rows("Published numbers that changed")[1][:7] == row
        assert "Dagster at" in seen.page.inner_text("body")
        assert seen.faults() == []


def test_a_phone_reads_every_page_of_days(chromium: Browser, pages: Embedded, marts: Planted) -> None:
    """Catches a page that must be pushed sideways at 390 pixels."""
    with open_dashboard(chromium, pages.settings, PHONE) as seen:
        for path, title in PAGES:
            seen.open(path, title)
            seen.page.locator("table").first.wait_for()
            seen.page.wait_for_load_state("networkidle")
            assert seen.overflow() <= 0, path
