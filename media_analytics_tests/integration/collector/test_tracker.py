"""The browser tracker in a real browser, on the demo article, against a real collector and Kafka."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from media_analytics_tests.integration.collector.process import Collector, read_topic
from media_analytics_tests.services.browser import browser as start_browser
from media_analytics_tests.services.browser import complaints
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration

ARTICLE = "/demo/bild/1"
# Headless browsers never hide a page, so the state is set and announced as a browser does; the beacon is real.
HIDE = """() => {
    Object.defineProperty(document, "visibilityState", {configurable: true, get: () => "hidden"});
    document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
}"""
SHOW = HIDE.replace('"hidden"', '"visible"')


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with start_browser() as started:
        yield started


@pytest.fixture
def own(home: Embedded, tmp_path: Path) -> Iterator[Collector]:
    """A collector that the test may stop."""
    collector = Collector(home, tmp_path / "log").start()
    yield collector
    if collector.process is not None and collector.process.poll() is None:
        collector.stop()


@pytest.fixture
def reader(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser profile of a new reader."""
    context = chromium.new_context(viewport={"width": 800, "height": 500})
    yield context
    context.close()


class Sent:
    """What a page sent: the ids of each request, in order, and every event by its id."""

    def __init__(self, page: Page) -> None:
        self.requests: list[list[str]] = []
        self.events: dict[str, dict[str, Any]] = {}
        self.urls: set[str] = set()
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if "/v1/events/" not in request.url or not request.post_data:
            return
        self.urls.add(request.url)
        items = json.loads(request.post_data)
        self.requests.append([i["event_id"] for i in items])
        for item in items:
            known = self.events.setdefault(item["event_id"], item)
            assert known == item, "an event was changed when it was repeated"


def waiting(page: Page) -> list[dict[str, Any]]:
    """The events that the page still keeps because nobody answered for them."""
    found: list[dict[str, Any]] = page.evaluate(
        "() => Object.keys(localStorage).filter(k => k.includes(':event:')).map(k => JSON.parse(localStorage[k]))"
    )
    return found


