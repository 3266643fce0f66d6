"""The dashboard's pages in a real browser, with known rows in the real stores."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Browser

from media_analytics.modelling.minutes import Counts
from media_analytics_tests.builders.streams import Placed
from media_analytics_tests.integration.dashboard.planted import PERSON, Api, Planted, minute_ago
from media_analytics_tests.integration.dashboard.seen import PHONE, open_dashboard
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration
PAGES = (
    ("", "Live"),
    ("interactions", "Interactions and anomalies"),
    ("streams", "Streams"),
    ("dead-letters", "Dead letters"),
    ("completeness", "Completeness and freshness"),
)


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
        # 2 s where nothing else works on the machine.
        seen.until(lambda: seen.metric("Readers in the last 5 min") == "3", "three readers", 5)
        seen.until(lambda: len(seen.rows("Top articles now")) == 3, "the articles")
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


def test_the_live_page_of_one_brand_leads_to_an_article(
    chromium: Browser, pages: Embedded, planted: Planted
) -> None:
    """Catches a filter that the live page does not know, the last day's numbers under half an hour, a dead link."""
    rows = [{"brand": "welt", "section": "wirtschaft", "page_views_30m_human": 7, "page_views_24h_human": 70}]
    planted.mart("realtime_sections", rows)
    try:
        with open_dashboard(chromium, pages.settings) as seen:
            planted.events("user_events", 2, visitor_id="a:1", page_key="a-1", title="Of Bild")
            planted.events("user_events", 1, visitor_id="a:2", brand="welt", page_key="w-1", title="Of Welt")
            seen.open("?brand=Welt&who=All+traffic", "Live")
            seen.until(
                lambda: [row[0] for row in seen.rows("Top articles now")] == ["Article", "Of Welt"],
                "its article",
            )
            assert seen.metric("Readers in the last 5 min") == "1"
            shown = ["Section", "Brand", "Visitors", "Page views"]
            seen.until(lambda: seen.has("Sections in the last 30 minutes"), "the sections")
            assert seen.rows("Sections in the last 30 minutes") == []
            seen.page.get_by_text("People", exact=True).click()
            seen.until(
                lambda: (
                    seen.rows("Sections in the last 30 minutes") == [shown, ["Wirtschaft", "Welt", "0", "7"]]
                ),
                "people's page views",
            )
            seen.page.get_by_text("24 hours", exact=True).click()
            seen.until(lambda: seen.has("Sections in the last 24 hours"), "the last day")
            assert seen.rows("Sections in the last 24 hours")[1][3] == "70"
            seen.page.get_by_role("link", name="Of Welt").first.click()
            seen.until(
                lambda: "article=welt+w-1" in seen.page.url.replace("%20", "+"), "the article's address"
            )
            seen.page.get_by_role("heading", name="Articles", exact=True, level=1).wait_for()
            assert seen.faults() == []
    finally:
        planted.mart("realtime_sections", exists=False)


