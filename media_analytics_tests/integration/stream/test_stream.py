"""The stream in ordinary life, with broken neighbours and asked for maintenance.

A start costs half a minute of a core, so each test makes as few as it can.
"""

import json
import logging
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from deltalake import DeltaTable

from media_analytics.contracts.registry import table
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.streams import NOON
from media_analytics_tests.integration.stream.world import World, expected, latest_event
from media_analytics_tests.integration.streaming.test_consent import CASES
from media_analytics_tests.services.embedded import wait_until
from spark_jobs.user_events import source
from streaming.enricher.enrichment import REMOVED_WITHOUT_CONSENT
from streaming.runtime import clients

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
HOUR, NEXT_HOUR = "2026-03-10T12", "2026-03-10T13"


def request(world: World, action: str, **fields: Any) -> dict[str, Any]:
    """File a maintenance request and wait for its answer."""
    number = len(world.rows("ops.maintenance_requests"))
    row = {
        "request_id": f"r{number}",
        "table": "bronze.user_events",
        "action": action,
        "requested_by": "test",
        "requested_at": datetime.now(UTC),
    } | fields
    world.append("ops.maintenance_requests", [row])

    def answered() -> bool:
        return any(r["request_id"] == row["request_id"] for r in world.rows("ops.maintenance_results"))

    wait_until(answered, 120, lambda: f"no answer: {world.log()[-2000:]}")
    return next(r for r in world.rows("ops.maintenance_results") if r["request_id"] == row["request_id"])


def bounds(world: World, hour: str, end: int, latest_end: int) -> None:
    """Record the bounds of an hour."""
    errors = clients.Errors("test", logging.getLogger("test"))
    topic_id = source.describe(clients.admin(world.settings.kafka, errors), "user.raw", errors).topic_id
    names = table("ops.offset_bounds").column_names
    now = datetime.now(UTC)
    rows = [("user.raw", topic_id, p, hour, 0, end, 0, latest_end, now) for p in range(6)]
    world.append("ops.offset_bounds", [dict(zip(names, row, strict=True)) for row in rows])


def with_consent(number: int) -> dict[str, Any]:
    """An event whose reader agreed to one of the sets of purposes, as the enricher leaves it."""
    consent, may_count = CASES[number % len(CASES)]
    removed = {} if may_count else dict.fromkeys(REMOVED_WITHOUT_CONSENT)
    return latest_event(number, **{"consent": consent, "customer_id": f"customer-{number}"} | removed)


def test_rows_dates_health_a_kill_and_a_clean_stop(world: World) -> None:
    """Committed records become rows, aborted ones do not; consent is what was said; nobody is left behind."""
    events = [with_consent(n) for n in range(300)]
    world.start()
    world.send(events[:100])
    world.send([latest_event(n) for n in range(9000, 9010)], commit=False)
    world.wait_for_rows(100)
    java = world.java_children()
    world.send([e | {"occurred_at": NOON - 86_400_000_000} for e in events[100:]])
    world.wait_for_rows(300)
    assert world.coordinates() == expected(events)
    sent = {event["event_id"]: event for event in events}
    for row in world.rows(columns=["event_id", "consent", *REMOVED_WITHOUT_CONSENT]):
        event = sent[row["event_id"]]
        assert {name: event[name] for name in row} == row
    dates = world.rows("ops.user_events_dates")
    assert sum(row["rows"] for row in dates) == 300
    assert {row["event_date"].isoformat() for row in dates} == {"2026-03-09", "2026-03-10"}
    assert {row["appended_hour"] for row in world.rows()} == {HOUR}

    def is_level() -> bool:
        found = world.health()
        return found.get("lag") == 0 and sum(found["offsets"].values()) >= 300

    wait_until(is_level, 60, lambda: str(world.health()))
    health = world.health()
    assert (health["state"], health["pid"]) == ("ready", world.process.pid)
    world.process.send_signal(signal.SIGKILL)
    world.process.wait(30)
    assert psutil.wait_procs(java, 20)[1] == []

    more = [latest_event(n) for n in range(300, 350)]
    world.send(more)
    world.start()
    world.wait_for_rows(350)
    java = world.java_children()
    assert world.coordinates() == expected([*events, *more])
    assert world.stop() == 0
    assert psutil.wait_procs(java, 10)[1] == []


