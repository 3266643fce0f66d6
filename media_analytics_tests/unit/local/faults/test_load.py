"""The load against a small server that refuses: everything is sent again, byte for byte, until it is acknowledged."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from media_analytics.errors import ServiceError
from media_analytics.local.faults.load import Load, event_id
from media_analytics_tests.builders import settings
from media_analytics_tests.services.embedded import wait_until


@contextmanager
def _collector(answers: list[int]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers in turn, the last for ever; 0 breaks the connection. And what it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if len(answers) > 1 else answers[0]
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()


def test_what_was_not_acknowledged_is_sent_again_byte_for_byte(tmp_path: Path) -> None:
    """Would catch a load that makes new ids or drops a request: the proof would then compare the wrong events."""
    with _collector([503, 0, 507, 200]) as (url, bodies):
        load = Load(
            settings.make(tmp_path, COLLECTOR__URL=url), seed=3, rate=10_000, batch=10, events=30, clients=1
        )
        load.start()
        wait_until(lambda: load.is_finished, 10)
        load.end()
    assert bodies[0] == bodies[1] == bodies[2] == bodies[3]
    assert load.refused == {"503": 1, "RemoteProtocolError": 1, "507": 1}
    ids = [item["event_id"] for body in bodies[3:] for item in json.loads(body)]
    assert ids == load.acknowledged_ids() == [event_id(3, n) for n in range(30)]


def test_an_answer_that_no_retry_heals_ends_the_load(tmp_path: Path) -> None:
    with _collector([422]) as (url, bodies):
        load = Load(settings.make(tmp_path, COLLECTOR__URL=url), events=50, clients=1)
        load.start()

        def is_refused() -> bool:
            try:
                return load.acknowledged < 0
            except ServiceError:
                return True

        wait_until(is_refused, 10)
        with pytest.raises(ServiceError, match="422 to valid events"):
            _ = load.acknowledged
        load.end()
    assert len(bodies) == 1
    assert not load.is_finished


def test_an_outage_is_not_followed_by_everything_at_once(tmp_path: Path) -> None:
    """After an outage the pace is the usual one; the number of requests says so, not the clock."""
    with _collector([200]) as (url, bodies):
        load = Load(settings.make(tmp_path, COLLECTOR__URL=url), rate=100, batch=10, clients=1)
        load.start()
        wait_until(lambda: len(bodies) >= 3, 10)
        assert load.rate() <= 100
        load.end()
    assert len(load.acknowledged_ids()) == 10 * len(bodies)
