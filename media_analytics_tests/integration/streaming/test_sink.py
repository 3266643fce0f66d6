"""The ClickHouse sink on a real broker, registry and store: exactly once, whatever dies when."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer

from media_analytics_tests.builders import streams
from media_analytics_tests.builders.crashing import EXIT_CODE
from media_analytics_tests.builders.latest import Latest
from media_analytics_tests.builders.streams import TODAY, raw_event
from media_analytics_tests.integration.streaming.conftest import Pipeline
from media_analytics_tests.services.embedded import wait_until
from streaming.dead_letters.letters import original_bytes
from streaming.sinks.process import GROUP, INSTANCE

pytestmark = pytest.mark.integration


def test_raw_to_store_with_exact_coordinates(pipeline: Pipeline) -> None:
    processes = [pipeline.start("enricher"), pipeline.start("sink")]
    hostile = "a\n\nb'; DROP TABLE realtime.user_events; -- \x00 \u2028 \"\\"
    events = [
        raw_event(n, title=hostile, query=hostile, properties={hostile: hostile}, consent=["analytics"])
        for n in range(1, 301)
    ]
    pipeline.raw.send([*events, *(raw_event(n) for n in range(301, 2001))])
    pipeline.wait_stored(2000)
    pipeline.stop(*processes)
    assert pipeline.store.coordinates() == pipeline.wanted()
    row = pipeline.store.rows(
        f"SELECT * FROM realtime.user_events WHERE event_id = '{events[0]['event_id']}'"
    )[0]
    assert (row["title"], row["query"], row["properties"]) == (hostile, hostile, {hostile: hostile})
    assert (row["consent"], row["ip"], row["browser"]) == (["analytics"], "83.149.9.0", "Chrome")
    by_id = {r["event_id"]: r for r in streams.records(pipeline.settings, "user.latest")}
    times = pipeline.store.rows(
        "SELECT event_id AS e, toUnixTimestamp64Micro(appended_at) AS a FROM realtime.user_events"
    )
    assert all(by_id[t["e"]]["appended_at"] == int(t["a"]) for t in times)


@pytest.mark.parametrize("effect", ["read", "check", "intent", "letters", "insert", "settle"])
def test_a_crash_after_each_effect_loses_and_repeats_nothing(
    pipeline: Pipeline, latest: Latest, effect: str
) -> None:
    """Offsets committed before the insert would lose rows; other bounds in the replay would repeat them."""
    latest.send(range(1, 2000))
    latest.send_bytes(b"garbage", 3)
    crashing = pipeline.start("sink", effect, "1")
    assert crashing.wait(60) == EXIT_CODE, pipeline.said("sink")
    # More arrives before the next start: a replay that took it along would insert under another token.
    latest.send(range(2000, 3000))
    sink = pipeline.start("sink")
    pipeline.wait_stored(2999)
    wait_until(lambda: pipeline.letters("realtime") != [], 20)
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)
    assert len({letter["letter_id"] for letter in pipeline.letters("realtime")}) == 1


def test_a_replay_across_midnight_repeats_neither_day(pipeline: Pipeline, latest: Latest) -> None:
    """One token covers two partitions of the table, each a part of its own."""
    latest.send(range(1, 500), appended_at=TODAY - 1)
    latest.send(range(500, 1000), appended_at=TODAY)
    crashing = pipeline.start("sink", "insert", "1")
    assert crashing.wait(60) == EXIT_CODE, pipeline.said("sink")
    assert pipeline.count() > 0
    latest.send(range(1000, 1100), appended_at=TODAY)
    sink = pipeline.start("sink")
    pipeline.wait_stored(1099)
    pipeline.stop(sink)
    assert "replaying" in pipeline.said("sink")
    assert pipeline.store.coordinates() == sorted(latest.sent)
    days = pipeline.store.rows(
        "SELECT DISTINCT partition AS d FROM system.parts WHERE active AND table = 'user_events' ORDER BY d"
    )
    assert len(days) == 2


class StallingStore:
    """Stands in front of the store and holds back the first insert until it is released."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.removeprefix("http://").rpartition(":")
        self._port = int(port.strip("/"))
        self.is_held = threading.Event()
        self.release = threading.Event()
        self.is_delivered = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One request per connection is enough here: read it whole, hold it if it is an insert, pass it on."""
        while request := _request(client):
            if b"INSERT" in request.split(b"\r\n", 1)[0] and not self.is_held.is_set():
                self.is_held.set()
                self.release.wait(60)
            with socket.create_connection((self._host, self._port)) as store:
                store.sendall(request.replace(b"Connection: keep-alive", b"Connection: close", 1))
                answer = b"".join(iter(lambda s=store: s.recv(65536), b""))
            if self.release.is_set():
                self.is_delivered.set()
            with contextlib.suppress(OSError):
                client.sendall(answer)
            client.close()
            return

    def close(self) -> None:
        self.release.set()
        self._server.close()


def _request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def stalling(pipeline: Pipeline) -> Iterator[StallingStore]:
    made = StallingStore(pipeline.settings.clickhouse.url)
    yield made
    made.close()


def test_an_insert_that_stalls_and_lands_after_the_replay_is_dropped(
    pipeline: Pipeline, latest: Latest, stalling: StallingStore
) -> None:
    """With offsets taken from the table's maximum this gave hundreds of duplicates."""
    latest.send(range(1, 1500))
    stalled = pipeline.start("sink", CLICKHOUSE__URL=stalling.url)
    assert stalling.is_held.wait(60), pipeline.said("sink")
    stalled.kill()
    stalled.wait(10)
    assert pipeline.count() == 0
    latest.send(range(1500, 2500))
    sink = pipeline.start("sink")
    pipeline.wait_stored(2499)
    stalling.release.set()
    assert stalling.is_delivered.wait(30)
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)


