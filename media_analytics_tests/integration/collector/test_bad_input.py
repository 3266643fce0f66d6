"""Bad input gets a 4xx that names field and rule; a good neighbour is kept; nothing breaks or grows."""

import gzip
import json
import socket
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analytics_tests.integration.collector.process import Collector, ends_of, read_topic
from media_analytics_tests.services.embedded import Embedded
from streaming.dead_letters.letters import original_bytes

pytestmark = pytest.mark.integration

JSON = {"Content-Type": "application/json"}
GZIP = JSON | {"Content-Encoding": "gzip"}
EVENTS = "/v1/events/user"
LOG_LINE = '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "agent"'


def event(**fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": now,
    } | fields


def log_batch(*lines: str, **fields: Any) -> dict[str, Any]:
    numbered = [{"line_number": n, "occurrence": 0, "line": line} for n, line in enumerate(lines, 1)]
    return {
        "brand": "bild",
        "site": "https://www.example.org",
        "source": "test.log",
        "lines": numbered,
    } | fields


def first(answer: httpx.Response) -> dict[str, Any]:
    item: dict[str, Any] = answer.json()["items"][0]
    return item


@pytest.mark.parametrize(
    ("content", "headers", "status", "code", "field"),
    [
        (b'{"event_type": ', JSON, 400, "malformed_json", "body"),
        (b"\xff\xfe", JSON, 400, "malformed_json", "body"),
        (b"\x00\x00", JSON, 400, "malformed_json", "body"),
        (b"", JSON, 400, "empty_body", "body"),
        (b"[]", JSON, 400, "empty_batch", "body"),
        (b"[" * 500_000, JSON, 400, "malformed_json", "body"),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", JSON, 413, "too_many_items", "body"),
        (b"x" * (2 * 1024 * 1024), JSON, 413, "body_too_large", "body"),
        (gzip.compress(b"\x00" * 30_000_000, mtime=0), GZIP, 413, "body_too_large", "body"),
        (gzip.compress(b"{}", mtime=0)[:-4], GZIP, 400, "malformed_gzip", "body"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_type", "Content-Type"),
        (b"{}", {}, 415, "unsupported_type", "Content-Type"),
        (b"{}", JSON | {"Content-Encoding": "br"}, 415, "unsupported_encoding", "Content-Encoding"),
        (b"{}", JSON | {"X-Api-Key": "guess"}, 401, "unknown_key", "Authorization"),
        (b"{}", JSON, 400, "missing_field", "event_type"),
    ],
)
def test_bad_bodies(
    client: httpx.Client, content: bytes, headers: dict[str, str], status: int, code: str, field: str
) -> None:
    answer = client.post(EVENTS, content=content, headers=headers)
    assert answer.status_code == status
    assert (answer.json()["accepted"], first(answer)["code"], first(answer)["field"]) == (0, code, field)
    assert first(answer)["message"]
    assert client.post(EVENTS, json=event()).status_code == 200


@pytest.mark.parametrize(
    ("bad", "status", "field"),
    [
        ({"event_type": "page_viewed"}, 422, "event_type"),
        ({"position": "third"}, 400, "position"),
        ({"occurred_at": None}, 400, "occurred_at"),
        ({"occurred_at": "99999-01-01T00:00:00Z"}, 422, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00Z"}, 422, "occurred_at"),
        ({"title": "a\x00b"}, 422, "title"),
        ({"user_agent": "x" * 65_536}, 422, "user_agent"),
        ({"ip": "1.2.3.4.5"}, 422, "ip"),
        ({"brand": "daily_planet"}, 422, "brand"),
        ({"event_id": "1"}, 422, "event_id"),
        ({"page_url": "x" * 9000}, 422, "page_url"),
    ],
)
def test_a_bad_item_alone_and_beside_a_good_one(
    client: httpx.Client, bad: dict[str, Any], status: int, field: str
) -> None:
    alone = client.post(EVENTS, json=event(**bad))
    assert (alone.status_code, first(alone)["field"], first(alone)["status"]) == (status, field, "rejected")
    good = event()
    mixed_bad = event(**bad)
    mixed = client.post(EVENTS, json=[mixed_bad, good])
    body = mixed.json()
    assert (mixed.status_code, body["accepted"], body["rejected"]) == (200, 1, 1)
    assert [i["status"] for i in body["items"]] == ["rejected", "accepted"]
    assert [i["event_id"] for i in body["items"]] == [mixed_bad["event_id"], good["event_id"]]


def test_an_item_that_is_not_utf8_leaves_its_neighbour(client: httpx.Client) -> None:
    good = event()
    content = b'[{"event_type": "\xff"},' + json.dumps(good).encode() + b"]"
    body = client.post(EVENTS, content=content, headers=JSON).json()
    assert [(i["status"], i["code"]) for i in body["items"]] == [
        ("rejected", "invalid_utf8"),
        ("accepted", None),
    ]


def test_other_paths_and_methods_answer_json(client: httpx.Client) -> None:
    for method, path, status in (
        ("POST", "/v1/events/weather", 404),
        ("POST", "/v1/events/", 404),
        ("GET", EVENTS, 405),
        ("POST", "/nowhere", 404),
    ):
        answer = client.request(method, path, json={})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
    assert client.get("/ping").status_code == 200


def test_kept_items_are_in_the_topic_unchanged(client: httpx.Client, home: Embedded) -> None:
    """Blank lines, quotes and SQL in every text field arrive as they were sent."""
    nasty = "a\n\n\"b\" 'c'; DROP TABLE x; -- \\ \t é 漢 \U0001f600"
    texts = (
        "page_url", "title", "content_id", "section", "referrer", "user_agent", "query", "product", "tier", "segment",
        "customer_id", "anonymous_id",
    )  # fmt: skip
    sent = event(
        **dict.fromkeys(texts, nasty), properties={nasty: nasty}, ip="192.0.2.55", consent=["analytics"]
    )
    assert client.post(EVENTS, json=sent).status_code == 200
    stored = {r["event_id"]: r for r in read_topic(home, "user.raw")}[sent["event_id"]]
    assert {name: stored[name] for name in texts} == dict.fromkeys(texts, nasty)
    assert (stored["properties"], stored["ip"], stored["visitor_id"]) == (
        {nasty: nasty},
        "192.0.2.55",
        f"c:{nasty}",
    )


def test_clickstream_items_are_mapped(client: httpx.Client, home: Embedded) -> None:
    click = {
        "id": "click-1", "type": "view", "package_id": str(uuid.uuid4()),
        "event": {"user_agent": "a", "ip": "192.0.2.1", "customer_id": "7", "timestamp": datetime.now(UTC).timestamp(),
                  "page": "/x", "query": None, "product": "p", "referrer": "https://example.net/", "position": 1},
    }  # fmt: skip
    bad = click | {"type": "look"}
    answer = client.post("/v1/clickstream", params={"brand": "welt"}, json=[click, bad])
    assert (answer.status_code, answer.json()["accepted"], answer.json()["items"][1]["field"]) == (
        200,
        1,
        "type",
    )
    stored = {r["event_id"]: r for r in read_topic(home, "user.raw")}[first(answer)["event_id"]]
    assert (stored["event_type"], stored["brand"], stored["page_url"]) == ("page_view", "welt", "/x")


def test_an_unparsable_line_is_a_rejected_item_and_a_dead_letter(
    client: httpx.Client, home: Embedded
) -> None:
    before = ends_of(home, "dead_letters")
    batch = log_batch(LOG_LINE, "no quotes 192.0.2.9", LOG_LINE + "\x00", source=f"{uuid.uuid4()}.log")
    answer = client.post("/v1/access-log", json=batch)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (200, 1, 2)
    again = client.post("/v1/access-log", json=batch)
    assert [i["event_id"] for i in again.json()["items"]] == [i["event_id"] for i in answer.json()["items"]]
    letters = read_topic(home, "dead_letters", before)
    key = home.settings.privacy.dead_letter_key
    mine = [r for r in letters if original_bytes(r, key) == b"no quotes 192.0.2.9"]
    assert len(mine) == 2
    assert len({r["letter_id"] for r in mine}) == 1
    assert (mine[0]["line_number"], mine[0]["reason"], mine[0]["source"]) == (
        2,
        "malformed_line",
        "/v1/access-log?brand=bild&site=https://www.example.org",
    )
    assert b"192.0.2.9" not in mine[0]["original_bytes"]
    assert any(r["reason"] == "nul_character" and r["line_number"] == 3 for r in letters)


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"lines": []}, 400, "lines"),
        ({"site": "www.example.org"}, 422, "site"),
        ({"brand": "daily_planet"}, 422, "brand"),
        ({"lines": [{"line_number": "x", "occurrence": 0, "line": ""}]}, 400, "lines[0].line_number"),
        ({"lines": "x"}, 400, "lines"),
    ],
)
def test_a_bad_log_request_names_its_field(
    client: httpx.Client, change: dict[str, Any], status: int, field: str
) -> None:
    answer = client.post("/v1/access-log", json=log_batch(LOG_LINE) | change)
    assert (answer.status_code, first(answer)["field"]) == (status, field)


