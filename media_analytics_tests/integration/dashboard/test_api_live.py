"""The API's live numbers and minutes, against a real gateway with known rows."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from media_analytics.modelling.minutes import MINUTE, Counts
from media_analytics.resources.dashboard import Dashboard
from media_analytics_tests.integration.dashboard.planted import Api, Planted, minute_ago
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration


def test_an_empty_database_gives_zeros(api: Api, planted: Planted) -> None:
    """Catches a division by nothing, a missing brand, a percentile of no rows that is NaN."""
    live = api.get_fresh("/v1/live")
    assert live["readers"] == 0
    assert [b["brand"] for b in live["brands"]] == [
        "bild", "business_insider", "politico", "sport_bild", "welt",
    ]  # fmt: skip
    assert {b["readers"] for b in live["brands"]} == {0}
    assert live["articles"] == []
    assert live["latency"] == {"events": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}
    assert {f["family"]: f["events_per_second"] for f in live["families"]} == {
        "interactions": 0, "security": 0, "session": 0, "user": 0,
    }  # fmt: skip
    assert len(live["rates"]) in (29 * 4, 30 * 4)


def test_readers_articles_rates_and_latency_are_those_of_the_rows(api: Api, planted: Planted) -> None:
    """Catches bots or imports among readers, an event counted twice, a late event counted as now, a wrong unit."""
    article = {"page_key": "a-1", "title": "First"}
    copy = str(uuid.uuid4())
    for visitor in ("a:1", "a:2", "a:3"):
        planted.events("user_events", 2, visitor_id=visitor, **article)
    # The same event stored twice is one page view.
    planted.events("user_events", 2, visitor_id="a:1", event_id=copy, **article)
    planted.events("user_events", 1, visitor_id="a:9", brand="welt", page_key="/w", title=None)
    # Without consent: a page view without a reader.
    planted.events("user_events", 1, visitor_id=None, brand="welt", page_key="/w", title="W")
    old = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S.%f")
    for left_out in (
        {"is_bot": True},
        {"origin": "import"},
        {"event_type": "resource_request"},
        {"occurred_at": old},
    ):
        planted.events("user_events", 3, visitor_id=f"a:{left_out}", **article, **left_out)
    planted.events("user_events", 5, seconds_ago=400, visitor_id="a:before", **article)
    planted.events("interactions", 60, event_type="play", status="success", latency_ms=1)
    live = api.get_fresh("/v1/live")
    assert live["readers"] == 4
    found = {b["brand"]: (b["readers"], b["page_views"]) for b in live["brands"]}
    assert found["bild"] == (3, 7)
    assert found["welt"] == (1, 2)
    assert found["politico"] == (0, 0)
    assert [
        (a["brand"], a["page_key"], a["title"], a["readers"], a["page_views"]) for a in live["articles"]
    ] == [
        ("bild", "a-1", "First", 3, 7),
        ("welt", "/w", "W", 1, 2),
    ]
    rates = {f["family"]: f["events_per_second"] for f in live["families"]}
    assert rates["interactions"] == 1.0
    # Rows of bots, imports, logs and old events arrive, too; the copy counts once, the one before the minute not.
    assert rates["user"] == pytest.approx(21 / 60)
    assert sum(p["events_per_second"] for p in live["rates"] if p["family"] == "interactions") == 6.0
    latency = live["latency"]
    assert latency["p50_ms"] == latency["p99_ms"] == 400.0
    assert latency["events"] == 22 - 3 + 60


def test_one_brand_and_all_traffic(api: Api, planted: Planted) -> None:
    """Catches an article of another brand, robots among people, and people only where all traffic is asked for."""
    planted.events("user_events", 2, visitor_id="a:1", page_key="a-1", title="First")
    planted.events("user_events", 1, visitor_id="a:bot", page_key="a-1", title="First", is_bot=True)
    planted.events("user_events", 1, visitor_id="a:9", brand="welt", page_key="/w", title="W")
    live = api.get_fresh("/v1/live", brand="welt")
    assert (live["readers"], [b["brand"] for b in live["brands"]]) == (1, ["welt"])
    assert [a["page_key"] for a in live["articles"]] == ["/w"]
    everybody = api.get_fresh("/v1/live", who="all", brand=["bild", "welt"])
    found = {b["brand"]: (b["readers"], b["page_views"]) for b in everybody["brands"]}
    assert (everybody["who"], found) == ("all", {"bild": (2, 3), "welt": (1, 1)})
    # How fast events arrive is a matter of all brands.
    assert live["latency"]["events"] == everybody["latency"]["events"] == 4
    assert api.http.get("/v1/live", params={"brand": "bld"}).status_code == 422


def _recent(brand: str, views: int, **fields: Any) -> dict[str, Any]:
    """A row of a live mart: of all traffic twice the numbers of people, of a day ten times those of half an hour."""
    return {"brand": brand, **fields} | {
        f"{name}_{window}{twin}": views * times * factor // (2 if name == "visitors" else 1)
        for name in ("visitors", "page_views", "video_starts")
        for window, times in (("30m", 1), ("24h", 10))
        for twin, factor in (("", 2), ("_human", 1))
    }


@pytest.fixture
def live_marts(planted: Planted) -> Iterator[Planted]:
    """Tables in the place of the live marts' views."""
    rows: dict[str, list[dict[str, Any]]] = {
        "realtime_sources": [
            _recent("bild", 40, referrer_medium="search", referrer_source="Google"),
            _recent("welt", 20, referrer_medium="search", referrer_source="Google"),
            _recent("welt", 50, referrer_medium="direct", referrer_source="unknown"),
        ],
        "realtime_sections": [
            _recent("bild", 40, section="politics"),
            _recent("welt", 60, section="politics"),
            _recent("bild", 0, section="sports") | {"page_views_24h": 8},
        ],
        "realtime_articles": [_recent("bild", 40, page_key="a-1", title="First"),
                              _recent("welt", 60, page_key="/w", title=None)],
        "realtime_videos": [
            {"brand": "bild", "starts_30m": 9, "starts_30m_human": 6, "calls_30m": 20, "errors_30m": 5},
            {"brand": "welt", "starts_30m": 2, "starts_30m_human": 1, "calls_30m": 0, "errors_30m": 0},
        ],
    }  # fmt: skip
    for name, own in rows.items():
        planted.mart(name, own)
    yield planted
    for name in rows:
        planted.mart(name, exists=False)


