"""Browser keys, CORS, the pixel, metrics, documentation: what a page, Prometheus and a reader see."""

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analytics_tests.integration.collector.process import Collector, ends_of, metrics_of, read_topic
from media_analytics_tests.services.embedded import Embedded
from media_analytics_tests.unit.collector.test_families import item as family_item
from streaming.codecs.families import families
from streaming.collector.pixel import GIF
from streaming.collector.server import ROUTES

pytestmark = pytest.mark.integration
EVENTS = "/v1/events/user"
BILD = {"Origin": "https://www.bild.de"}
WELT = {"Origin": "https://www.welt.de"}
SERVER = {"X-Api-Key": "s" * 20}
BROWSER = {"key": "b" * 20}


def event(**fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": now,
    } | fields


@pytest.fixture(scope="module")
def keyed(home: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector as in production: keys decide, and browsers have a small rate."""
    keys = json.dumps(
        [{"key": "s" * 20, "kind": "server"}, {"key": "b" * 20, "kind": "browser", "brand": "bild"}]
    )
    started = Collector(
        home,
        tmp_path_factory.mktemp("keyed") / "log",
        LOCAL="false",
        COLLECTOR__KEYS=keys,
        COLLECTOR__BROWSER_EVENTS_PER_SECOND="0.1",
        COLLECTOR__BROWSER_BURST_EVENTS="30",
        COLLECTOR__TRUSTED_PROXIES='["127.0.0.1"]',
    ).start()
    yield started
    assert started.stop() == 0


@pytest.fixture
def page(keyed: Collector) -> Iterator[httpx.Client]:
    """A browser of its own address, so that tests do not use up each other's rate."""
    address = f"2001:db8::{uuid.uuid4().int % 65_536:x}"
    with httpx.Client(
        base_url=keyed.url, timeout=30, trust_env=False, headers={"X-Forwarded-For": address}
    ) as made:
        yield made


def test_a_beacon_of_the_brands_page_is_stored(page: httpx.Client, home: Embedded) -> None:
    """`sendBeacon` can set no header and sends text/plain: the key is in the address."""
    sent = event(ip="192.0.2.1")
    answer = page.post(
        EVENTS, params=BROWSER, content=json.dumps(sent), headers=BILD | {"Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert answer.headers["access-control-allow-origin"] == "https://www.bild.de"
    stored = {r["event_id"]: r for r in read_topic(home, "user.raw")}[sent["event_id"]]
    assert stored["ip"] == page.headers["X-Forwarded-For"]
    assert stored["user_agent"] == page.headers["User-Agent"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (WELT, "page_not_allowed"),
        ({"Origin": "null"}, "page_not_allowed"),
        ({}, "page_not_allowed"),
    ],
)
def test_other_pages_may_not_use_the_key(page: httpx.Client, headers: dict[str, str], code: str) -> None:
    answer = page.post(EVENTS, params=BROWSER, json=event(), headers=headers)
    assert (answer.status_code, answer.json()["items"][0]["code"]) == (401, code)
    assert "access-control-allow-origin" not in answer.headers


def test_a_browser_key_writes_its_brand_only_and_no_import(page: httpx.Client) -> None:
    for item, code in (
        (event(brand="welt"), "brand_not_allowed"),
        (event(origin="import"), "origin_not_allowed"),
    ):
        answer = page.post(EVENTS, params=BROWSER, json=item, headers=BILD)
        assert (answer.status_code, answer.json()["items"][0]["code"]) == (422, code)
    log = {"site": "https://www.bild.de", "source": "a", "lines": []}
    assert page.post("/v1/access-log", params=BROWSER, json=log, headers=BILD).status_code == 401


@pytest.mark.parametrize(
    ("query", "headers", "is_allowed"),
    [
        (BROWSER, BILD, True),
        (BROWSER, WELT, False),
        ({"brand": "welt"}, WELT, True),
        ({"brand": "welt"}, BILD, False),
        ({}, WELT, True),
        ({}, {"Origin": "https://evil.example"}, False),
    ],
)
def test_a_preflight_is_answered_for_pages_of_the_brand(
    page: httpx.Client, query: dict[str, str], headers: dict[str, str], is_allowed: bool
) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = page.options(EVENTS, params=query, headers=headers | asked)
    assert answer.status_code == (204 if is_allowed else 403)
    assert (answer.headers.get("access-control-allow-origin") == headers["Origin"]) is is_allowed
    if is_allowed:
        assert "authorization" in answer.headers["access-control-allow-headers"]


def test_a_page_that_sends_too_much_is_slowed_down_and_no_other(page: httpx.Client, keyed: Collector) -> None:
    assert (
        page.post(EVENTS, params=BROWSER, json=[event() for _ in range(40)], headers=BILD).status_code == 200
    )
    refused = page.post(EVENTS, params=BROWSER, json=event(), headers=BILD)
    assert (refused.status_code, refused.json()["items"][0]["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    other = {"X-Forwarded-For": "2001:db8:1::1"}
    assert page.post(EVENTS, params=BROWSER, json=event(), headers=BILD | other).status_code == 200
    assert page.post(EVENTS, json=event(), headers=SERVER).status_code == 200


def test_a_pixel_is_an_image_whatever_happens(page: httpx.Client, home: Embedded) -> None:
    mark = str(uuid.uuid4())
    query = BROWSER | {"page_url": f"https://www.bild.de/{mark}", "anonymous_id": mark}
    # An image sends no Origin, its Referer names the page.
    referer = {"Referer": "https://www.bild.de/some/article"}
    good = page.get("/v1/pixel", params=query, headers=referer)
    assert (good.status_code, good.content, good.headers["content-type"]) == (200, GIF, "image/gif")
    assert good.headers["cache-control"] == "no-store"
    bad = page.get("/v1/pixel", params=query | {"position": "x"}, headers=referer)
    assert (bad.status_code, bad.content, bad.headers["x-refused"]) == (400, GIF, "wrong_type position")
    foreign = page.get("/v1/pixel", params=query, headers={"Referer": "https://evil.example/"})
    assert (foreign.status_code, foreign.content) == (401, GIF)
    stored = [r for r in read_topic(home, "user.raw") if r["anonymous_id"] == mark]
    assert [(r["event_type"], r["page_url"], r["brand"]) for r in stored] == [
        ("page_view", query["page_url"], "bild")
    ]


def test_metrics_count_what_happened(client: httpx.Client) -> None:
    before = metrics_of(client)
    client.post(EVENTS, json=[event(), event(), event(event_type="look"), event(brand="welt")])
    client.post(EVENTS, content=b"{", headers={"Content-Type": "application/json"})
    after = metrics_of(client)

    def more(sample: str) -> float:
        return after.get(sample, 0) - before.get(sample, 0)

    assert more('collector_events_accepted_total{brand="bild",family="user"}') == 2
    assert more('collector_events_accepted_total{brand="welt",family="user"}') == 1
    assert (
        more('collector_events_rejected_total{brand="unknown",family="user",code="unknown_event_type"}') == 1
    )
    assert more(f'collector_requests_total{{route="{EVENTS}",status="200"}}') == 1
    assert more(f'collector_requests_total{{route="{EVENTS}",status="400"}}') == 1
    assert more(f'collector_requests_refused_total{{route="{EVENTS}",code="malformed_json"}}') == 1
    assert more(f'collector_dead_letters_total{{source="{EVENTS}",code="malformed_json"}}') == 1
    assert more("collector_produce_seconds_count") == 2
    assert (after["collector_queue_events"], after["collector_in_flight_bytes"]) == (0, 0)
    assert (after["collector_ready"], after["collector_workers"]) == (1, 1)


def test_metrics_are_the_text_that_prometheus_reads(client: httpx.Client) -> None:
    """Catches a line that no scraper parses: it would drop all of them."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    sample = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
    lines = [x for x in answer.text.splitlines() if not x.startswith("# ")]
    assert lines
    assert [x for x in lines if not sample.fullmatch(x)] == []


def test_the_document_describes_exactly_the_routes_there_are(client: httpx.Client) -> None:
    """Catches a route that is described and gone, or there and not described."""
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    described = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
    rest = {("GET", path) for path in ("/ping", "/ready", "/metrics", "/openapi.json", "/docs")}
    assert described == {(r.method, r.path) for r in ROUTES.values()} | rest
    for method, path in described:
        assert client.request(method, path).status_code not in (404, 405), path
        assert client.request("DELETE", path).status_code == 405, path
    assert {r.family for r in ROUTES.values()} == set(families())
    user = document["components"]["schemas"]["UserEvent"]
    assert user["required"] == ["event_type", "occurred_at"]
    assert not {"visitor_id", "received_at"} & set(user["properties"])
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])


def test_the_page_for_people_loads_nothing(client: httpx.Client) -> None:
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script|<link|<img|src=|url\(|@import", answer.text)
    for route in ROUTES:
        assert route in answer.text


def test_every_refusal_becomes_a_letter_with_its_source(
    client: httpx.Client, home: Embedded, collector: Collector
) -> None:
    """Item, whole request, too long a body, pixel: each once, however often it is sent."""
    from streaming.dead_letters.letters import original_bytes

    before = ends_of(home, "dead_letters")
    mark = str(uuid.uuid4())
    bad_item = json.dumps({"event_type": "look", "title": mark})
    huge = b'["' + mark.encode() + b"x" * (2 * 1024 * 1024)
    as_json = {"Content-Type": "application/json"}
    for _ in range(2):
        mixed = f"[{json.dumps(event())}, {bad_item}]"
        assert client.post(f"{EVENTS}?brand=welt", content=mixed, headers=as_json).status_code == 200
        assert client.post(EVENTS, content=f"{{{mark}", headers=as_json).status_code == 400
        assert client.post(EVENTS, content=huge, headers=as_json).status_code == 413
        assert client.get("/v1/pixel", params={"brand": "bild", "colour": mark}).status_code == 400
    key = home.settings.privacy.dead_letter_key
    letters = [(r, original_bytes(r, key)) for r in read_topic(home, "dead_letters", before)]
    mine = [(r, text) for r, text in letters if mark.encode() in text]
    found = {
        (r["source"], r["reason"], r["field"], r["is_replayable"], r["original_length"]): text
        for r, text in mine
    }
    assert (
        found[(f"{EVENTS}?brand=welt", "missing_field", "occurred_at", True, len(bad_item))]
        == bad_item.encode()
    )
    assert found[(EVENTS, "malformed_json", "body", True, len(mark) + 1)] == f"{{{mark}".encode()
    assert found[(EVENTS, "body_too_large", "body", False, len(huge))] == huge[: 256 * 1024]
    assert len(found) == 4
    assert len(mine) == 8
    assert len({r["letter_id"] for r, _ in mine}) == 4


def test_letters_of_a_key_are_bounded_and_counted_beyond(home: Embedded, tmp_path: Path) -> None:
    started = Collector(home, tmp_path / "log", COLLECTOR__MAX_LETTER_BYTES_PER_MINUTE="3000").start()
    mark = str(uuid.uuid4())
    try:
        with httpx.Client(base_url=started.url, timeout=30, trust_env=False) as made:
            for _ in range(5):
                answer = made.post(EVENTS, json={"event_type": mark + "x" * 900})
                assert answer.status_code == 400
            counted = metrics_of(made)
    finally:
        assert started.stop() == 0
    labels = f'{{source="{EVENTS}",code="missing_field"}}'
    assert counted[f"collector_dead_letters_total{labels}"] == 3
    assert counted[f"collector_dead_letters_dropped_total{labels}"] == 2


@pytest.mark.parametrize("family", [f for f in families() if f != "user"])
def test_every_family_arrives_in_its_topic(client: httpx.Client, home: Embedded, family: str) -> None:
    """With its key, byte for byte the contract's; consent is applied before the topic."""
    mark = str(uuid.uuid4())
    sent = family_item(family, event_id=mark)
    without = family_item(family, event_id=str(uuid.uuid4()), consent=[])
    wrong = family_item(family, event_id=str(uuid.uuid4()), event_type="Not A Word")
    answer = client.post(f"/v1/events/{family}", json=[sent, without, wrong])
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    assert answer.json()["items"][2]["code"] == "unknown_event_type"
    known = families()[family]
    stored = {r["event_id"]: r for r in read_topic(home, known.topic)}
    assert {n: stored[mark][n] for n in ("event_type", "brand")} == {
        n: sent[n] for n in ("event_type", "brand")
    }
    removed = stored[without["event_id"]]
    assert [removed[name] for name in known.removed_without_analytics] == [
        None for _ in known.removed_without_analytics
    ]
    counted = metrics_of(client)
    assert counted[f'collector_events_accepted_total{{brand="bild",family="{family}"}}'] >= 2