def until(page: Page, condition: Callable[[], bool], what: str, timeout_seconds: float = 30) -> None:
    """Poll while the page lives on."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout_seconds:g} s: {what}"
        page.wait_for_timeout(50)


def stored(home: Embedded, content_or_url: str) -> list[dict[str, Any]]:
    """Records of `user.raw` whose address holds a text, in the order they were stored per partition."""
    return [r for r in read_topic(home, "user.raw") if content_or_url in (r["page_url"] or "")]


def test_everything_a_reader_does_arrives(home: Embedded, own: Collector, reader: BrowserContext) -> None:
    """Catches a wrong field, an engaged time that counts idle or hidden seconds, lost video quartiles."""
    page = reader.new_page()
    bad, sent = complaints(page), Sent(page)
    opened = time.monotonic()
    page.goto(f"{own.url}{ARTICLE}?utm_source=test")
    page.wait_for_timeout(1500)
    page.mouse.move(100, 100)
    page.mouse.wheel(0, 300)
    page.get_by_role("button", name="Share").click()
    page.evaluate("document.getElementById('clip').play()")
    until(page, lambda: any(e["event_type"] == "page_ping" for e in sent.events.values()), "the first ping")
    assert 9.5 < time.monotonic() - opened < 13
    until(page, lambda: not waiting(page), "an answer for every event")
    assert bad == []
    assert len(sent.urls) == 1
    records = stored(home, own.url)
    assert {r["event_id"] for r in records} == set(sent.events)
    assert len(records) == len(sent.events)
    assert [r["event_type"] for r in records] == [
        "page_view", "click", "share", "video_start", "video_progress", "video_progress", "video_progress",
        "video_complete", "page_ping",
    ]  # fmt: skip
    view, click, share, start, *progress, complete, ping = records
    assert (view["brand"], view["content_id"], view["section"]) == ("bild", "demo-bild-1", "politics")
    assert view["title"] == "Demo article 1 of Bild"
    assert "HeadlessChrome" in view["user_agent"]
    assert click["properties"] == {"element": "share", "label": "Share"}
    assert share["properties"] == {"network": "copy"}
    assert [p["properties"]["progress_pct"] for p in progress] == ["25", "50", "75"]
    # A player says that it plays a few milliseconds after it began to.
    assert start["video_position_seconds"] == pytest.approx(0, abs=0.25)
    assert complete["video_position_seconds"] == 4
    assert {p["properties"]["video_id"] for p in (start, *progress, complete)} == {"demo-clip"}
    # Input for a moment, then none: five seconds each side of it at most, never the whole ten.
    assert 4.9 < ping["engaged_seconds"] < 7
    assert 40 < ping["scroll_pct"] <= 100


def test_a_page_nobody_touches_is_not_engaged(own: Collector, reader: BrowserContext) -> None:
    """Catches engaged time inferred from the gap between pings, or from scrolling by a script."""
    page = reader.new_page()
    sent = Sent(page)
    page.clock.install()
    page.goto(own.url + ARTICLE)
    page.evaluate("scrollTo(0, 200)")
    page.clock.run_for(25_000)
    until(page, lambda: len(sent.events) == 3, "a view and two pings")
    pings = [e for e in sent.events.values() if e["event_type"] == "page_ping"]
    assert [p["engaged_seconds"] for p in pings] == [0, 0]
    page.clock.run_for(3_600_000)
    until(page, lambda: not waiting(page), "an answer for every event")
    # Five minutes without input, then silence, however long the page stays open.
    assert len(sent.events) == 1 + 30


def test_reloaded_hidden_closed_loses_at_most_the_last_ping(
    home: Embedded, own: Collector, reader: BrowserContext
) -> None:
    """Catches events that wait for a timer when the page goes away, and time counted while hidden."""
    page = reader.new_page()
    bad, sent = complaints(page), Sent(page)
    page.goto(f"{own.url}{ARTICLE}?leave")
    page.mouse.move(10, 10)
    # Hidden: a beacon with the ping; nothing while hidden; a second announcement sends nothing twice.
    page.evaluate(HIDE)
    page.evaluate(HIDE)
    page.wait_for_timeout(2000)
    page.evaluate(SHOW)
    page.mouse.move(20, 20)
    # Reloaded in the moment of a click; closed in the moment of another.
    page.evaluate("document.getElementById('share').click(); location.reload()")
    page.wait_for_load_state("load")
    until(
        page, lambda: sum(e["event_type"] == "page_view" for e in sent.events.values()) == 2, "the view again"
    )
    page.mouse.move(30, 30)
    page.evaluate(
        "document.getElementById('share').click(); mediaAnalytics.track('search', {query: 'closing'})"
    )
    page.close(run_before_unload=True)
    after = reader.new_page()
    after.goto(f"{own.url}/demo/bild/2?after")
    until(after, lambda: not waiting(after), "an answer for what was left behind")

    records = stored(home, "?leave")
    ids = [r["event_id"] for r in records]
    assert bad == []
    once = {r["event_id"]: r for r in records}.values()
    kinds = sorted(r["event_type"] for r in once if r["event_type"] != "page_ping")
    assert kinds == ["click", "click", "page_view", "page_view", "search", "share", "share"]
    pings = [r for r in once if r["event_type"] == "page_ping"]
    # One when hidden, one at the reload; the one at the end may be lost.
    assert 2 <= len(pings) <= 3
    assert all(0 < p["engaged_seconds"] < 2 for p in pings)
    # What was under way when its page went away is repeated by the next one: twice at most, under one id.
    assert max(ids.count(i) for i in ids) <= 2


def test_what_the_collector_did_not_take_is_sent_again_under_its_id(
    home: Embedded, own: Collector, reader: BrowserContext
) -> None:
    """Catches a new id for a repeated event, and a queue that dies with its page."""
    page = reader.new_page()
    sent = Sent(page)
    page.goto(f"{own.url}{ARTICLE}?retry")
    until(page, lambda: not waiting(page), "the view's answer")
    own.kill()
    for n in range(30):
        page.evaluate(f"mediaAnalytics.track('search', {{query: 'away {n}'}})")
    until(page, lambda: len(sent.requests) >= 3, "a second attempt")
    assert len(waiting(page)) == 30
    assert set(sent.requests[1]) <= set(sent.requests[2])
    queued = {e["event_id"] for e in waiting(page)}
    page.close(run_before_unload=True)
    own.start()
    later = reader.new_page()
    resent = Sent(later)
    later.goto(f"{own.url}/demo/bild/3?later")
    # Entries of other pages count as left behind after ten seconds.
    until(later, lambda: not waiting(later), "an answer for what an earlier page left", 40)
    assert queued <= set(resent.events)
    records = [r for r in stored(home, "?retry") if r["event_type"] == "search"]
    assert {r["event_id"] for r in records} == queued
    assert {r["query"] for r in records} == {f"away {n}" for n in range(30)}
    first = {i: sent.events[i]["occurred_at"] for i in sent.events}
    assert all(resent.events[i]["occurred_at"] == first[i] for i in queued & set(first))


def test_the_queue_is_bounded_and_another_brands_events_stay(own: Collector, reader: BrowserContext) -> None:
    """Catches storage that fills up while a reader is offline, and a key that sends what is not its own."""
    page = reader.new_page()
    sent = Sent(page)
    page.goto(own.url + ARTICLE)
    until(page, lambda: not waiting(page), "the view's answer")
    foreign = {"event_id": "f", "event_type": "click", "brand": "welt", "occurred_at": "2026-01-01T00:00:00Z"}
    page.evaluate("e => localStorage.setItem('ma:welt:event:f', JSON.stringify(e))", foreign)
    reader.set_offline(True)
    page.evaluate(
        "() => { for (let n = 0; n < 700; n++) mediaAnalytics.track('search', {query: String(n)}) }"
    )
    queries = {e.get("query") for e in waiting(page)}
    assert queries == {None, *(str(n) for n in range(200, 700))}
    reader.set_offline(False)
    until(page, lambda: len(waiting(page)) == 1, "an answer for all but the other brand's")
    assert {e["brand"] for e in sent.events.values()} == {"bild"}
    assert {u.partition("?")[2] for u in sent.urls} == {"brand=bild&key=browser-bild"}
    assert max(map(len, sent.requests)) < 100


@pytest.fixture
def site(own: Collector) -> Iterator[str]:
    """A publisher's page on a host and port of its own, with the tracker of the collector."""
    tag = f'<script src="{own.url}/tracker.js" data-brand="bild" data-key="browser-bild" async></script>'
    content = f"<!doctype html><link rel=icon href='data:,'><title>Site</title><h1>Site</h1>{tag}".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_page_of_another_origin_sends_without_preflight(
    home: Embedded, own: Collector, reader: BrowserContext, site: str
) -> None:
    """Catches an answer the page may not read (it would send again for ever), and a beacon that is refused."""
    page = reader.new_page()
    bad, sent = complaints(page), Sent(page)
    methods: set[str] = set()
    page.on("request", lambda r: methods.add(r.method) if "/v1/" in r.url else None)
    page.goto(f"{site}/artikel?campaign=1")
    until(page, lambda: len(sent.events) == 1 and not waiting(page), "the view's answer")
    page.mouse.move(10, 10)
    page.wait_for_timeout(500)
    page.evaluate(HIDE)
    until(page, lambda: len(stored(home, site)) == 2, "the beacon's ping in Kafka")
    records = stored(home, site)
    assert [r["event_type"] for r in records] == ["page_view", "page_ping"]
    assert {r["page_url"] for r in records} == {f"{site}/artikel?campaign=1"}
    assert (bad, methods) == ([], {"POST"})