def test_the_last_half_hour_and_day_are_those_of_the_live_marts(api: Api, live_marts: Planted) -> None:
    """Catches another window's numbers, robots among people, sources of two brands that are not added up."""

    def members(by: str, **asked: Any) -> list[tuple[Any, ...]]:
        found = api.get(f"/v1/live/{by}", **asked)
        return [(m["brand"], m["name"], m["values"]["page_views"]) for m in found["members"]]

    assert members("sources") == [(None, "search, Google", 60), (None, "direct", 50)]
    assert members("sources", window="24h", who="all") == [
        (None, "search, Google", 1200),
        (None, "direct", 1000),
    ]
    assert members("sources", brand="welt") == [(None, "direct", 50), (None, "search, Google", 20)]
    assert members("sections") == [("welt", "politics", 60), ("bild", "politics", 40)]
    assert ("bild", "sports", 8) in members("sections", window="24h", who="all")
    articles = api.get("/v1/live/articles")["members"]
    assert [(a["name"], a["title"]) for a in articles] == [("/w", None), ("a-1", "First")]
    videos = api.get("/v1/live/videos")
    assert [(m["name"], list(m["values"].values())) for m in videos["members"]] == [
        ("bild", [6, 20, 5, 0.25]),
        ("welt", [1, 0, 0, None]),
    ]
    said = {m["name"]: m["means"] for m in api.get("/v1/live/brands")["measures"]}["page_views"]
    assert said.startswith("How often pages were opened. People only") and said.endswith(
        "In the last 30 minutes."
    )
    assert api.http.get("/v1/live/nothing").status_code == 422
    assert api.http.get("/v1/live/brands", params={"window": "2h"}).status_code == 422


def test_live_marts_that_nobody_made_yet_are_empty_and_no_error(api: Api, planted: Planted) -> None:
    assert api.get("/v1/live/countries")["members"] == []


