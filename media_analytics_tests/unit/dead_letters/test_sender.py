"""Letters that Kafka does not take: the sender says so in time, and ends when it is asked to."""

import logging
import socket
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from media_analytics.errors import ServiceError
from media_analytics.settings import Kafka
from media_analytics_tests.builders.settings import DEAD_LETTER_KEY
from streaming.dead_letters.letters import LetterWriter
from streaming.dead_letters.sender import LetterSender
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StoppedError, StopSignal


@dataclass
class KnownId:
    """A registry that knows the schema of letters."""

    def id_for(self, subject: str, schema: dict[str, Any], *, register: bool = False) -> int:
        return 7


def a_sender(stop: StopSignal, most_seconds: float | None) -> LetterSender:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    kafka = Kafka(bootstrap_servers=f"127.0.0.1:{port}")
    errors = Errors("test", logging.getLogger(__name__))
    return LetterSender(kafka, KnownId(), errors, stop, most_seconds)


def a_letter() -> dict[str, Any]:
    writer = LetterWriter("lake", SecretStr(DEAD_LETTER_KEY))
    return writer.letter(
        b"x",
        source="user.latest",
        place="0|1|lake",
        reason="undecodable",
        message="m",
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_nothing_to_send_needs_no_broker() -> None:
    a_sender(StopSignal(), 0.1).send([])


def test_a_run_that_has_a_limit_gives_up_with_the_place_to_look() -> None:
    """Would catch a Dagster run that waits for ever for a broker that is away."""
    with pytest.raises(ServiceError, match=r"1 dead letters were not acknowledged by Kafka 127\.0\.0\.1"):
        a_sender(StopSignal(), 0.5).send([a_letter()])


def test_a_process_without_a_limit_waits_until_it_is_stopped() -> None:
    """Would catch a sink that goes on without its letters, or that cannot be stopped while Kafka is away."""
    stop = StopSignal()
    threading.Timer(1.5, stop.set).start()
    with pytest.raises(StoppedError):
        a_sender(stop, None).send([a_letter()])
