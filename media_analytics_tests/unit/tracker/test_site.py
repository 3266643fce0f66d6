"""How the tracker and the demo are served."""

import gzip
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from media_analytics.settings import Settings
from streaming.tracker import site

LIMIT_BYTES = 4096


@pytest.fixture
def client(make_settings: Callable[..., Settings]) -> TestClient:
    app = FastAPI()
    site.add_routes(app, make_settings(LOCAL="true"))
    return TestClient(app)


def test_the_tracker_is_at_most_4_kb_on_the_wire(client: TestClient) -> None:
    """Catches a tracker that grew, and one that is served uncompressed or with its comments."""
    plain, packed, _ = site.script()
    assert len(packed) <= LIMIT_BYTES
    assert gzip.decompress(packed) == plain
    answer = client.get("/tracker.js", headers={"accept-encoding": "gzip"})
    assert int(answer.headers["content-length"]) == len(packed)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert not [line for line in answer.text.splitlines() if line.startswith("//")]
    uncompressed = client.get("/tracker.js", headers={"accept-encoding": "identity"})
    assert uncompressed.content == plain
    assert "content-encoding" not in uncompressed.headers


def test_a_browser_that_has_the_tracker_is_not_sent_it_again(client: TestClient) -> None:
    tag = client.get("/tracker.js").headers["etag"]
    again = client.get("/tracker.js", headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_every_brand_has_its_demo(client: TestClient, make_settings: Callable[..., Settings]) -> None:
    """Catches a demo that sends for another brand, or a placeholder left in the page."""
    first = client.get("/demo", follow_redirects=False)
    assert first.headers["location"] == "/demo/bild/1"
    for brand in make_settings().brands:
        page = client.get(f"/demo/{brand}/2")
        assert page.status_code == 200
        assert (
            f'data-brand="{brand}" data-key="browser-{brand}" data-content-id="demo-{brand}-2"' in page.text
        )
        assert "$" not in page.text
    assert client.get("/demo/nobody/1").status_code == 404
    assert client.get("/demo/bild/9").status_code == 404


def test_a_configured_browser_key_is_used(make_settings: Callable[..., Settings]) -> None:
    app = FastAPI()
    keys = '[{"key": "k<1>", "kind": "browser", "brand": "bild"}]'
    site.add_routes(app, make_settings(LOCAL="true", COLLECTOR__KEYS=keys))
    assert 'data-key="k&lt;1&gt;"' in TestClient(app).get("/demo/bild/1").text


def test_outside_a_laptop_there_is_a_tracker_but_no_demo(make_settings: Callable[..., Settings]) -> None:
    app = FastAPI()
    keys = '[{"key": "k", "kind": "server"}]'
    site.add_routes(app, make_settings(LOCAL="false", COLLECTOR__KEYS=keys))
    assert TestClient(app).get("/tracker.js").status_code == 200
    assert TestClient(app).get("/demo").status_code == 404
