"""`media-analytics sql --live`: rows as they come, nothing that names a person, nothing left behind."""

import contextlib
import json
import re
import signal
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from media_analytics.cli import app
from media_analytics.errors import MediaAnalyticsError
from media_analytics_tests.builders import streams
from media_analytics_tests.integration.live.statement import Live
from media_analytics_tests.integration.stream.world import latest_event
from media_analytics_tests.services.embedded import Embedded, wait_until
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient

pytestmark = pytest.mark.integration
TOPIC = "user.latest"


@pytest.fixture(scope="module")
def stack(kafka: Embedded, registry: Embedded, spark: Embedded) -> Iterator[Embedded]:
    assert kafka is registry
    assert kafka is spark
    streams.delete_topics(kafka.settings, [TOPIC])
    streams.create_topics(kafka.settings)
    yield kafka


@pytest.fixture
def run(stack: Embedded) -> Iterator[Callable[..., Live]]:
    started: list[Live] = []

    def start(statement: str, *options: str) -> Live:
        started.append(Live(stack.environment, statement, *options))
        return started[-1].wait_started()

    yield start
    for one in started:
        one.close()


def _send(stack: Embedded, events: list[dict[str, Any]]) -> None:
    from confluent_kafka import Producer

    codec = Codec.from_file(TOPIC)
    registry = RegistryClient(stack.settings.registry.url)
    head = header(registry.id_for(f"{TOPIC}-value", codec.schema))
    registry.close()
    producer = Producer(stack.settings.kafka.client_config())
    for event in events:
        producer.produce(TOPIC, head + codec.encode(event), partition=0)
    # What no schema knows, and what does not decode, is left out.
    producer.produce(TOPIC, b"garbage", partition=0)
    producer.produce(TOPIC, head + b"\xff", partition=0)
    assert producer.flush(30) == 0


def _this_minute() -> int:
    """Begin of the minute in microseconds."""
    return int(datetime.now(UTC).timestamp()) // 60 * 60 * 1_000_000


def _events(count: int, now: int, **fields: Any) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        event = latest_event(number, occurred_at=now, received_at=now, appended_at=now, **fields)
        made.append(event | {"event_id": str(uuid.uuid4())})
    return made


def _streaming_threads(stack: Embedded) -> list[str]:
    """Names of the server's threads that run a streaming query; Java gives them to the kernel, cut to 15 letters."""
    tasks = Path(f"/proc/{stack.processes['spark'].pid}/task").iterdir()
    names = []
    for task in tasks:
        # A thread may end between being listed and being read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append((task / "comm").read_text("utf-8").strip())
    return [name for name in names if name.startswith("stream executio")]


def _checkpoints(stack: Embedded) -> list[Path]:
    return list((stack.home.path / "run" / "live-sql").glob("*"))


WINDOWED = (
    "SELECT window(occurred_at, '1 minute') AS minute, event_type, count(*) AS events, "
    "approx_count_distinct(visitor_key) AS visitors FROM user.latest "
    "WHERE brand = 'bild' AND title IS DISTINCT FROM 'user.latest' GROUP BY 1, 2"
)


def test_windows_are_counted_as_events_come_and_nothing_is_left_after_ctrl_c(
    stack: Embedded, run: Callable[..., Live]
) -> None:
    """Would catch rows that come once only, counts of undecoded records, a query that goes on without its reader."""
    live = run(WINDOWED)
    wait_until(lambda: _streaming_threads(stack) != [], 30)
    assert len(_checkpoints(stack)) == 1
    # All in one window, however long the first count takes.
    minute = _this_minute()
    _send(stack, _events(20, minute))
    wait_until(lambda: any(row["events"] == 20 for row in live.rows), 60, lambda: f"{live.rows} {live.said}")
    _send(stack, [*_events(10, minute), *_events(5, minute, brand="welt")])
    wait_until(lambda: any(row["events"] == 30 for row in live.rows), 60, lambda: f"{live.rows} {live.said}")
    assert live.rows[-1]["visitors"] in range(19, 22)
    assert live.rows[-1]["event_type"] == "page_view"
    assert live.end() == 0, live.said
    assert "stopped" in live.said[-1]
    wait_until(lambda: _streaming_threads(stack) == [], 20, lambda: str(_streaming_threads(stack)))
    assert _checkpoints(stack) == []


def test_no_column_that_names_a_person_is_shown_and_the_past_can_be_read(
    stack: Embedded, run: Callable[..., Live]
) -> None:
    """Would catch a new column of a contract that a view shows although it is personal data."""
    marks = {
        "customer_id": "customer-of-ours",
        "anonymous_id": "browser-of-hers",
        "visitor_id": "c:customer-of-ours",
    }
    _send(stack, _events(1, _this_minute(), brand="politico", ip="198.51.100.0", query="a query", **marks))
    live = run("SELECT * FROM user_latest WHERE brand = 'politico'", "--since", "5m")
    wait_until(lambda: live.rows != [], 60, lambda: str(live.said))
    assert live.end(signal.SIGTERM) == 0, live.said
    row = live.rows[0]
    hidden = {*marks, "session_ref", "user_agent", "ip", "query", "properties", "referrer_term"}
    assert hidden.isdisjoint(row)
    assert len(row["visitor_key"]) == 16
    assert {"event_id", "page_key", "country", "appended_at"} <= row.keys()
    text = json.dumps(row)
    assert [mark for mark in (*marks.values(), "198.51.100.0", "a query") if mark in text] == []


@pytest.mark.parametrize(
    ("statement", "options", "said"),
    [
        ("SELECT * FROM user_events", (), "names no topic; there are user_latest, content_events"),
        ("SELECT * FROM user.raw", (), "user.raw holds full addresses"),
        ("SELECT * FROM user_latest JOIN nothing", (), "cannot be found.*there are user_latest"),
        ("SELEC * FROM user_latest", (), "Syntax error at or near 'SELEC'"),
        ("SELECT customer_id FROM user_latest", (), "customer_id.*visitor_key"),
        ("SELECT brand, count(*) FROM user_latest GROUP BY 1 ORDER BY 2", (), "complete"),
        (
            "SELECT * FROM user_latest",
            ("--event-time", "brand"),
            "is 'brand'; user.latest has occurred_at",
        ),
        ("SELECT * FROM user_latest", ("--mode", "some"), "expected one of update, append, complete"),
    ],
)
def test_errors_name_the_fix(
    stack: Embedded, monkeypatch: pytest.MonkeyPatch, statement: str, options: tuple[str, ...], said: str
) -> None:
    """Would catch a Java stack trace as an answer, and a query that stays on the server after an error."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["sql", "--live", statement, "--for", "5", *options])
    assert isinstance(result.exception, MediaAnalyticsError), result.output
    assert re.search(f"(?s){said}", str(result.exception))
    assert "\n\tat " not in str(result.exception)
    assert _checkpoints(stack) == []
