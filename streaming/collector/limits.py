"""How much is held at once, and how much one browser may send.

Belongs here: the bounds of requests, events and bytes in flight, the rate of browser keys, the budget of dead letters.
Does not belong here: what is refused for what it says. With several workers each has an equal share: the kernel spreads
connections over them.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from media_analytics.settings import Collector
from streaming.collector.answers import Rejection, Unavailable

_ADDRESSES = 65_536
_MINUTE_SECONDS = 60.0
Clock = Callable[[], float]


class Room:
    """What this worker holds: requests, bytes of their bodies, records without an acknowledgement."""

    def __init__(self, limits: Collector) -> None:
        self._most_requests = _share(limits.max_requests_in_flight, limits.workers)
        self._most_events = _share(limits.max_events_in_flight, limits.workers)
        self._most_bytes = _share(limits.max_bytes_in_flight, limits.workers)
        self.requests = 0
        self.events = 0
        self.bytes = 0

    def enter(self, size: int) -> None:
        """Take one request with a body of `size` bytes in; every `enter` is followed by one `leave`.

        Raises:
            Unavailable: 503, there is no room; nothing was taken.
        """
        if self.requests >= self._most_requests:
            raise Unavailable(503, "too_busy", f"{self.requests} requests are being answered; send again", 1)
        # One request always fits, however small the limit.
        if self.requests and self.bytes + size > self._most_bytes:
            raise Unavailable(503, "queue_full", f"{self.bytes} bytes are being handled; send again", 1)
        if self.events >= self._most_events:
            raise Unavailable(503, "queue_full", f"{self.events} events wait for Kafka; send again", 1)
        self.requests += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """A request is answered."""
        self.requests -= 1
        self.bytes -= size

    def hold(self, events: int) -> None:
        """Records are produced; every `hold` is followed by one `release`.

        Raises:
            Unavailable: 503, too many wait already; nothing was taken.
        """
        if self.events and self.events + events > self._most_events:
            raise Unavailable(503, "queue_full", f"{self.events} events wait for Kafka; send again", 1)
        self.events += events

    def release(self, events: int) -> None:
        """Records were acknowledged or given up."""
        self.events -= events


class BrowserRate:
    """A token bucket for each key and address. Memory is bounded: the addresses heard of last are kept."""

    def __init__(self, limits: Collector, clock: Clock = time.monotonic) -> None:
        self._rate = limits.browser_events_per_second / limits.workers
        self._burst = float(_share(limits.browser_burst_events, limits.workers))
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def require(self, key: str, address: str) -> None:
        """Go on only when something is left.

        Raises:
            Rejection: `rate_limited` (429).
        """
        if self._left(key, address) <= 0:
            raise Rejection(
                "rate_limited", None, f"more than {self._rate:g} events a second; send fewer, later", "rate"
            )

    def charge(self, key: str, address: str, events: int) -> None:
        """Take events; the bucket may go below nothing, which the next request pays for."""
        left = self._left(key, address) - events
        self._buckets[(key, address)] = (left, self._clock())
        self._buckets.move_to_end((key, address))
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)

    def _left(self, key: str, address: str) -> float:
        known = self._buckets.get((key, address))
        if known is None:
            return self._burst
        left, at = known
        return min(self._burst, left + (self._clock() - at) * self._rate)


class LetterBudget:
    """Bytes of refused input that each key may have kept in a minute."""

    def __init__(self, limits: Collector, clock: Clock = time.monotonic) -> None:
        self._most = limits.max_letter_bytes_per_minute // limits.workers
        self._clock = clock
        self._spent: dict[str, tuple[float, int]] = {}

    def take(self, key: str, size: int) -> bool:
        """Whether `size` more bytes are within the budget; they are taken if so."""
        now = self._clock()
        began, spent = self._spent.get(key, (now, 0))
        if now - began >= _MINUTE_SECONDS:
            began, spent = now, 0
        if spent + size > self._most:
            self._spent[key] = (began, spent)
            return False
        self._spent[key] = (began, spent + size)
        return True


def _share(limit: int, workers: int) -> int:
    return max(1, limit // workers)
