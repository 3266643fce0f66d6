"""Completeness of topics that micro-batches fill: judged from Kafka and Delta, without Spark and ClickHouse."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable, write_deltalake

from media_analytics.assets.bronze import compliance_events, content_events, dead_letters
from media_analytics.checks import completeness_run
from media_analytics.checks.completeness_run import Report, Stores
from media_analytics.contracts.registry import topic
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake
from media_analytics_tests.integration.micro_batches.world import World, content_event, dead_letter
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

CONTENT, LETTERS = content_events.TABLE, dead_letters.TABLE
START = datetime(2026, 3, 10, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def no_spark() -> Any:
    raise AssertionError("micro-batched tables are counted without Spark")


def judged(world: World, table: MicroBatched, now: datetime, start: datetime = START) -> Report:
    settings = world.settings
    where = Stores(settings, world.kafka, ClickHouse(settings), Lake(settings, no_spark), DeltaLog(settings))
    return completeness_run.check_between(where, topic(table.topic.name), start, now)


def catch_up(world: World, table: MicroBatched) -> None:
    list(world.writer(table).catch_up(world.kafka.end_offsets(table.topic.name)))


def test_every_offset_is_a_row_or_a_letter_or_named_as_missing(world: World) -> None:
    """Would catch a lost row, a row written twice, and a letter that is counted as a loss."""
    world.create_topic("content.events", "CreateTime")
    for minute in range(3):
        world.send("content.events", [content_event(n) for n in range(4)], 1, START + minute * MINUTE)
    world.send("content.events", [b"broken"], 1, START + 2 * MINUTE)
    now = START + 10 * MINUTE
    assert len(judged(world, CONTENT, now).waiting) == 3, "nothing is in the lake yet: no minute is closed"
    catch_up(world, CONTENT)
    report = judged(world, CONTENT, now)
    assert [(r["kafka_count"], r["lake_count"], r["missing_lake"]) for r in report.rows] == [
        (4, 4, 0),
        (4, 4, 0),
        (5, 4, 0),
    ]
    assert [r["dead_letters_lake"] for r in report.rows] == [0, 0, 1]
    assert all(r["realtime_count"] is None for r in report.rows), "its contract names no realtime store"
    delta = DeltaTable(world.path(CONTENT.contract))
    twice = delta.to_pyarrow_table().slice(0, 1)
    delta.delete("source_offset = 6")
    write_deltalake(DeltaTable(world.path(CONTENT.contract)), twice, mode="append")
    report = judged(world, CONTENT, now)
    assert sum(r["missing_lake"] for r in report.rows) == 1
    assert sum(r["duplicates_lake"] for r in report.rows) == 1
    assert report.absent == {"2026-03-10T10:01 partition 1 lake": "6"}


def test_marks_of_transactions_are_no_records(world: World) -> None:
    """Would catch a topic with transactions that is red for ever, because its marks have offsets."""
    codec = Codec.from_file("dead_letters")
    head = header(world.registry.id_for("dead_letters-value", codec.schema))
    producer = Producer(world.settings.kafka.client_config() | {"transactional.id": "letters"})
    producer.init_transactions(30)
    for n in range(3):
        producer.begin_transaction()
        producer.produce("dead_letters", head + codec.encode(dead_letter(n)), None, 0)
        producer.commit_transaction(30)
    assert world.kafka.end_offsets("dead_letters") == {0: 6}
    catch_up(world, LETTERS)
    now = datetime.now(UTC)
    report = judged(world, LETTERS, now + 5 * MINUTE, now - 5 * MINUTE)
    assert sum(r["kafka_count"] for r in report.rows) == 3
    assert sum(r["lake_count"] for r in report.rows) == 3
    assert {r["missing_lake"] for r in report.rows} == {0}
    assert report.waiting == ()


def test_a_topic_without_records_has_no_rows(world: World) -> None:
    """Would catch minutes that wait for ever because nothing arrived."""
    report = judged(world, compliance_events.TABLE, START + 10 * MINUTE)
    assert (report.judged, report.waiting) == ((), ())