def test_imports_are_shortened_and_flagged_not_refused(client: httpx.Client, home: Embedded) -> None:
    line = LOG_LINE.replace("agent", f"{uuid.uuid4()}" + "x" * 65_536).replace("/a ", "/" + "y" * 9000 + " ")
    answer = client.post("/v1/access-log", json=log_batch(line))
    assert answer.status_code == 200
    stored = {r["event_id"]: r for r in read_topic(home, "user.raw")}[first(answer)["event_id"]]
    assert (len(stored["user_agent"]), len(stored["page_url"]), stored["is_truncated"]) == (2048, 8192, True)
    assert stored["origin"] == "import"


def test_a_flood_of_bad_requests_does_not_grow_memory(collector: Collector, client: httpx.Client) -> None:
    bodies = [
        (b"x" * (2 * 1024 * 1024), JSON),
        (gzip.compress(b"[" * 20_000_000, mtime=0), GZIP),
        (b"[" * 500_000, JSON),
        (json.dumps([event(user_agent="x" * 60_000) for _ in range(16)]).encode(), JSON),
    ]

    def flood(rounds: int) -> int:
        for _ in range(rounds):
            for content, headers in bodies:
                assert 400 <= client.post(EVENTS, content=content, headers=headers).status_code < 500
        return collector.rss_kib()

    before = flood(10)
    assert flood(30) - before < 30 * 1024


