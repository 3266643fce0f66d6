"""The pages about days and about the health of data in a real browser, with known rows in the real stores."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from media_analytics.contracts.registry import TABLES as CONTRACTS
from media_analytics.contracts.registry import table
from media_analytics.dashboard.page import numbers, script
from media_analytics.dashboard.reading.articles import TABLES
from media_analytics.dashboard.reading.catalogue import REPORTS, ReportOf
from media_analytics_tests.integration.dashboard import test_pages
from media_analytics_tests.integration.dashboard.planted import NEWEST, Planted, cohort, monday
from media_analytics_tests.integration.dashboard.seen import PHONE, open_dashboard
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("dates")]
PAGES = (
    ("overview", "Brand overview"),
    ("articles", "Articles"),
    ("sections", "Sections and authors"),
    ("audience", "Audience"),
    ("returning", "Returning readers"),
    ("subscriptions", "Subscriptions"),
    ("video", "Video quality"),
    ("data-health", "Data health"),
)
YESTERDAY = NEWEST
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
    # Three months, the newest of them not over.
    months = [(YESTERDAY + timedelta(days=1)).replace(day=1)]
    for _ in range(2):
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    planted.mart(
        "bi_brand_months",
        [
            {"month_date": month, "brand": "bild", "page_views_human": views, "visitors_human": views // 10}
            for month, views in zip(months, (500, 3000, 2000), strict=True)
        ],
    )
    planted.mart("bi_cohorts", [*cohort(3, "bild", 2000, 500, 240), *cohort(2, "welt", 1000, 400, 1)])
    yield planted
    for name in ("bi_brand_days", "bi_brand_months", "bi_cohorts", *TABLES):
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
        assert seen.metric("Engaged time a page view") == "12.5 s"
        assert seen.metric("Bounce rate") == "25.00 %"
        seen.until(lambda: "Page views" in seen.chart_texts(0), "the chart")
        seen.until(lambda: {"Date (UTC)", "Bild", "Sport Bild"} <= set(seen.chart_texts(0)), "its series", 40)
        assert "compared with" in seen.page.inner_text("body")
        # Where yesterday was a month's last day, the 12 months shown end with it.
        this = (YESTERDAY + timedelta(days=1)).replace(day=1)
        last = (this - timedelta(days=1)).replace(day=1)
        shown = [row[:4] for row in seen.rows("Month by month")[1:]]
        assert shown[-2:] == [
            [numbers.month(str(last)), "Bild", "3,000", "+50.0 %"],
            [numbers.month(numbers.month_before(str(last))), "Bild", "2,000", "\N{EN DASH}"],
        ]
        if this <= YESTERDAY:
            assert shown[0] == [numbers.month(str(this)) + " so far", "Bild", "500", "\N{EN DASH}"]
        assert seen.elsewhere == []
        assert seen.faults() == []


def test_a_hint_over_a_point_names_its_date_west_of_greenwich(
    chromium: Browser, pages: Embedded, marts: Planted
) -> None:
    """Catches a date in the zone of the browser, which would be the one before; a link to one day that opens none."""
    with open_dashboard(chromium, pages.settings, zone="America/Los_Angeles") as seen:
        seen.open(f"overview?brand=Sport+Bild&dates={YESTERDAY}&dates={YESTERDAY}", "Brand overview")
        seen.until(lambda: "Sport Bild" in seen.chart_texts(0), "the chart")
        point = seen.page.locator("path[aria-roledescription='point']").first
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        assert box is not None
        # Its upper half lies beyond the edge of the chart.
        seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"])
        hint = seen.page.locator("#vg-tooltip-element")
        seen.until(lambda: "800" in hint.inner_text(), "the hint")
        assert numbers.days(str(YESTERDAY), str(YESTERDAY)) in hint.inner_text()
        assert "in America/Los_Angeles" in seen.page.inner_text("body")


def test_the_overview_does_not_compare_a_day_that_is_not_over(
    chromium: Browser, pages: Embedded, marts: Planted
) -> None:
    """Catches some hours of today told as a fall from a whole day."""
    today = YESTERDAY + timedelta(days=1)
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open(f"overview?dates={YESTERDAY}&dates={today}", "Brand overview")
        seen.until(
            lambda: "not compared with the time before" in seen.page.inner_text("body"), "that it says so"
        )
        assert f"from {numbers.days(str(today), str(today))} on" in seen.page.inner_text("body")
        seen.until(lambda: seen.metric("Page views") == "2,000", "its numbers")
        assert {row[2] for row in seen.rows("By brand")[1:]} == {"\N{EN DASH}"}
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
            # The other one is that of months.
            seen.page.get_by_role("button", name="CSV", exact=True).first.click()
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
        assert seen.rows("Most read")[1] == [title, "Bild", "Politik", "1,000", "42.0 s"]
        assert seen.rows("What it is")[1][:2] == [title, "Politik"]
        seen.until(lambda: seen.has("Most read") and seen.metric("Page views") == "1,000", "its numbers")
        assert "article=bild+a-1" in seen.page.url.replace("%20", "+")
        search = seen.page.get_by_label("Search", exact=True)
        search.fill("nothing like it")
        search.press("Enter")
        seen.until(lambda: "No article has" in seen.page.inner_text("body"), "that nothing was found")
        assert seen.elsewhere == []
        assert seen.faults() == []


def planted_rows(table: str) -> list[dict[str, Any]]:
    """Two members of yesterday with numbers of their own in every column that the table's reports read."""
    reports = [of for of in REPORTS.values() if of.table == table]
    columns = {c for of in reports for m in of.measures for c in (*(m.above or (m.name,)), *m.below)}
    return [
        {"date": YESTERDAY, **({"brand": "bild"} if reports[0].has_brands else {})}
        | {of.dimension: brand if of.dimension == "brand" else member for of in reports}
        | dict.fromkeys(columns, 1200 * (n + 1))
        for n, (brand, member) in enumerate((("bild", "first"), ("welt", "second")))
    ]


