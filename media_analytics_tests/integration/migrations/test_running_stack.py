"""An optional event field added while everything runs: collector, enricher, sink and stream are never restarted.

An old producer goes on with its own schema the whole time. Catches: a process that drops the field, stops at the new
schema, or loses or repeats a message at the change.
"""

import json
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from deltalake import DeltaTable
from fastavro import parse_schema, schemaless_writer

from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.registry import table, topic
from media_analytics.contracts.rules import Text, column
from media_analytics.migrations.apply import apply
from media_analytics.settings import Settings
from media_analytics_tests.services.embedded import Embedded, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

FIELD = "newsletter_name"
SERVICES = ("kafka", "registry", "clickhouse", "spark")
PROCESSES = ("stream", "sink", "enricher", "collector")


@pytest.fixture
def running(make_embedded: Callable[..., Embedded]) -> Iterator[Embedded]:
    """A stack of its own, because its contracts change."""
    made = make_embedded("flow", STREAM__TRIGGER_SECONDS="1")
    for name in SERVICES:
        made.start(name, 180)
    apply(made.settings, print)
    for name in PROCESSES:
        made.start(name, 180)
    return made


def _extended(contract: Any) -> Any:
    new = column("Newsletter the reader came from.", nullable=True, longest=256)
    members = {"__annotations__": {FIELD: Text}, FIELD: new, "__doc__": contract.model.__doc__}
    return replace(contract, model=type("Extended", (contract.model,), members))


class _OldProducer(threading.Thread):
    """Writes `user.raw` with the schema it was built with, until told to stop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.settings, self.sent, self.stopping = settings, 0, threading.Event()

    def run(self) -> None:
        schema = avro_schema(topic("user.raw"))
        url = f"{self.settings.registry.url}/subjects/user.raw-value"
        with httpx.Client(trust_env=False) as client:
            answer = client.post(url, json={"schema": json.dumps(schema), "schemaType": "AVRO"})
        header, parsed = struct.pack(">bI", 0, answer.json()["id"]), parse_schema(schema)
        producer = Producer(self.settings.kafka.client_config() | {"acks": "all", "enable.idempotence": True})
        while not self.stopping.wait(0.05):
            buffer = BytesIO()
            schemaless_writer(buffer, parsed, _record())
            producer.produce("user.raw", header + buffer.getvalue(), b"a:old")
            self.sent += 1
        assert producer.flush(60) == 0


def _record() -> dict[str, Any]:
    now = datetime.now(UTC)
    facts: dict[str, Any] = {
        "event_id": str(uuid4()),
        "event_type": "page_view",
        "brand": "bild",
        "occurred_at": now,
        "received_at": now,
        "origin": "live",
        "anonymous_id": "old",
        "visitor_id": "a:old",
        "page_url": "https://bild.de/politics",
    }
    return {c.name: facts.get(c.name, c.default) for c in topic("user.raw").columns}


def _posted(stack: Embedded, **values: Any) -> httpx.Response:
    event = {
        "event_type": "page_view",
        "brand": "bild",
        "anonymous_id": "new",
        "page_url": "https://bild.de/sports",
    }
    event |= {"event_id": str(uuid4()), "occurred_at": datetime.now(UTC).isoformat(), **values}
    return httpx.post(
        f"{stack.settings.collector.url}/v1/events/user", json=event, trust_env=False, timeout=30
    )


def _appended(settings: Settings) -> set[tuple[int, int]]:
    """Coordinates of everything in `user.raw`."""
    consumer = Consumer(settings.kafka.client_config() | {"group.id": "count", "auto.offset.reset": "error"})
    ends = {p: consumer.get_watermark_offsets(TopicPartition("user.raw", p), 30)[1] for p in range(6)}
    consumer.close()
    return {(p, offset) for p, end in ends.items() for offset in range(end)}


def _realtime(settings: Settings, extra: str = "") -> list[tuple[Any, ...]]:
    serving = settings.clickhouse
    headers = {"X-ClickHouse-User": serving.user, "X-ClickHouse-Key": serving.password.get_secret_value()}
    sql = f"SELECT source_partition, source_offset{extra} FROM realtime.user_events FORMAT JSONCompactEachRow"
    answer = httpx.post(serving.url, content=sql, headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    return [(row[0], int(row[1]), *row[2:]) for row in map(json.loads, answer.text.splitlines())]


def _bronze(settings: Settings, *extra: str) -> list[tuple[Any, ...]]:
    stored = DeltaTable(settings.lake.table_path("bronze", "user_events"))
    rows = stored.to_pyarrow_table(columns=["source_partition", "source_offset", *extra]).to_pydict()
    return list(zip(*rows.values(), strict=True))


def test_a_field_added_on_a_running_stack_reaches_both_stores(running: Embedded) -> None:
    settings = running.settings
    old = _OldProducer(settings)
    old.start()
    assert _posted(running).status_code == 200
    refused = _posted(running, **{FIELD: "morning"})
    assert refused.status_code == 400
    assert FIELD in refused.text
    wait_until(lambda: bool(_realtime(settings)) and bool(_bronze(settings)), 120)

    names = ("realtime.user_events", "bronze.user_events")
    tables: dict[str, Any] = {name: _extended(table(name)) for name in names}
    topics: dict[str, Any] = {name: _extended(topic(name)) for name in ("user.raw", "user.latest")}

    changes = apply(settings, print, tables, topics).changes
    assert [c.target for c in changes] == [*names, "user.latest-value", "user.raw-value"]

    # The collector looks for new schemas every 10 s.
    wait_until(lambda: _posted(running, **{FIELD: "morning"}).status_code == 200, 60)
    for _ in range(3):
        assert _posted(running, **{FIELD: "evening"}).status_code == 200
    assert _posted(running).status_code == 200
    sent = old.sent
    wait_until(lambda: old.sent > sent + 20, 60)
    old.stopping.set()
    old.join(90)

    appended = _appended(settings)
    assert len(appended) >= old.sent + 6
    for read in (_realtime, _bronze):
        wait_until(lambda read=read: len(read(settings)) >= len(appended), 120)
        rows = read(settings)
        assert len(rows) == len(appended), "a coordinate stands twice"
        assert set(rows) == appended, "a coordinate is missing"
    for values in (
        [r[2] for r in _realtime(settings, f", {FIELD}")],
        [r[2] for r in _bronze(settings, FIELD)],
    ):
        assert values.count("evening") == 3
        assert values.count("morning") >= 1
        assert values.count(None) == len(appended) - values.count("evening") - values.count("morning")
    assert [name for name in PROCESSES if running.processes[name].poll() is not None] == []