def test_consent_decides_what_is_kept_and_sent(own: Collector, reader: BrowserContext) -> None:
    """Catches an identifier before or without consent, on the device or in an event."""
    page = reader.new_page()
    bad, sent = complaints(page), Sent(page)

    def newest(kind: str) -> dict[str, Any]:
        until(page, lambda: not waiting(page), "an answer for every event")
        return [e for e in sent.events.values() if e["event_type"] == kind][-1]

    def names() -> list[str]:
        found: list[str] = page.evaluate(
            "() => Object.keys(localStorage).filter(k => !k.includes(':event:')).sort()"
        )
        return found

    page.goto(own.url + ARTICLE)
    before = newest("page_view")
    assert {"consent", "anonymous_id", "customer_id"} & before.keys() == set()
    assert names() == []
    page.get_by_role("button", name="Accept all").click()
    page.evaluate("mediaAnalytics.customer('42'); mediaAnalytics.track('search', {query: 'a'})")
    given = newest("search")
    assert given["consent"] == ["analytics", "personalisation", "advertising", "ml_training"]
    assert given["customer_id"] == "42"
    page.reload()
    again = newest("page_view")
    assert again["anonymous_id"] == given["anonymous_id"]
    assert again["event_id"] != before["event_id"]
    page.evaluate("mediaAnalytics.consent([]); mediaAnalytics.customer('42')")
    assert names() == ["ma:bild:consent"]
    count = len(sent.events)
    page.get_by_role("button", name="Share").click()
    page.evaluate("mediaAnalytics.page()")
    refused = newest("page_view")
    assert refused["consent"] == []
    assert {"anonymous_id", "customer_id"} & refused.keys() == set()
    assert len(sent.events) == count + 1
    assert bad == []