def test_broken_data_become_letters_and_their_neighbours_rows(pipeline: Pipeline, latest: Latest) -> None:
    whole = latest.value(777_777)
    broken = {
        b"garbage": "undecodable",
        whole[:-5]: "undecodable",
        whole + whole: "undecodable",
        b"\x00\x7f\xff\xff\xff" + whole[5:]: "unknown_schema",
        b"": "undecodable",
    }
    latest.send(range(1, 100))
    for value in broken:
        latest.send_bytes(value, 1)
    latest.send(range(100, 200))
    sink = pipeline.start("sink")
    pipeline.wait_stored(199)
    wait_until(lambda: len(pipeline.letters("realtime")) >= len(broken), 30)
    latest.send(range(200, 300))
    pipeline.wait_stored(299)
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)
    letters = sorted(pipeline.letters("realtime"), key=lambda x: x["source_offset"])
    assert [x["reason"] for x in letters] == list(broken.values())
    key = pipeline.settings.privacy.dead_letter_key
    assert [original_bytes(x, key) for x in letters] == list(broken)
    # None says where it stood in the first topic, so each has the place of the message itself.
    assert {(x["source_topic"], x["source_partition"]) for x in letters} == {("user.latest", 1)}


def test_a_store_that_is_away_makes_it_wait(pipeline: Pipeline, latest: Latest) -> None:
    sink = pipeline.start("sink")
    latest.send(range(1, 100))
    pipeline.wait_stored(99)
    pipeline.embedded.kill("clickhouse")
    latest.send(range(100, 1000))
    wait_until(lambda: "waiting: ClickHouse" in pipeline.said("sink"), 30)
    pipeline.embedded.start("clickhouse")
    pipeline.wait_stored(999)
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)
    assert pipeline.letters("realtime") == []


def test_a_full_disk_pauses_it_also_when_nothing_arrives(pipeline: Pipeline, latest: Latest) -> None:
    """When the collector refuses, everything may be stored already: whoever looks must see the reason all the same."""
    sink = pipeline.start("sink", COLLECTOR__MIN_FREE_DISK_PCT="99.999")
    wait_until(lambda: "of the disk is free" in pipeline.said("sink"), 30)
    latest.send(range(1, 100))
    pipeline.stop(sink)
    assert pipeline.count() == 0
    sink = pipeline.start("sink")
    pipeline.wait_stored(99)
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)