def test_times_are_those_of_the_readers_zone(chromium: Browser, pages: Embedded, planted: Planted) -> None:
    """Catches a newsroom in Tokyo that reads the clock of Greenwich."""
    planted.proofs({})
    planted.events("user_events", 1, visitor_id="a:1", page_key="a-1", title="Now")
    own = ZoneInfo("Asia/Tokyo")
    with open_dashboard(chromium, pages.settings, zone=str(own)) as seen:
        seen.open("", "Live")
        seen.until(lambda: f"Time ({own})" in seen.chart_texts(1), "the axis")

        def hours() -> set[str]:
            now = datetime.now(own)
            return {f"{now - timedelta(minutes=ago):%H:%M}" for ago in range(7)}

        clocks = {text for text in seen.chart_texts(1) if re.fullmatch(r"\d\d:\d\d", text)}
        assert clocks and clocks <= hours()
        (said,) = re.findall(r"At (\d\d:\d\d):\d\d \(Asia/Tokyo\)", seen.page.inner_text("body"))
        assert said in hours()
        seen.open("completeness", "Completeness and freshness")
        seen.until(lambda: seen.has("Topics and stores"), "the proofs")
        assert seen.rows("Topics and stores")[0][6] == f"Judged through ({own})"
        assert seen.rows("Topics and stores")[1][6][:13] in {
            f"{datetime.now(own) - timedelta(minutes=ago):%Y-%m-%d %H}" for ago in (5, 15)
        }
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
        seen.until(lambda: len(seen.rows("Anomalies of the last 24 hours")) > 1, "the anomaly")
        assert seen.metric("Error rate in the newest minute") == "31.50 %"
        assert f"{minute:%H:%M:%S} (UTC)" in seen.rows("Newest minute by type")[0][0] + seen.page.inner_text(
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


def test_the_stream_page_shows_offsets_lag_schemas_and_messages(
    chromium: Browser, pages: Embedded, planted: Planted, sent: list[Placed], group: str
) -> None:
    """Catches lag of another topic, a browser that shows a visitor, a schema without its rule."""
    planted.letters(("/v1/events/user", b"{}", "missing", "event_type"))
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("streams", "Streams")
        seen.until(lambda: seen.has("Lag by consumer group"), "the groups")
        topics = {row[0]: row for row in seen.rows("Topics")}
        assert topics["Topic"] == ["Topic", "Partitions", "Messages", "Newest message (UTC)", "Kept", "Key"]
        assert topics["user.raw"][1:3] == ["6", str(len(sent))]
        assert topics["user.raw"][4:] == ["7 d", "visitor_id"]
        lag = len(sent) - 2
        assert [group, "user.raw", "empty", "0", str(lag)] in seen.rows("Lag by consumer group")
        seen.until(lambda: seen.has("Messages of user.raw"), "the messages")
        assert seen.rows("Partitions of user.raw")[3][2:] == [str(sent[-1].offset + 1), str(lag)]
        seen.until(
            lambda: seen.has("Schema versions of user.raw-value, compatibility BACKWARD"), "the schemas"
        )
        assert seen.rows("Dead letter groups")[1][1:7] == [
            "user",
            "missing",
            "event_type",
            "server 0",
            "1",
            "0",
        ]
        messages = seen.rows("Messages of user.raw, partition 2")
        assert messages[0] == ["Offset", "Arrived (UTC)", "Size", "Key", "Value"]
        assert [row[0] for row in messages[1:]] == [str(p.offset) for p in reversed(sent)]
        assert messages[1][2] == "7 B"
        assert "magic byte" in messages[1][4]
        assert '"title": "Title 5"' in messages[2][4]
        assert messages[2][3] == "[redacted: pseudonym]"
        assert [text for text in PERSON if text in seen.page.inner_text("body")] == []
        assert seen.elsewhere == []
        assert seen.faults() == []


def test_the_dead_letter_page_shows_groups_and_shapes(
    chromium: Browser, pages: Embedded, planted: Planted
) -> None:
    """Catches a letter that shows its input, and a group that new letters do not reach."""
    planted.letters(("/v1/events/user", b'{"customer_id": "reader@example.org"}', "missing", "event_type"))
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("dead-letters", "Dead letters")
        seen.until(lambda: seen.has("The newest letters of"), "the letters")
        assert seen.metric("Letters") == "1"
        assert seen.rows("Groups")[1][1:7] == ["user", "missing", "event_type", "server 0", "1", "0"]
        assert seen.rows("The newest letters of")[1][1:4] == ["collector", "/v1/events/user", "37 B"]
        assert "reader@" not in seen.page.inner_text("body")
        seen.page.get_by_label("Patch (TOML)").fill('[[change]]\nset = "event_type"\nvalue = "page_view"')
        seen.page.get_by_role("button", name="Try").click()
        seen.until(lambda: seen.has("Would still fail"), "the trial")
        assert seen.metric("Would become events") == "0 of 1"
        assert seen.rows("Would still fail")[1][1:] == ["brand", "1"]
        seen.page.get_by_role("button", name="Replay").click()
        seen.until(lambda: "Dagster at" in seen.page.inner_text("body"), "why there is no replay")
        two = ("/v1/events/user", b"{}", "missing", "event_type")
        planted.letters(two, two)
        seen.until(lambda: seen.metric("Letters") == "2", "the new letter", 6)
        assert seen.faults() == []


def test_the_completeness_page_turns_red_and_green(
    chromium: Browser, pages: Embedded, planted: Planted
) -> None:
    """Catches a verdict that stays, a missing offset that is not named, a table without its age."""
    planted.proofs(
        {"first_offset": 1500, "last_offset": 2600, "kafka_count": 1101, "missing_lake": 2},
        {"topic": "content.events", "missing_realtime": None, "duplicates_realtime": None},
    )
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("completeness", "Completeness and freshness")
        seen.until(lambda: seen.has("Minutes that are red") and seen.has("Newest data"), "both tables")
        assert seen.metric("Verdict") == "red"
        assert (seen.metric("Messages judged"), seen.metric("Missing"), seen.metric("Twice")) == (
            "2,302",
            "2",
            "0",
        )
        proofs = {(row[0], row[1]): row for row in seen.rows("Topics and stores")[1:]}
        assert proofs[("user.raw", "lake")][2:6] == ["1,101", "0", "2", "0"]
        assert proofs[("user.raw", "lake")][7] == "red"
        assert proofs[("user.raw", "ClickHouse")][7] == "complete"
        assert seen.rows("Minutes that are red")[1][1:5] == ["user.raw", "lake", "0", "1500 to 2600"]
        ages = {row[0]: row for row in seen.rows("Newest data by table")[1:]}
        assert ages["ops.completeness"][1] == "fresh"
        assert ages["ops.completeness"][3:5] == ["30 min", "45 min"]
        assert ages["gold.reader_sessions"][1:3] == ["empty", "\N{EN DASH}"]
        planted.proofs({})
        seen.until(lambda: seen.metric("Verdict") == "complete", "the new verdict", 6)
        seen.until(lambda: not seen.has("Minutes that are red"), "no red minute", 6)
        assert seen.faults() == []


def test_a_phone_reads_every_page(chromium: Browser, pages: Embedded, planted: Planted) -> None:
    """Catches a page that must be pushed sideways at 390 pixels, and a number cut off."""
    planted.events("user_events", 5, visitor_id="a:1", page_key="/a", title="A headline of usual length " * 3)
    with open_dashboard(chromium, pages.settings, PHONE) as seen:
        for path, title in PAGES:
            seen.open(path, title)
            seen.page.locator("table").first.wait_for()
            seen.page.wait_for_load_state("networkidle")
            assert seen.overflow() <= 0, path


def test_the_page_says_when_the_api_is_away_and_comes_back(chromium: Browser, pages: Embedded) -> None:
    """Catches a page that dies, or shows old numbers as if they were new."""
    with open_dashboard(chromium, pages.settings) as seen:
        seen.open("", "Live")
        seen.until(lambda: seen.page.get_by_test_id("stMetric").count() == 4, "the page")
        pages.kill("dashboard-api")
        seen.until(lambda: "does not answer" in seen.page.inner_text("body"), "the reason")
        # Each part of the page says it by itself, when it asks again.
        seen.until(lambda: seen.page.get_by_test_id("stMetric").count() == 0, "that old numbers are gone")
        pages.start("dashboard-api")
        seen.until(lambda: seen.page.get_by_test_id("stMetric").count() == 4, "numbers again")
