"""`media-analytics trace` finds an event in every store that holds it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from media_analytics.commands.trace_places import Trace, trace
from media_analytics.contracts.registry import TOPICS
from media_analytics.settings import Settings
from media_analytics_tests.builders import streams
from media_analytics_tests.builders.family_events import FamilyTopic, family_event
from media_analytics_tests.builders.streams import raw_event
from media_analytics_tests.integration.streaming.conftest import Pipeline
from media_analytics_tests.services.embedded import wait_until
from streaming.codecs.families import families

pytestmark = pytest.mark.integration


def no_progress(topic: str, done: int, total: int) -> None:
    """The command draws a bar here."""


def lake(settings: Settings, name: str, rows: list[dict[str, object]], partition: str) -> None:
    layer, _, table = name.partition(".")
    write_deltalake(
        settings.lake.table_path(layer, table),
        pa.Table.from_pylist(rows),
        mode="append",
        partition_by=[partition],
    )


def find(pipeline: Pipeline, settings: Settings, event_id: str) -> Trace:
    found = trace(settings, event_id, no_progress)
    assert found.unanswered == []
    return found


def test_an_event_is_found_in_topics_store_lake_and_session(pipeline: Pipeline, tmp_path: Path) -> None:
    settings = pipeline.embedded.settings_with(LAKE__URL=str(tmp_path / "lake"))
    now = int(datetime.now(UTC).timestamp()) * 1_000_000
    processes = [pipeline.start("enricher"), pipeline.start("sink")]
    events = [raw_event(n, occurred_at=now, received_at=now) for n in range(1, 31)]
    placed = {p.event_id: p for p in pipeline.raw.send(events)}
    # The client sent the first one twice: two coordinates, one event.
    again = pipeline.raw.send([events[0]])[0]
    pipeline.wait_stored(31)
    pipeline.stop(*processes)
    wanted = events[6]["event_id"]
    message = next(
        m
        for m, r in zip(
            streams.read_topic(settings, "user.latest"), streams.records(settings, "user.latest"), strict=True
        )
        if r["event_id"] == wanted
    )
    row = next(r for r in streams.records(settings, "user.latest") if r["event_id"] == wanted)
    at = datetime.fromtimestamp(row["appended_at"] / 1e6, UTC)
    occurred = datetime.fromtimestamp(now / 1e6, UTC)
    common = {
        "event_id": wanted,
        "brand": "bild",
        "visitor_id": row["visitor_id"],
        "occurred_at": occurred,
        "source_topic": "user.raw",
        "source_partition": row["source_partition"],
        "source_offset": row["source_offset"],
        "appended_at": at,
    }
    bronze = common | {
        "latest_partition": message.partition(),
        "latest_offset": message.offset(),
        "appended_hour": at.strftime("%Y-%m-%dT%H"),
        "batch_id": "b-1",
    }
    lake(settings, "bronze.user_events", [bronze | {"event_id": "other"}], "appended_hour")
    lake(settings, "bronze.user_events", [bronze], "appended_hour")
    lake(settings, "silver.events", [common | {"date": occurred.date()}], "date")
    session = {
        "session_id": "s-1",
        "brand": "bild",
        "visitor_id": row["visitor_id"],
        "date": occurred.date(),
        "started_at": occurred - timedelta(minutes=1),
        "ended_at": occurred,
        "events": 2,
    }
    other = session | {"session_id": "s-2", "ended_at": occurred - timedelta(seconds=1)}
    lake(settings, "silver.sessions", [session, other], "date")

    found = find(pipeline, settings, wanted.upper())
    raw = found.of("user.raw")[0].facts
    assert (raw["partition"], raw["offset"], raw["is_kept"]) == (
        placed[wanted].partition,
        placed[wanted].offset,
        True,
    )
    latest = found.of("user.latest")[0].facts
    assert (latest["partition"], latest["offset"]) == (message.partition(), message.offset())
    assert found.of("realtime.user_events")[0].facts["part"].startswith("202")
    stored = found.of("bronze.user_events")[0].facts
    assert (stored["version"], stored["batch_id"]) == (1, "b-1")
    assert Path(settings.lake.table_path("bronze", "user_events"), stored["file"]).is_file()
    assert found.of("silver.events")[0].facts["version"] == 0
    assert [p.facts["session_id"] for p in found.of("silver.sessions")] == ["s-1"]
    assert found.of("dead_letters") == []
    assert found.stops == []

    twice = find(pipeline, settings, events[0]["event_id"])
    assert {(p.facts["partition"], p.facts["offset"]) for p in twice.of("user.raw")} == {
        (again.partition, again.offset),
        (placed[again.event_id].partition, placed[again.event_id].offset),
    }
    # Without the lake the message is searched from its time on.
    assert len(twice.of("user.latest")) == 2
    assert sorted(line.split(":")[0] for line in twice.stops) == sorted(
        f"user.raw[{p.facts['partition']}] offset {p.facts['offset']} is not in bronze.user_events"
        for p in twice.of("user.raw")
    )


def test_an_event_that_became_a_letter_is_found_with_its_reason(pipeline: Pipeline, tmp_path: Path) -> None:
    settings = pipeline.embedded.settings_with(LAKE__URL=str(tmp_path / "lake"))
    enricher = pipeline.start("enricher")
    placed = pipeline.raw.send([raw_event(5, brand="spiegel"), raw_event(6)])
    pipeline.wait_latest(2)
    pipeline.stop(enricher)
    found = find(pipeline, settings, placed[0].event_id)
    assert found.of("dead_letters"), found
    letter = found.of("dead_letters")[0].facts
    assert (letter["stage"], letter["reason"], letter["field"]) == ("enricher", "unknown_value", "brand")
    assert [(p.facts["partition"], p.facts["offset"]) for p in found.of("user.raw")] == [
        (placed[0].partition, placed[0].offset)
    ]
    assert found.of("user.latest") == []
    assert len(found.stops) == 2
    assert all("the stage enricher made it a dead letter, unknown_value" in line for line in found.stops)
    assert find(pipeline, settings, "00000000-0000-0000-0000-00000000ffff").places == []


def test_a_store_that_is_away_is_named_and_the_rest_is_found(pipeline: Pipeline, tmp_path: Path) -> None:
    settings = pipeline.embedded.settings_with(
        LAKE__URL=str(tmp_path / "lake"), CLICKHOUSE__URL="http://127.0.0.1:1"
    )
    placed = pipeline.raw.send([raw_event(6)])[0]
    found = trace(settings, placed.event_id, no_progress)
    assert [line.split(":")[0] for line in found.unanswered] == ["realtime"]
    assert len(found.of("user.raw")) == 1


def test_events_of_every_family_are_found_and_the_step_before_a_gap_is_named(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """A search of the user family alone would call an acknowledged session event lost."""
    settings = pipeline.embedded.settings_with(LAKE__URL=str(tmp_path / "lake"))
    topics = {name: FamilyTopic(settings, name) for name in families() if name != "user"}
    for number, topic in enumerate(topics.values(), 1):
        topic.send_numbers(range(number, number + 1))
    topics["session"].send_bytes(b"garbage", 1)
    sink = pipeline.start("sink")
    wait_until(lambda: pipeline.letters("realtime") != [], 60)
    pipeline.stop(sink)
    for number, topic in enumerate(topics.values(), 1):
        found = find(pipeline, settings, family_event(topic.family, number)["event_id"])
        assert [(p.facts["partition"], p.facts["offset"]) for p in found.of(topic.topic)] == [
            (p.partition, p.offset) for p in topic.acknowledged
        ]
        tables = [p.name for p in found.places if p.store == "clickhouse"]
        has_realtime = "realtime" in TOPICS[topic.topic].stores
        assert len(tables) == has_realtime, topic.topic
        assert all("is not in bronze." in line for line in found.stops)
        assert bool(found.stops) == ("lake" in TOPICS[topic.topic].stores)
