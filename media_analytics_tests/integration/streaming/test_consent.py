"""Consent in topics, realtime, bronze and dead letters: every set of purposes of each family is sent and looked up.

Would catch: a field that still names a person where consent lacks analytics, in the value, the key or a table; a field
that is removed although the person agreed or was not asked; a purpose that is lost or added on the way; a refused
event that names its reader in the open.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from media_analytics.build import MICRO_BATCHED
from media_analytics_tests.builders import streams
from media_analytics_tests.integration.micro_batches.world import World
from media_analytics_tests.integration.streaming.conftest import Pipeline
from media_analytics_tests.services.embedded import wait_until
from streaming.codecs.families import families

pytestmark = pytest.mark.integration

PURPOSES = ("analytics", "personalisation", "advertising", "ml_training")
# What the client says, and whether the person may be counted: nothing, and every set of purposes.
CASES: tuple[tuple[list[str] | None, bool], ...] = (
    (None, True),
    *((list(c), "analytics" in c) for size in range(len(PURPOSES) + 1) for c in combinations(PURPOSES, size)),
)
TABLES = {
    "user": "realtime.user_events",
    "session": "realtime.session_events",
    "security": "realtime.security_events",
    "interactions": "realtime.interactions",
}
# What an event of the case keeps although consent lacks analytics: who decides must be known.
KEPT = {"compliance": ("customer_id",)}


def _marks(number: int) -> dict[str, str]:
    """Values that name a person, different in every event."""
    return {
        "customer_id": f"customer-{number}",
        "anonymous_id": f"anonymous-{number}",
        "ip": f"84.128.{number}.77",
        "user_agent": f"agent-{number}",
        "session_ref": f"reference-{number}",
        "device_id": f"device-{number}",
    }


def _item(family: str, number: int, consent: list[str] | None) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    marks = _marks(number)
    own: dict[str, dict[str, Any]] = {
        "user": {"event_type": "page_view", "ip": marks["ip"], "user_agent": marks["user_agent"]},
        "content": {
            "event_type": "published",
            "content_id": "x1",
            "title": "T",
            "section": "politik",
            "authors": [],
            "word_count": 1,
            "is_premium": False,
            "published_at": now,
            "revision": 1,
        },
        "session": {
            "event_type": "login",
            "session_ref": marks["session_ref"],
            "tier": "free",
            "device_id": marks["device_id"],
        },
        "security": {
            "event_type": "login_failed",
            "ip": marks["ip"],
            "user_agent": marks["user_agent"],
            "severity": 1,
            "rule": "r",
        },
        "compliance": {
            "event_type": "consent_withdrawn",
            "purposes": ["analytics"],
            "jurisdiction": "de",
            "request_id": "q",
        },
        "interactions": {"event_type": "vote", "status": "success", "latency_ms": 3},
    }
    people = {name: marks[name] for name in ("customer_id", "anonymous_id")}
    asked = {} if consent is None else {"consent": consent}
    return (
        {"event_id": str(uuid.UUID(int=number)), "brand": "bild", "occurred_at": now}
        | people
        | own[family]
        | asked
    )


@pytest.fixture
def collector(pipeline: Pipeline) -> Iterator[httpx.Client]:
    pipeline.embedded.start("collector")
    with httpx.Client(base_url=pipeline.settings.collector.url, timeout=30, trust_env=False) as client:
        yield client
    assert pipeline.embedded.stop("collector") == 0


def _texts(found: Any) -> Iterator[str]:
    """Every text in a record, however deep."""
    if isinstance(found, dict):
        for value in found.values():
            yield from _texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from _texts(value)
    elif isinstance(found, str):
        yield found


def _named(found: Any, number: int) -> set[str]:
    """The marks of an event that stand anywhere in a record, as a visitor or as a truncated address, too."""
    texts = {text.removeprefix("c:").removeprefix("a:") for text in _texts(found)}
    named = {name for name, mark in _marks(number).items() if mark in texts}
    return named | ({"ip"} if any(text.startswith(f"84.128.{number}.") for text in texts) else set())


def _bronze(pipeline: Pipeline, lake: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of the bronze tables of the families without an enricher, as their batches write them; by family."""
    settings = pipeline.embedded.settings_with(LAKE__URL=str(lake))
    found = {}
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(settings, instance)
        for batched in (module.TABLE for module in MICRO_BATCHED if module.TABLE.dates is not None):
            world.create_table(batched.contract)
            world.create_table(batched.dates)
            for _ in world.writer(batched).catch_up(world.kafka.end_offsets(batched.topic.name)):
                pass
            found[batched.topic.family] = world.rows(batched.contract)
    return found


