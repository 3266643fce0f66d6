"""A value that is whole and that the store refuses: found alone, its neighbours kept under one token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streaming.runtime.health import Health
from streaming.runtime.stop import StoppedError, StopSignal
from streaming.sinks.gateway import BadDataError, StoreUnavailableError
from streaming.sinks.letter_box import Broken
from streaming.sinks.storing import Storing


@dataclass
class AMessage:
    """A message with a value."""

    text: bytes

    def value(self) -> bytes:
        return self.text


@dataclass
class RefusingGateway:
    """Refuses every insert that holds a value with `bad` in it; stores the others by token."""

    stored: dict[str, list[bytes]] = field(default_factory=dict)
    tries: int = 0
    away: int = 0

    def columns(self) -> dict[str, str]:
        return {"event_id": "String"}

    def insert(self, values: Sequence[bytes], columns: Sequence[str], token: str) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("away")
        self.try_values(values, {})
        assert token not in self.stored
        self.stored[token] = list(values)

    def try_values(self, values: Sequence[bytes], columns: dict[str, str]) -> None:
        self.tries += 1
        if any(b"bad" in v for v in values):
            raise BadDataError("code 6")


@dataclass
class Letters:
    """Keeps what it is given."""

    sent: list[Broken] = field(default_factory=list)

    def send(self, broken: Sequence[Broken]) -> None:
        self.sent += broken


class AllWhole:
    """Every message is whole."""

    schema_count = 1

    def check(self, value: bytes | None) -> None:
        pass


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Storing, RefusingGateway, Letters, StopSignal]:
    gateway, letters, stop = RefusingGateway(), Letters(), StopSignal()
    storing = Storing(gateway, AllWhole(), letters, Health(tmp_path / "health.json"), stop)
    return storing, gateway, letters, stop


def messages(count: int, bad: set[int]) -> list[AMessage]:
    return [AMessage(f"{'bad' if i in bad else 'good'} {i}".encode()) for i in range(count)]


@pytest.mark.parametrize("bad", [set(), {0}, {99}, {3, 4, 50}, set(range(100))])
def test_good_neighbours_are_stored_under_the_one_token(parts, bad: set[int]) -> None:
    storing, gateway, letters, _ = parts
    whole = messages(100, bad)
    assert storing.store(list(whole), [], "t") == 100 - len(bad)
    good = [m.text for i, m in enumerate(whole) if i not in bad]
    assert gateway.stored == ({"t": good} if good else {})
    assert [b.message for b in letters.sent] == [m for i, m in enumerate(whole) if i in bad]
    assert {b.reason for b in letters.sent} <= {"refused_by_store"}


def test_one_bad_value_costs_few_tries(parts) -> None:
    """A linear search would parse 20,000 inserts."""
    storing, gateway, _, _ = parts
    storing.store(messages(20_000, {12_345}), [], "t")
    assert gateway.tries < 40


def test_a_store_that_is_away_gets_the_same_insert_again(parts) -> None:
    storing, gateway, letters, _ = parts
    gateway.away = 1
    assert storing.store(messages(3, set()), [], "t") == 3
    assert list(gateway.stored) == ["t"]
    assert letters.sent == []


def test_a_stop_while_the_store_is_away_stores_nothing(parts) -> None:
    storing, gateway, _, stop = parts
    gateway.away = 1_000
    stop.set()
    with pytest.raises(StoppedError):
        storing.store(messages(3, set()), [], "t")
    assert gateway.stored == {}


def test_letters_come_before_rows(parts) -> None:
    """The other way round a crash between them would lose the letter: the range counts as stored."""
    storing, gateway, letters, _ = parts

    def fail(values: Sequence[bytes], columns: Sequence[str], token: str) -> None:
        assert len(letters.sent) == 1
        raise ZeroDivisionError

    gateway.insert = fail
    with pytest.raises(ZeroDivisionError):
        storing.store(messages(2, set()), [Broken(AMessage(b"x"), "undecodable", "")], "t")