def test_broken_records_become_letters_and_a_recreated_topic_stops_the_stream_with_the_fix(
    world: World,
) -> None:
    good = [latest_event(n) for n in range(60)]
    whole = world.header + world.codec.encode(latest_event(1000))
    far = world.codec.encode(latest_event(1001, appended_at=10**17))
    huge = world.header + b"\xfe\xff\xff\xff\x0f" + b"x" * 20
    other_id = (10**6).to_bytes(4, "big")
    broken = {
        "undecodable": [
            None,
            b"",
            b"\x00",
            b"\x01" + whole[1:],
            whole[:-3],
            whole + b"tail",
            huge,
            world.header,
        ],
        "unknown_schema": [b"\x00" + other_id + whole[5:]],
        "out_of_range": [world.header + far],
    }
    world.start()
    world.send(good[:30])
    world.send_bytes([(value, 0) for values in broken.values() for value in values])
    world.send(good[30:])
    world.wait_for_rows(60)
    assert world.coordinates() == expected(good)

    def letters() -> list[dict[str, Any]]:
        return streams.records(world.settings, "dead_letters")

    wait_until(lambda: len(letters()) >= 10, 30, lambda: f"{[r['reason'] for r in letters()]}")
    reasons = sorted(letter["reason"] for letter in letters())
    assert reasons == sorted(reason for reason, values in broken.items() for _ in values)
    assert {letter["stage"] for letter in letters()} == {"lake"}
    far_letter = next(letter for letter in letters() if letter["reason"] == "out_of_range")
    assert (far_letter["field"], far_letter["source_topic"]) == ("appended_at", "user.raw")

    world.stop()
    before = DeltaTable(world.table("bronze.user_events")).version()
    streams.delete_topics(world.settings, ["user.latest"])
    streams.create_topics(world.settings)
    world.start()
    assert world.wait_for_end() == 1
    assert "created again" in world.log()
    assert DeltaTable(world.table("bronze.user_events")).version() == before
    assert world.command("--go-on-at", json.dumps({str(p): 0 for p in range(6)})) == 0
    world.producer = world.new_producer()
    world.send([latest_event(n) for n in range(60, 70)])
    world.start()
    world.wait_for_rows(70)


def test_maintenance_between_batches(world: World) -> None:
    """Would catch a request that is answered and not carried out, or answered with another version than its own."""
    events = [latest_event(n) for n in range(120)]
    world.start()
    for part in (events[:60], events[60:]):
        world.send(part)
        world.wait_for_rows(events.index(part[-1]) + 1)
    answer = request(world, "compact", hour=HOUR)
    assert answer["status"] == "done", answer
    compacted = DeltaTable(world.table("bronze.user_events"))
    assert (answer["version"], len(compacted.file_uris())) == (compacted.version(), 1)
    assert request(world, "rebuild_hour", hour=HOUR)["status"] == "refused"
    # Two transactions of ten records a partition, each with its mark.
    bounds(world, HOUR, end=20, latest_end=22)
    answer = request(world, "rebuild_hour", hour=HOUR)
    assert (answer["status"], "no longer holds" in answer["message"]) == ("refused", True)
    world.fill_first_topic(20)
    answer = request(world, "rebuild_hour", hour=HOUR)
    assert answer["status"] == "done", answer
    assert world.coordinates() == expected(events)
    assert {row["batch_id"] for row in world.rows()} == {"rebuild-r3"}
    answer = request(world, "delete", predicate="event_id = '00000000-0000-0000-0000-000000000005'")
    assert (answer["status"], answer["message"]) == ("done", "deleted 1 rows")
    # What a writer left that was killed before its commit, longer ago than the table's retention.
    stray = Path(world.table("bronze.user_events")) / f"appended_hour={HOUR}" / "part-never-committed.parquet"
    stray.write_bytes(b"rows")
    os.utime(stray, (0, 0))
    kept = DeltaTable(world.table("bronze.user_events")).file_uris()
    answer = request(world, "vacuum")
    vacuumed = DeltaTable(world.table("bronze.user_events"))
    assert (answer["status"], answer["version"]) == ("done", vacuumed.version())
    assert not stray.exists()
    assert (sorted(vacuumed.file_uris()), vacuumed.count()) == (sorted(kept), 119)
    assert request(world, "compact", table="silver.events", hour=HOUR)["status"] == "refused"

    # Bounds that cover less than what is stored: the hour stays as it is.
    later = [latest_event(n, appended_at=NOON + 3_600_000_000) for n in range(120, 180)]
    world.send(later)
    world.wait_for_rows(179)
    bounds(world, NEXT_HOUR, end=5, latest_end=5)
    stood = DeltaTable(world.table("bronze.user_events")).version()
    answer = request(world, "rebuild_hour", hour=NEXT_HOUR)
    assert (answer["status"], "60 coordinates" in answer["message"]) == ("refused", True), answer
    assert DeltaTable(world.table("bronze.user_events")).version() == stood
    assert world.stop() == 0


def test_low_disk_pauses_the_stream(make_world: Callable[..., World]) -> None:
    world = make_world(COLLECTOR__MIN_FREE_DISK_PCT="99.99")
    world.start()
    world.send([latest_event(n) for n in range(5)])
    wait_until(lambda: "disk is free" in world.health().get("detail", ""), 120, lambda: str(world.health()))
    assert world.health()["state"] == "waiting"
    assert world.rows() == []
