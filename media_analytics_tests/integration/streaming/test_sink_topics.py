"""The sink with several topics at once: each table holds its topic exactly once, whatever dies when."""

import uuid

import pytest

from media_analytics_tests.builders import streams
from media_analytics_tests.builders.crashing import EXIT_CODE
from media_analytics_tests.builders.family_events import FamilyTopic, family_event
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.integration.streaming.conftest import Pipeline
from media_analytics_tests.services.embedded import wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient
from streaming.sinks.routes import ROUTES

pytestmark = pytest.mark.integration

TABLES = {
    "session": "realtime.session_events",
    "security": "realtime.security_events",
    "interactions": "realtime.interactions",
}
HOSTILE = "a\n\nb'; DROP TABLE realtime.interactions; -- \u2028 \"\\"


@pytest.fixture
def topics(pipeline: Pipeline) -> dict[str, FamilyTopic]:
    return {family: FamilyTopic(pipeline.settings, family) for family in TABLES}


def _count(pipeline: Pipeline) -> int:
    return sum(
        int(pipeline.store.rows(f"SELECT count() AS c FROM {table}")[0]["c"]) for table in TABLES.values()
    )


def _wait(pipeline: Pipeline, count: int) -> None:
    wait_until(
        lambda: _count(pipeline) >= count,
        60,
        lambda: f"{_count(pipeline)} of {count}: {pipeline.said('sink')}",
    )


def _assert_exact(pipeline: Pipeline, topics: dict[str, FamilyTopic]) -> None:
    for family, table in TABLES.items():
        assert pipeline.store.coordinates(table) == topics[family].wanted(), family


def test_rows_hold_every_field_and_their_own_coordinates(
    pipeline: Pipeline, topics: dict[str, FamilyTopic]
) -> None:
    """Coordinates are appended to the bytes of a datum: one byte wrong would shift every later field."""
    topics["interactions"].send_numbers(range(1, 400), error_code=HOSTILE, status="error")
    topics["session"].send_numbers(range(1, 300), consent=["analytics", "advertising"])
    topics["security"].send_numbers(range(1, 200), user_agent=HOSTILE, severity=5)
    sink = pipeline.start("sink")
    _wait(pipeline, 399 + 299 + 199)
    pipeline.stop(sink)
    _assert_exact(pipeline, topics)
    for family, table in TABLES.items():
        topic = topics[family].topic
        messages = {(m.partition(), m.offset()): m for m in streams.read_topic(pipeline.settings, topic)}
        sent = {r["event_id"]: r for r in streams.records(pipeline.settings, topic)}
        rows = pipeline.store.rows(
            f"SELECT *, toUnixTimestamp64Micro(appended_at) AS a, toUnixTimestamp64Micro(occurred_at) AS o, "
            f"toUnixTimestamp64Micro(received_at) AS r FROM {table}"
        )
        for row in rows:
            message = messages[(row["source_partition"], int(row["source_offset"]))]
            assert row["source_topic"] == topic
            assert int(row["a"]) == message.timestamp()[1] * 1000
            wanted = sent[row["event_id"]]
            wanted |= {"consent": wanted["consent"] or []}
            times = {"occurred_at": int(row["o"]), "received_at": int(row["r"])}
            found = row | times | ({"latency_ms": int(row["latency_ms"])} if family == "interactions" else {})
            assert {name: found[name] for name in wanted} == wanted