def test_every_case_in_every_store(pipeline: Pipeline, collector: httpx.Client, tmp_path: Path) -> None:
    processes = [pipeline.start("enricher"), pipeline.start("sink")]
    sent: dict[str, dict[int, tuple[set[str], bool]]] = {}
    said: dict[int, list[str] | None] = {}
    number = 0
    for family in families():
        items = []
        for consent, may_count in CASES:
            number += 1
            item = _item(family, number, consent)
            items.append(item)
            said[number] = consent
            sent.setdefault(family, {})[number] = (_named(item, number), may_count)
        answer = collector.post(f"/v1/events/{family}", json=items)
        assert answer.json()["rejected"] == 0, answer.text
    refused = [_item("user", number + n, consent) for n, (consent, _) in enumerate(CASES, 1)]
    answer = collector.post("/v1/events/user", json=[item | {"scroll_pct": 101.0} for item in refused])
    assert answer.json()["rejected"] == len(CASES), answer.text
    wait_until(
        lambda: all(_count(pipeline, table) == len(CASES) for table in TABLES.values()),
        60,
        lambda: pipeline.said("sink") + pipeline.said("enricher"),
    )
    pipeline.stop(*processes)
    bronze = _bronze(pipeline, tmp_path / "lake")
    assert set(bronze) == set(families()) - {"user"}
    for family, cases in sent.items():
        places = [(family, streams.records(pipeline.settings, _stored_topic(family)))]
        if family in TABLES:
            places.append((TABLES[family], pipeline.store.rows(f"SELECT * FROM {TABLES[family]}")))
        if family in bronze:
            places.append((f"bronze of {family}", bronze[family]))
        for place, records in places:
            found = {uuid.UUID(r["event_id"]).int: r for r in records}
            assert set(found) == set(cases), place
            for event, (named, may_count) in cases.items():
                wanted = named if may_count else {name for name in named if name in KEPT.get(family, ())}
                assert _named(found[event], event) == wanted, (place, event)
                assert found[event].get("visitor_id") is None or may_count, (place, event)
                # ClickHouse keeps no nulls in lists: an empty one says both (decision 0008).
                asked = said[event] or ([] if place in TABLES.values() else said[event])
                assert found[event]["consent"] == asked, (place, event)
        keys = {m.key() for m in streams.read_topic(pipeline.settings, _stored_topic(family))} - {None}
        kept = {event for event, (_, may_count) in cases.items() if may_count or family in KEPT}
        visitor = b"c:" if families()[family].key == "visitor_id" else b""
        by_person = {visitor + f"customer-{event}".encode() for event in kept}
        assert keys == ({b"x1"} if family == "content" else by_person), family
    letters = [m.value() or b"" for m in streams.read_topic(pipeline.settings, "dead_letters")]
    assert len(letters) == len(CASES)
    marks = {mark.encode() for n in range(1, len(CASES) + 1) for mark in _marks(number + n).values()}
    assert [mark for mark in marks if any(mark in letter for letter in letters)] == []


def _stored_topic(family: str) -> str:
    """The topic that stores read: the enricher is what removes people from the user family."""
    return "user.latest" if family == "user" else families()[family].topic


def _count(pipeline: Pipeline, table: str) -> int:
    return int(pipeline.store.rows(f"SELECT count() AS c FROM {table}")[0]["c"])