def test_a_store_that_lost_its_rows_stops_the_sink(pipeline: Pipeline, latest: Latest) -> None:
    sink = pipeline.start("sink")
    latest.send(range(1, 100))
    pipeline.wait_stored(99)
    latest.send(range(100, 200))
    pipeline.wait_stored(199)
    pipeline.stop(sink)
    pipeline.store.command("TRUNCATE TABLE realtime.user_events")
    refused = pipeline.start("sink")
    assert refused.wait(60) == 1
    assert "is empty" in pipeline.said("sink")
    for partition in range(6):
        pipeline.set_offset("clickhouse-sink", "user.latest", partition, 0)
    streams.create_table(pipeline.settings)
    sink = pipeline.start("sink")
    pipeline.wait_stored(199)
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)


@pytest.mark.parametrize(("source", "is_refused"), [("generated", False), ("user.raw", True)])
def test_a_first_start_looks_at_rows_of_its_own_topic(
    pipeline: Pipeline, latest: Latest, source: str, is_refused: bool
) -> None:
    """Rows of the log would be stored twice; generated ones came from no log."""
    pipeline.store.command(
        "INSERT INTO realtime.user_events (event_id, source_topic, source_partition, source_offset, appended_at) "
        f"SELECT generateUUIDv4(), '{source}', 0, 7, now64(6)"
    )
    latest.send(range(1, 100))
    sink = pipeline.start("sink")
    if is_refused:
        assert sink.wait(60) == 1
        assert "already holds records" in pipeline.said("sink")
    else:
        pipeline.wait_stored(100)
        pipeline.stop(sink)


def test_kills_of_enricher_sink_and_store_lose_and_repeat_nothing(pipeline: Pipeline) -> None:
    enricher, sink = pipeline.start("enricher"), pipeline.start("sink")
    for round_number in range(2):
        pipeline.produce_for(enricher, seconds=4)
        enricher.kill()
        enricher = pipeline.start("enricher")
        pipeline.produce_for(enricher, seconds=2)
        sink.kill()
        sink = pipeline.start("sink")
        pipeline.produce_for(enricher, seconds=2)
        if round_number == 0:
            pipeline.embedded.kill("clickhouse")
            pipeline.embedded.start("clickhouse")
    pipeline.wait_stored(len(pipeline.raw.acknowledged))
    pipeline.stop(enricher, sink)
    assert pipeline.store.coordinates() == pipeline.wanted()


def test_a_broker_that_is_killed_and_returns_loses_and_repeats_nothing(pipeline: Pipeline) -> None:
    """Open transaction, unanswered commit and unanswered intent at once; the processes themselves go on.

    Would catch a member that never finishes a revocation, a client that waits for a coordinator it forgot, and a
    fatal error that is thrown away with the messages of the past assignment: each left a process that did nothing.
    """
    processes = {name: pipeline.start(name) for name in ("enricher", "sink")}
    pipeline.produce_for(processes["enricher"], seconds=5)
    pipeline.embedded.kill("kafka")
    pipeline.embedded.start("kafka")
    pipeline.raw.send([raw_event(n) for n in range(900_000, 900_500)])

    def all_stored() -> bool:
        for name, process in processes.items():
            assert process.poll() is None, pipeline.said(name)
        return pipeline.count() >= len(pipeline.raw.acknowledged)

    wait_until(all_stored, 60, lambda: pipeline.said("enricher") + pipeline.said("sink"))
    pipeline.stop(*processes.values())
    assert pipeline.store.coordinates() == pipeline.wanted()


def test_a_sink_fenced_by_one_that_died_goes_on(pipeline: Pipeline, latest: Latest) -> None:
    """Would catch a sink that ends, or stands idle, because of a member that nobody is any more."""
    sink = pipeline.start("sink")
    latest.send(range(1, 100))
    pipeline.wait_stored(99)
    other = Consumer(
        pipeline.settings.kafka.client_config()
        | {"group.id": GROUP, "group.instance.id": f"{GROUP}-{INSTANCE}", "enable.auto.commit": False}
        | {"session.timeout.ms": 10_000, "client.id": "other"}
    )
    other.subscribe(["user.latest"])
    wait_until(lambda: other.poll(0.2) is not None or bool(other.assignment()), 30)
    # A static member that leaves keeps its seat until its session ends.
    other.close()
    latest.send(range(100, 300))
    pipeline.wait_stored(299)
    assert "no other process holds this seat" in pipeline.said("sink")
    pipeline.stop(sink)
    assert pipeline.store.coordinates() == sorted(latest.sent)