def test_a_client_that_stops_in_its_body_is_answered_and_holds_no_room(
    home: Embedded, tmp_path: Path
) -> None:
    """Catches slow senders that take all requests in flight: nobody else would be served."""
    started = Collector(
        home, tmp_path / "log", COLLECTOR__MAX_BODY_SECONDS="1", COLLECTOR__MAX_REQUESTS_IN_FLIGHT="2"
    ).start()
    try:
        port = int(started.url.rpartition(":")[2])
        head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n["
        slow = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(2)]
        for one in slow:
            one.sendall(head.encode())
        for one in slow:
            answer = b""
            # Head and body of an answer may come in two parts.
            while b"body_too_slow" not in answer and (more := one.recv(65_536)):
                answer += more
            assert answer.startswith(b"HTTP/1.1 400")
            assert b"body_too_slow" in answer
            one.close()
        with httpx.Client(base_url=started.url, timeout=30, trust_env=False) as made:
            assert made.post(EVENTS, json=event()).status_code == 200
    finally:
        assert started.stop() == 0


def test_with_keys_configured_they_decide(home: Embedded, tmp_path: Path) -> None:
    keys = json.dumps(
        [{"key": "s" * 20, "kind": "server"}, {"key": "b" * 20, "kind": "browser", "brand": "bild"}]
    )
    started = Collector(home, tmp_path / "log", LOCAL="false", COLLECTOR__KEYS=keys).start()
    try:
        with httpx.Client(base_url=started.url, timeout=30, trust_env=False) as made:
            assert made.post(EVENTS, json=event()).status_code == 401
            browser = {"Authorization": f"Bearer {'b' * 20}", "Origin": "https://www.bild.de"}
            assert made.post(EVENTS, json=event(ip="garbage"), headers=browser).status_code == 200
            assert made.post(EVENTS, json=event(brand="welt"), headers=browser).status_code == 422
            assert made.post("/v1/access-log", json=log_batch(LOG_LINE), headers=browser).status_code == 401
            server = {"X-Api-Key": "s" * 20}
            assert made.post(EVENTS, json=event(brand="welt"), headers=server).status_code == 200
    finally:
        assert started.stop() == 0