@pytest.fixture
def planted_reports(home: Embedded) -> Iterator[Planted]:
    """Rows in the tables of every page of reports that no other test fills."""
    planted = Planted(home.settings)
    tables = {of.table for of in REPORTS.values()} - {
        "bi_brand_days", "bi_brand_months", "bi_cohorts", "editorial_articles"
    }  # fmt: skip
    copies = {name for name in tables if f"warehouse.{name}" in CONTRACTS}
    for name in tables:
        if name in copies:
            planted.rows_of(name, planted_rows(name))
        else:
            planted.mart(name, planted_rows(name))
    yield planted
    for name in tables:
        if name in copies:
            planted.emptied(name)
        else:
            planted.mart(name, exists=False)


def of_database(planted: Planted, of: ReportOf) -> list[list[str]]:
    """Members and their first measure, as the page writes them, by a query of its own."""
    measure = of.measures[0]
    rows = planted.asked(
        f"SELECT {of.dimension} AS name, toFloat64(sum({measure.name})) AS value FROM warehouse.{of.table} "
        "GROUP BY name ORDER BY value DESC"
    )
    return [[row["name"], numbers.measure(row["value"], measure.unit)] for row in rows]


@pytest.mark.slow
def test_pages_of_reports_show_what_the_database_says(
    chromium: Browser, pages: Embedded, planted_reports: Planted
) -> None:
    """Catches a report on the wrong page, a table of another report's rows, an axis without its name."""

    def first_columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
        return [[row[0].lower().replace(" ", "_"), row[1]] for row in rows[1:]]

    with open_dashboard(chromium, pages.settings) as seen:
        for page, title, path in script.PAGES:
            if path not in ("sections", "audience", "subscriptions", "video"):
                continue
            # Of all traffic: nobody asked for it while there was nothing, so no answer is kept.
            seen.open(f"{path}?who=All+traffic", title)
            for place, report in enumerate(page.REPORTS):
                of = REPORTS[report]
                expected = of_database(planted_reports, of)
                assert len(expected) == 2
                seen.until(
                    lambda n=place, e=expected: first_columns(seen.table(n)) == e, f"numbers of {report}"
                )
                seen.until(lambda n=place: "Date (UTC)" in seen.chart_texts(n), f"the chart of {report}")
                texts = seen.chart_texts(place)
                assert any(text.startswith(of.measures[0].title) for text in texts), (report, texts)
                assert {name for name, _ in expected} <= {text.lower() for text in texts}, (report, texts)
        assert seen.elsewhere == []
        assert seen.faults() == []