def test_nobody_reads_without_the_token(api: Api) -> None:
    """Catches a route that is served before the guard."""
    with httpx.Client(base_url=api.url, trust_env=False) as nobody:
        for path in ("/v1/live", "/docs", "/openapi.json", "/ready"):
            assert nobody.get(path).status_code == 401, path
        assert nobody.post("/v1/events/minutes", json={}).status_code == 401
        assert nobody.get("/ping").status_code == 200
    rebound = api.http.get("/v1/live", headers={"Host": "evil.example"})
    assert rebound.status_code == 403
    assert api.http.post("/v1/events/minutes", headers={"Origin": "http://evil.example"}).status_code == 403


def test_an_unchanged_answer_is_not_sent_again(api: Api, planted: Planted) -> None:
    """Catches an ETag that does not follow the content, or a 304 with a body."""
    api.http.post("/v1/events/minutes", json=planted.result(minute_ago(5), play=Counts(99, 1)))
    first = api.http.get("/v1/interactions/minutes")
    again = api.http.get("/v1/interactions/minutes", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    api.http.post("/v1/events/minutes", json=planted.result(minute_ago(4), play=Counts(9, 1)))
    changed = api.http.get("/v1/interactions/minutes", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_what_is_pushed_shows_at_once_and_what_was_not_comes_from_files(
    home: Embedded, api: Api, planted: Planted
) -> None:
    """Catches a minute that is lost because the dashboard was away, or that stands twice when pushed and read."""
    first = minute_ago(40)
    # Pushed to nobody: only files know the first two.
    for n in range(2):
        planted.write_result(planted.result(first + n * MINUTE, play=Counts(90 + n, 10)))
    pushed = planted.result(first + 2 * MINUTE, play=Counts(50, 50))
    pushed["anomalies"] = [
        {"event_type": "play", "error_rate": 0.5, "baseline_error_rate": 0.1, "score": 30.0}
    ]
    assert Dashboard(home.settings).push_minute(pushed)
    home.kill("dashboard-api")
    assert not Dashboard(home.settings).push_minute(pushed)
    home.start("dashboard-api")
    assert api.get("/v1/interactions/anomalies")["items"] == []
    planted.write_result(pushed)
    assert Dashboard(home.settings).push_minute(pushed)
    page = api.get("/v1/interactions/minutes", limit=2)
    assert [datetime.fromisoformat(r["window_start"]) for r in page["items"]] == [
        first + 2 * MINUTE,
        first + MINUTE,
    ]
    rest = api.get("/v1/interactions/minutes", limit=2, cursor=page["next"])
    assert [datetime.fromisoformat(r["window_start"]) for r in rest["items"]] == [first]
    assert rest["next"] is None
    assert rest["items"][0]["event_types"]["play"]["success"] == 90
    anomalies = api.get("/v1/interactions/anomalies")["items"]
    assert [(a["event_type"], a["error_rate"]) for a in anomalies] == [("play", 0.5)]
    one = api.get(f"/v1/interactions/minutes/{(first + timedelta(seconds=30)).isoformat()}")
    assert one["total"] == 100
    assert api.http.get("/v1/interactions/minutes/2020-01-01T00:00:00Z").status_code == 404


def test_a_push_of_something_else_is_refused_with_the_field(api: Api) -> None:
    """Catches a receiver that keeps what it cannot show."""
    answer = api.http.post("/v1/events/minutes", json={"window_start": "now"})
    assert answer.status_code == 422
    assert ["body", "window_start"] in [problem["loc"] for problem in answer.json()["detail"]]
    assert api.http.get("/v1/interactions/minutes", params={"cursor": "x"}).status_code == 422
    assert api.http.get("/v1/interactions/minutes", params={"limit": 0}).status_code == 422


def test_the_description_names_every_route_and_answer(api: Api) -> None:
    """Catches an untyped answer, and a part of a list without its bound."""
    described = api.get("/openapi.json")
    page = api.http.get("/docs").text
    # The page asks no other host.
    assert "://" not in page
    assert [path for path in described["paths"] if path not in page] == []
    assert "<a href='#LiveNow'>LiveNow</a>" in page
    assert "text/csv" in page
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            good = next(r for status, r in operation["responses"].items() if status in ("200", "202"))
            schemas = [kind["schema"] for kind in good["content"].values()]
            assert schemas, (path, method)
            assert all(schemas), (path, method)
            assert operation["summary"], path
            if any(s.get("$ref", "").split("/")[-1].startswith("Page_") for s in schemas):
                assert {"limit", "cursor"} <= {p["name"] for p in operation["parameters"]}, path
