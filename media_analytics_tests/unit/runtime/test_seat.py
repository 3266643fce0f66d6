"""Who may take a fenced member's seat back. A broker that is scripted, a clock that is not: waits are shortened."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from media_analytics.errors import ServiceError
from streaming.runtime import seat
from streaming.runtime.health import Health
from streaming.runtime.seat import Occupant, Seat
from streaming.runtime.stop import StoppedError, StopSignal

OURS = Occupant("g-0-ours", "g-0", "/10.0.0.1")
OTHER = Occupant("g-0-other", "g-0", "/10.0.0.2")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat, "_FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(seat, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(seat, "ALIVE_AFTER_SECONDS", 0.2)


class Broker:
    """Answers one after the other; the last one again and again. `None` in place of an answer: nobody."""

    def __init__(self, *answers: Occupant | KafkaException | None) -> None:
        self._answers: Iterator[Occupant | KafkaException | None] = iter(answers)
        self._now: Occupant | KafkaException | None = None
        self.asked = 0

    def __call__(self) -> Occupant | None:
        self.asked += 1
        self._now = next(self._answers, self._now)
        if isinstance(self._now, KafkaException):
            raise self._now
        return self._now


def a_seat(tmp_path: Path, broker: Broker, stop: StopSignal | None = None) -> Seat:
    made = Seat("g", "0", broker, Health(tmp_path / "health.json"), stop or StopSignal())
    made.taken(OURS.member_id)
    return made


@pytest.mark.parametrize("occupant", [None, OURS])
def test_a_seat_that_nobody_else_has_is_taken_back_at_once(tmp_path: Path, occupant: Occupant | None) -> None:
    """Would catch a process that ends, or waits for a session to end, because of its own earlier membership."""
    broker = Broker(occupant)
    a_seat(tmp_path, broker).regain("fenced")
    assert broker.asked == 1


def test_a_seat_whose_holder_died_is_taken_back_after_its_session(tmp_path: Path) -> None:
    """Would catch a process that gives up because of another one that was killed meanwhile."""
    broker = Broker(OTHER, OTHER, OTHER, None)
    a_seat(tmp_path, broker).regain("fenced")
    assert broker.asked == 4


def test_another_live_process_keeps_the_seat(tmp_path: Path) -> None:
    """Would catch two processes that fence each other for ever."""
    with pytest.raises(ServiceError, match=r"another live process, client g-0 on /10\.0\.0\.2"):
        a_seat(tmp_path, Broker(OTHER)).regain("fenced")


def test_a_broker_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Would catch a wait that counts the time without a broker: its return gives a dead holder a new session."""
    away = KafkaException(KafkaError(KafkaError._TRANSPORT))
    broker = Broker(OTHER, *[away] * 30, OTHER, None)
    a_seat(tmp_path, broker).regain("fenced")
    assert broker.asked == 33


def test_a_member_that_is_fenced_again_and_again_ends(tmp_path: Path) -> None:
    """Would catch a loop that hides a broken group: it must reach the supervisor and its alarms."""
    one = a_seat(tmp_path, Broker(None))
    for _ in range(seat.MOST_RETURNS):
        one.regain("fenced")
    with pytest.raises(ServiceError, match="more than 5 times in 10 minutes"):
        one.regain("fenced")


def test_a_stop_ends_the_wait(tmp_path: Path) -> None:
    stop = StopSignal()
    stop.set()
    with pytest.raises(StoppedError):
        a_seat(tmp_path, Broker(OTHER), stop).regain("fenced")
