"""Full addresses stand in `user.raw` and, encrypted, in dead letters, and nowhere else.

Every way in is given an address of its own; then every topic, store, log, health file and listing is searched for all
of them. Would catch: a field that is not cut, a message of a refusal that repeats the value, a log line with an input.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from typer.testing import CliRunner

from media_analytics.build import MICRO_BATCHED
from media_analytics.cli import app
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.streams import raw_event
from media_analytics_tests.integration.micro_batches.world import World
from media_analytics_tests.integration.streaming.conftest import Pipeline
from media_analytics_tests.services.embedded import wait_until
from streaming.dead_letters.letters import original_bytes

pytestmark = pytest.mark.integration

# What a reader may be called: a customer, the id of a browser, a host name in a log.
PEOPLE = ("customer-of-ours", "browser-of-hers", "host-of-his.example.net")
KEPT = {
    "body": "198.51.100.11",
    "clickstream": "198.51.101.12",
    "log line": "198.51.102.13",
    "version 6": "2001:db8:aa:bb:cc:dd:ee:14",
}
CUT = {"security": "198.51.103.15"}
REFUSED = {
    "brand": "203.0.113.21",
    "address": "203.0.114.222222",
    "no json": "203.0.115.23",
    "no log line": "203.0.116.24",
    "not listed": "203.0.117.25",
    "in a field": "203.0.118.26",
    "no avro": "203.0.119.27",
    "enricher": "203.0.120.288888",
    "as id": "203.0.121.29",
}
ALL = KEPT | CUT | REFUSED


def _event(**fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"event_type": "page_view", "brand": "bild", "occurred_at": now} | fields


def _send(client: httpx.Client) -> set[str]:
    """One request for each way in; the ids of accepted events."""
    person = {"customer_id": PEOPLE[0], "anonymous_id": PEOPLE[1]}
    now = datetime.now(UTC).isoformat()
    accepted = [
        ("/v1/events/user", _event(ip=KEPT["body"], **person)),
        ("/v1/events/user", _event(ip=KEPT["version 6"])),
        (
            "/v1/clickstream?brand=bild",
            {
                "id": "1",
                "type": "view",
                "package_id": "p",
                "event": {"user_agent": "a", "ip": KEPT["clickstream"], "timestamp": now, "page": "/"},
            },
        ),
        (
            "/v1/events/security",
            _event(event_type="login_failed", ip=CUT["security"], user_agent="a", severity=1, rule="r"),
        ),
        ("/v1/access-log", _log(f'{KEPT["log line"]} - - [{_log_time()}] "GET / HTTP/1.1" 200 1 "-" "a"')),
        ("/v1/access-log", _log(f'{PEOPLE[2]} - - [{_log_time()}] "GET / HTTP/1.1" 200 1 "-" "a"')),
    ]
    refused: list[tuple[str, Any]] = [
        ("/v1/events/user", _event(brand=REFUSED["brand"], ip=REFUSED["brand"])),
        ("/v1/events/user", _event(ip=REFUSED["address"])),
        ("/v1/events/user", _event(page_url=f"{REFUSED['in a field']} {'x' * 9000}")),
        ("/v1/events/user", _event(engaged_seconds=REFUSED["in a field"], consent=[REFUSED["in a field"]])),
        ("/v1/events/user", _event(event_id=REFUSED["as id"])),
        ("/v1/events/user", _event(**{REFUSED["as id"]: 1, "event_type": REFUSED["as id"]})),
        ("/v1/events/user", _event(occurred_at=REFUSED["in a field"])),
        ("/v1/access-log", _log(f"{REFUSED['no log line']} said hello")),
        ("/v1/events/security", _event(event_type="login_failed", ip=REFUSED["address"], severity=9)),
    ]
    ids = set()
    for path, body in accepted:
        answer = client.post(path, json=body)
        assert answer.json()["accepted"] == 1, (path, answer.text)
        ids |= {item["event_id"] for item in answer.json()["items"]}
    for path, body in refused:
        answer = client.post(path, json=body)
        assert answer.status_code in (400, 422), (path, body, answer.text)
    assert client.post("/v1/events/user", content=f"ip={REFUSED['no json']}").status_code >= 400
    listed = client.post("/v1/events/user", json=[REFUSED["not listed"]])
    assert listed.json()["accepted"] == 0
    return ids


def _log(line: str) -> dict[str, Any]:
    site = "https://www.bild.de"
    lines = [{"line_number": 1, "occurrence": 0, "line": line}]
    return {"brand": "bild", "site": site, "source": "access.log", "lines": lines}


def _log_time() -> str:
    return datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _found(text: str | bytes, wanted: dict[str, str]) -> list[str]:
    """The names of the addresses that stand in a text."""
    data = text.encode() if isinstance(text, str) else text
    return [name for name, address in wanted.items() if address.encode() in data]


def _bytes_of(pipeline: Pipeline, topic: str) -> bytes:
    """Keys and values of a topic as they are, aborted ones included."""
    messages = streams.read_topic(pipeline.settings, topic, "read_uncommitted")
    return b"\n".join((m.key() or b"") + b"|" + (m.value() or b"") for m in messages)


def _bronze(pipeline: Pipeline, lake: Path) -> Iterator[tuple[str, str]]:
    """Every table that micro-batches fill, with its rows as text; the original bytes as they are."""
    settings = pipeline.embedded.settings_with(LAKE__URL=str(lake))
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(settings, instance)
        for batched in (module.TABLE for module in MICRO_BATCHED):
            world.create_table(batched.contract)
            if batched.dates is not None:
                world.create_table(batched.dates)
            for _ in world.writer(batched).catch_up(world.kafka.end_offsets(batched.topic.name)):
                pass
            yield batched.contract.full_name, str(world.rows(batched.contract))


def test_full_addresses_are_in_the_raw_topic_and_in_encrypted_letters_only(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.embedded.start("collector")
    processes = [pipeline.start("enricher"), pipeline.start("sink")]
    with httpx.Client(base_url=pipeline.settings.collector.url, timeout=30, trust_env=False) as client:
        ids = _send(client)
        # What a collector of another release might let through.
        pipeline.raw.send([raw_event(7, ip=REFUSED["enricher"]), raw_event(8, brand=REFUSED["enricher"])])
        pipeline.raw.send_bytes(f"ip={REFUSED['no avro']}".encode(), 0, None, [])
        pipeline.raw.flush()
        wait_until(lambda: len(pipeline.letters("enricher")) == 3, 60, lambda: pipeline.said("enricher"))
        wait_until(lambda: pipeline.count() == len(ids) - 1, 60, lambda: pipeline.said("sink"))
        pages = {page: client.get(page).text for page in ("/metrics", "/ready", "/ping", "/openapi.json")}
    pipeline.stop(*processes)
    assert pipeline.embedded.stop("collector") == 0

    # The search finds what is there: the raw topic, and the letters once they are decrypted.
    assert set(_found(_bytes_of(pipeline, "user.raw"), ALL)) == {*KEPT, "no avro", "enricher"}
    key = pipeline.settings.privacy.dead_letter_key
    letters = streams.records(pipeline.settings, "dead_letters")
    opened = b"\n".join(original_bytes(letter, key) for letter in letters)
    assert set(_found(opened, ALL)) == set(REFUSED)

    places = {
        f"topic {name}": _found(_bytes_of(pipeline, name), ALL) for name in TOPICS if name != "user.raw"
    }
    for name, contract in TABLES.items():
        if contract.store == "clickhouse":
            rows = json.dumps(pipeline.store.rows(f"SELECT * FROM {name}"))
            places[name] = _found(rows, ALL)
    places |= {name: _found(rows, ALL) for name, rows in _bronze(pipeline, tmp_path / "lake")}
    people = dict(zip(PEOPLE, PEOPLE, strict=True))
    for file in (*pipeline.embedded.home.logs.iterdir(), pipeline.log("enricher"), pipeline.log("sink")):
        places[f"log {file.name}"] = _found(file.read_bytes(), ALL | people)
    for file in pipeline.embedded.home.run.rglob("*"):
        if file.is_file():
            places[f"run {file.name}"] = _found(file.read_bytes(), ALL | people)
    places |= {page: _found(text, ALL | people) for page, text in pages.items()}
    for name, value in pipeline.embedded.environment.items():
        monkeypatch.setenv(name, value)
    for event_id in ids:
        shown = CliRunner().invoke(app, ["trace", event_id, "--json"])
        assert event_id in shown.output
        places[f"trace {event_id}"] = _found(shown.output, ALL | people)
    assert {place: names for place, names in places.items() if names} == {}