def test_countries_have_their_names(chromium: Browser, pages: Embedded, planted_reports: Planted) -> None:
    """Catches codes that only a machine knows."""
    rows = planted_rows("reader_geography")
    countries = [row | {"country": code} for row, code in zip(rows, ("DE", "GB"), strict=True)]
    planted_reports.emptied("reader_geography")
    planted_reports.rows_of("reader_geography", countries)
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("audience?brand=Bild&who=All+traffic", "Audience")
        names = ["Country", "Britain (UK)", "Germany"]
        seen.until(
            lambda: seen.has("By country") and [line[0] for line in seen.rows("By country")] == names, "names"
        )
        assert seen.faults() == []


def test_a_table_is_ordered_by_the_measure_of_the_link(
    chromium: Browser, pages: Embedded, planted_reports: Planted
) -> None:
    """Catches a choice that does not stand in the address, a table that keeps its order."""
    row = {"date": YESTERDAY, "brand": "bild", "articles": 1}
    read = [
        row | {"author": "Much Read", "page_views_human": 900, "shares_human": 1},
        row | {"author": "Much Shared", "page_views_human": 300, "shares_human": 60},
    ]
    planted_reports.mart("editorial_authors", read)
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("sections?brand=Bild&authors_measure=Shares", "Sections and authors")
        seen.until(lambda: seen.has("By author"), "the authors")
        assert [line[0] for line in seen.rows("By author")] == ["Author", "Much Shared", "Much Read"]
        seen.until(lambda: "Shares" in seen.chart_texts(1), "the chart of shares")
        assert seen.faults() == []


def test_the_page_of_returning_readers_shows_weeks_that_are_over(
    chromium: Browser, pages: Embedded, marts: Planted
) -> None:
    """Catches a share of another week, an average of shares in place of one of all, a week that still goes on."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("returning", "Returning readers")
        seen.until(lambda: seen.has("Share of the new visitors"), "the weeks", 40)
        assert (seen.metric("New visitors"), seen.metric("Came back")) == ("3,000", "900")
        assert seen.metric("Share that came back") == "30.00 %"
        weeks = [numbers.days(str(monday(n)), str(monday(n) + timedelta(days=6))) for n in (3, 2)]
        assert seen.rows("Share of the new visitors") == [
            ["First week", "New visitors", "Week 1", "Week 2"],
            [weeks[0], "2,000", "25.00 %", "12.00 %"],
            [weeks[1], "1,000", "40.00 %", ""],
        ]
        by_week = [row[:2] for row in seen.rows("By week,")[1:]]
        assert by_week == [["Week 0", "3,000"], ["Week 1", "3,000"], ["Week 2", "2,000"]]
        seen.until(lambda: "Came back (%)" in seen.chart_texts(0), "the chart")
        assert {"Weeks since the first", "These first weeks"} <= set(seen.chart_texts(0))
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


def test_every_page_is_seen_by_a_browser() -> None:
    """Catches a new page that no test opens."""
    opened = {path or "live" for path, _ in (*PAGES, *test_pages.PAGES)}
    assert opened == {path for _, _, path in script.PAGES}


def test_a_phone_reads_every_page_of_days(chromium: Browser, pages: Embedded, marts: Planted) -> None:
    """Catches a page that must be pushed sideways at 390 pixels."""
    with open_dashboard(chromium, pages.settings, PHONE) as seen:
        for path, title in PAGES:
            seen.open(path, title)
            seen.page.locator("table").first.wait_for()
            seen.page.wait_for_load_state("networkidle")
            assert seen.overflow() <= 0, path
