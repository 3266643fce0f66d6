"""Room, rates and budgets: what is taken is given back, and one more is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from media_analytics.settings import Collector
from streaming.collector.answers import Rejection, Unavailable
from streaming.collector.limits import BrowserRate, LetterBudget, Room


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limits(**values: Any) -> Collector:
    return Collector(url="http://127.0.0.1:1", **values)


def refused(call: Callable[[], None]) -> str:
    with pytest.raises((Unavailable, Rejection)) as caught:
        call()
    return caught.value.code


def test_requests_bytes_and_events_are_bounded() -> None:
    room = Room(limits(max_requests_in_flight=3, max_bytes_in_flight=2048, max_events_in_flight=10))
    room.enter(1000)
    room.enter(1000)
    assert refused(lambda: room.enter(1000)) == "queue_full"
    room.enter(48)
    assert refused(lambda: room.enter(0)) == "too_busy"
    room.hold(9)
    assert refused(lambda: room.hold(2)) == "queue_full"
    room.hold(1)
    room.leave(48)
    assert refused(lambda: room.enter(0)) == "queue_full"
    room.release(10)
    room.enter(0)
    assert (room.requests, room.bytes, room.events) == (3, 2000, 0)


def test_one_request_always_fits() -> None:
    """Catches a limit below the size of a single request, which would then be refused for ever."""
    room = Room(limits(max_bytes_in_flight=1024, max_events_in_flight=5))
    room.enter(1_000_000)
    room.hold(1000)
    assert (room.bytes, room.events) == (1_000_000, 1000)


def test_workers_share_the_limits() -> None:
    room = Room(limits(max_requests_in_flight=4, workers=4))
    room.enter(0)
    assert refused(lambda: room.enter(0)) == "too_busy"


def test_a_browser_may_burst_and_then_has_to_wait() -> None:
    clock = Clock()
    rate = BrowserRate(limits(browser_events_per_second=2, browser_burst_events=10), clock)
    rate.require("key", "192.0.2.1")
    rate.charge("key", "192.0.2.1", 12)
    assert refused(lambda: rate.require("key", "192.0.2.1")) == "rate_limited"
    rate.require("key", "192.0.2.2")
    rate.require("other", "192.0.2.1")
    clock.now += 1.5
    rate.require("key", "192.0.2.1")
    clock.now += 1000
    rate.charge("key", "192.0.2.1", 10)
    assert refused(lambda: rate.require("key", "192.0.2.1")) == "rate_limited"


def test_the_letter_budget_is_for_each_key_and_minute() -> None:
    clock = Clock()
    budget = LetterBudget(limits(max_letter_bytes_per_minute=100), clock)
    assert [budget.take("a", 60), budget.take("a", 60), budget.take("a", 40), budget.take("b", 100)] == [
        True,
        False,
        True,
        True,
    ]
    clock.now += 59
    assert not budget.take("a", 1)
    clock.now += 1
    assert budget.take("a", 100)