# The count says in which topic's turn it dies: letters and inserts happen once for each. `make test` has the ones that
# leave a flush half done; after every effect with one topic: `test_sink.py`.
@pytest.mark.parametrize(
    ("effect", "count"),
    [
        pytest.param("read", 1, marks=pytest.mark.slow),
        pytest.param("check", 1, marks=pytest.mark.slow),
        pytest.param("intent", 1, marks=pytest.mark.slow),
        pytest.param("letters", 1, marks=pytest.mark.slow),
        ("letters", 3),
        pytest.param("insert", 1, marks=pytest.mark.slow),
        ("insert", 2),
        pytest.param("insert", 4, marks=pytest.mark.slow),
        pytest.param("settle", 1, marks=pytest.mark.slow),
    ],
)
def test_a_crash_after_each_effect_loses_and_repeats_nothing_in_any_topic(
    pipeline: Pipeline, latest: Latest, topics: dict[str, FamilyTopic], effect: str, count: int
) -> None:
    """A flush that is half done stands in some tables: one token for all would lose or repeat the others."""
    for topic in topics.values():
        topic.send_numbers(range(1, 700))
    topics["session"].send_bytes(b"garbage", 2)
    latest.send(range(1, 700))
    crashing = pipeline.start("sink", effect, str(count))
    assert crashing.wait(60) == EXIT_CODE, pipeline.said("sink")
    # More arrives before the next start: a replay that took it along would insert under another token.
    for topic in topics.values():
        topic.send_numbers(range(700, 1000))
    latest.send(range(700, 1000))
    sink = pipeline.start("sink")
    _wait(pipeline, 3 * 999)
    pipeline.wait_stored(999)
    wait_until(lambda: pipeline.letters("realtime") != [], 20)
    pipeline.stop(sink)
    _assert_exact(pipeline, topics)
    assert pipeline.store.coordinates() == sorted(latest.sent)
    assert {(x["source_topic"], x["source_partition"]) for x in pipeline.letters("realtime")} == {
        ("session.events", 2)
    }
    assert len({letter["letter_id"] for letter in pipeline.letters("realtime")}) == 1


def test_versions_of_a_schema_in_one_insert(pipeline: Pipeline, topics: dict[str, FamilyTopic]) -> None:
    """An Avro file has one schema: older values in the same flush would be read as garbage or refused."""
    interactions = topics["interactions"]
    newer = interactions.codec.schema | {
        "fields": [
            *interactions.codec.schema["fields"],
            {"name": "screen", "type": ["null", "string"], "default": None},
        ]
    }
    pipeline.store.command("ALTER TABLE realtime.interactions ADD COLUMN screen Nullable(String)")
    registry = RegistryClient(pipeline.settings.registry.url)
    framing = header(registry.id_for("interactions.events-value", newer, register=True))
    registry.close()
    codec = Codec(newer)
    interactions.send_numbers(range(1, 100))
    for number in range(100, 120):
        value = framing + codec.encode(family_event("interactions", number) | {"screen": "home"})
        interactions.send_bytes(value, number % 3)
    interactions.send_numbers(range(120, 200))
    sink = pipeline.start("sink")
    _wait(pipeline, 199)
    pipeline.stop(sink)
    rows = pipeline.store.rows("SELECT event_id AS e, screen AS s FROM realtime.interactions")
    assert {uuid.UUID(r["e"]).int: r["s"] for r in rows} == {
        n: "home" if 100 <= n < 120 else None for n in range(1, 200)
    }
    assert pipeline.letters("realtime") == []


def test_a_table_without_its_rows_stops_the_sink_and_names_the_topic(
    pipeline: Pipeline, topics: dict[str, FamilyTopic]
) -> None:
    """Going on would leave the rows before it missing for good."""
    topics["security"].send_numbers(range(1, 100))
    sink = pipeline.start("sink")
    _wait(pipeline, 99)
    topics["security"].send_numbers(range(100, 120))
    _wait(pipeline, 119)
    pipeline.stop(sink)
    pipeline.store.command("TRUNCATE TABLE realtime.security_events")
    refused = pipeline.start("sink")
    assert refused.wait(60) == 1
    assert "realtime.security_events is empty" in pipeline.said("sink")
    assert "clickhouse-sink security.events PARTITION 0" in pipeline.said("sink")


def test_every_route_is_stored_in_tests() -> None:
    """A route added without a test of its own would be stored unproven."""
    assert {route.table for route in ROUTES} == {*TABLES.values(), "realtime.user_events"}
