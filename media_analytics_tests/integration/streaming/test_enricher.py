"""The enricher on a real broker and registry: exactly once, letters, starts."""

import signal

import pytest
from confluent_kafka import Producer

from media_analytics_tests.builders import streams
from media_analytics_tests.builders.crashing import EXIT_CODE
from media_analytics_tests.builders.streams import raw_event
from media_analytics_tests.integration.streaming.conftest import Pipeline
from media_analytics_tests.services.embedded import wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters.letters import original_bytes

pytestmark = pytest.mark.integration


def test_every_event_keeps_its_partition_key_and_coordinates(pipeline: Pipeline) -> None:
    enricher = pipeline.start("enricher")
    events = [raw_event(i, consent=["advertising"] if i % 3 == 0 else None) for i in range(1, 601)]
    placed = pipeline.raw.send(events)
    pipeline.wait_latest(600)
    pipeline.stop(enricher)
    assert pipeline.latest() == pipeline.wanted()
    codec = Codec.from_file("user.latest")
    by_id = {p.event_id: p for p in placed}
    for message in streams.read_topic(pipeline.settings, "user.latest"):
        record = codec.decode(message.value()[5:])
        assert message.partition() == by_id[record["event_id"]].partition
        key = None if record["consent"] == ["advertising"] else record["visitor_id"].encode()
        assert message.key() == key
        assert (record["visitor_id"] is None) == (record["consent"] == ["advertising"])
    raw_times = {
        (m.partition(), m.offset()): m.timestamp()[1] * 1000
        for m in streams.read_topic(pipeline.settings, "user.raw")
    }
    for record in streams.records(pipeline.settings, "user.latest"):
        assert record["appended_at"] == raw_times[(record["source_partition"], record["source_offset"])]


def test_what_cannot_be_used_becomes_a_letter_and_its_neighbours_go_on(pipeline: Pipeline) -> None:
    raw = pipeline.raw
    good = raw.send([raw_event(1)], partition=0)
    whole = raw.header + raw.codec.encode(raw_event(2))
    broken = {
        b"garbage": "undecodable",
        whole[:-4]: "undecodable",
        whole + b"\x00": "undecodable",
        b"\x00\x7f\xff\xff\xff" + whole[5:]: "unknown_schema",
        b"\x01" + whole[1:]: "undecodable",
        b"": "undecodable",
        raw.header + raw.codec.encode(raw_event(3, brand="spiegel")): "unknown_value",
        raw.header + raw.codec.encode(raw_event(4, ip="not an address")): "invalid_value",
        raw.header + raw.codec.encode(raw_event(5, occurred_at=-1)): "occurred_at_out_of_range",
        raw.header + raw.codec.encode(raw_event(6, user_agent="x" * 65536)): "too_long",
        raw.header + raw.codec.encode(raw_event(7, event_type="view")): "unknown_value",
    }
    places: list[streams.Placed] = []
    for value in broken:
        raw.send_bytes(value, 0, "k", places)
    raw.flush()
    good += raw.send([raw_event(8)], partition=0)
    enricher = pipeline.start("enricher")
    pipeline.wait_latest(len(broken) + 2)
    pipeline.stop(enricher)
    assert [e for _, _, e in pipeline.latest()] == [p.event_id for p in good]
    letters = sorted(pipeline.letters("enricher"), key=lambda letter: letter["source_offset"])
    assert [letter["reason"] for letter in letters] == list(broken.values())
    assert [letter["source_offset"] for letter in letters] == [p.offset for p in places]
    assert {(x["source_topic"], x["source_partition"]) for x in letters} == {("user.raw", 0)}
    assert all(letter["source_appended_at"] for letter in letters)
    key = pipeline.settings.privacy.dead_letter_key
    assert [original_bytes(letter, key) for letter in letters] == list(broken)
    assert [letter["field"] for letter in letters[6:]] == [
        "brand",
        "ip",
        "occurred_at",
        "user_agent",
        "event_type",
    ]


@pytest.mark.parametrize("effect", ["decode", "enrich", "produce", "offsets", "commit"])
def test_a_crash_after_each_effect_loses_and_repeats_nothing(pipeline: Pipeline, effect: str) -> None:
    """Offsets outside the transaction, or a commit before the produce, would show as a gap or a second copy."""
    letters: list[streams.Placed] = []
    crashing = pipeline.start("enricher", effect, "2")
    pipeline.produce_until_it_ends(crashing, letters)
    assert crashing.returncode == EXIT_CODE, pipeline.said("enricher")
    enricher = pipeline.start("enricher")
    pipeline.wait_latest(len(pipeline.raw.acknowledged) + len(letters))
    pipeline.stop(enricher)
    assert pipeline.latest() == pipeline.wanted()
    assert sorted(x["source_offset"] for x in pipeline.letters("enricher")) == sorted(
        p.offset for p in letters
    )


def test_a_second_process_with_the_same_instance_ends_the_first(pipeline: Pipeline) -> None:
    """Would catch two live processes that take the seat and the transaction from each other for ever."""
    first = pipeline.start("enricher")
    pipeline.raw.send([raw_event(n) for n in range(1, 200)])
    pipeline.wait_latest(199)
    first.send_signal(signal.SIGSTOP)
    pipeline.raw.send([raw_event(n) for n in range(200, 400)])
    second = pipeline.start("enricher")
    pipeline.wait_latest(399)
    first.send_signal(signal.SIGCONT)
    pipeline.raw.send([raw_event(n) for n in range(400, 600)])
    assert first.wait(60) == 1
    assert "another live process, client enricher-" in pipeline.said("enricher")
    pipeline.wait_latest(599)
    pipeline.stop(second)
    assert pipeline.latest() == pipeline.wanted()


def test_an_enricher_whose_transactions_were_taken_by_one_that_died_goes_on(pipeline: Pipeline) -> None:
    """The broker also takes them when it was away for longer than a transaction may last.

    Would catch an enricher that ends, or loses or repeats what stood in the open transaction.
    """
    enricher = pipeline.start("enricher")
    pipeline.produce_for(enricher, seconds=3)
    # On a busy machine it would still be starting, and take the seat from the other one.
    pipeline.wait_latest(len(pipeline.raw.acknowledged))
    other = Producer(pipeline.settings.kafka.client_config() | {"transactional.id": "enricher-0"})
    other.init_transactions(30)
    pipeline.produce_for(enricher, seconds=3)
    pipeline.wait_latest(len(pipeline.raw.acknowledged))
    assert "no other process holds this seat" in pipeline.said("enricher")
    pipeline.stop(enricher)
    assert pipeline.latest() == pipeline.wanted()


def test_a_start_without_offset_over_existing_output_stops_and_its_fix_works(pipeline: Pipeline) -> None:
    enricher = pipeline.start("enricher")
    pipeline.raw.send([raw_event(n) for n in range(1, 61)], partition=0)
    pipeline.wait_latest(60)
    pipeline.stop(enricher)
    # The log is another one now, the output is still there: the group's offsets went with the topic.
    streams.delete_topics(pipeline.settings, ["user.raw"])
    streams.create_topics(pipeline.settings)
    refused = pipeline.start("enricher")
    assert refused.wait(60) == 1
    assert "already holds records" in pipeline.said("enricher")
    assert "python -m streaming.runtime.offsets enricher user.raw 0" in pipeline.said("enricher")
    pipeline.set_offset("enricher", "user.raw", 0, 0)
    placed = pipeline.raw.send([raw_event(n) for n in range(100, 160)], partition=0)
    enricher = pipeline.start("enricher")
    pipeline.wait_latest(120)
    pipeline.stop(enricher)
    assert {e for _, _, e in pipeline.latest()} >= {p.event_id for p in placed}


def test_an_offset_above_the_log_stops(pipeline: Pipeline) -> None:
    pipeline.set_offset("enricher", "user.raw", 0, 5)
    refused = pipeline.start("enricher")
    assert refused.wait(60) == 1
    assert "above the log's end 0" in pipeline.said("enricher")


def test_a_registry_that_is_away_makes_it_wait(pipeline: Pipeline) -> None:
    """A schema that cannot be asked for now is no dead letter."""
    pipeline.raw.send([raw_event(n) for n in range(1, 31)])
    pipeline.embedded.stop("registry")
    enricher = pipeline.start("enricher")
    wait_until(lambda: "waiting: registry" in pipeline.said("enricher"), 30)
    assert enricher.poll() is None
    pipeline.embedded.start("registry")
    pipeline.wait_latest(30)
    pipeline.stop(enricher)
    assert pipeline.latest() == pipeline.wanted()
    assert pipeline.letters("enricher") == []


def test_an_added_field_flows_through_a_running_enricher_while_old_producers_go_on(
    pipeline: Pipeline,
) -> None:
    enricher = pipeline.start("enricher")
    pipeline.raw.send([raw_event(1)])
    pipeline.wait_latest(1)
    registry = RegistryClient(pipeline.settings.registry.url)
    ids, codecs = {}, {}
    added = {"name": "reading_mode", "type": ["null", "string"], "default": None}
    for topic in ("user.latest", "user.raw"):
        own = Codec.from_file(topic).schema
        newer = own | {"fields": [*own["fields"], added]}
        ids[topic] = registry.id_for(f"{topic}-value", newer, register=True)
        codecs[topic] = Codec(newer)
    value = header(ids["user.raw"]) + codecs["user.raw"].encode(raw_event(2) | {"reading_mode": "audio"})
    pipeline.raw.send_bytes(value, 2, "a:v2", [], "")
    pipeline.raw.flush()
    pipeline.raw.send([raw_event(3)])
    pipeline.wait_count("user.latest", 3)
    pipeline.stop(enricher)
    found = {}
    for message in streams.read_topic(pipeline.settings, "user.latest"):
        schema_id = int.from_bytes(message.value()[1:5], "big")
        record = codecs["user.latest"].decode_as(
            message.value()[5:], schema_id, registry.schema_by_id(schema_id)
        )
        found[record["event_id"][-1]] = record["reading_mode"]
    assert found == {"1": None, "2": "audio", "3": None}


def test_kills_while_producing_lose_and_repeat_nothing(pipeline: Pipeline) -> None:
    for _ in range(3):
        enricher = pipeline.start("enricher")
        pipeline.produce_for(enricher, seconds=3)
        enricher.kill()
        enricher.wait(10)
    enricher = pipeline.start("enricher")
    pipeline.wait_latest(len(pipeline.raw.acknowledged))
    pipeline.stop(enricher)
    assert pipeline.latest() == pipeline.wanted()
