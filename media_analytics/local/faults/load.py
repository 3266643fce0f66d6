"""Clients that post events all the time and send again what was not acknowledged.

Belongs here: the events, the pace, what was acknowledged, why requests failed. Does not belong here: what else happens
meanwhile.
"""

import hashlib
import threading
import time
import uuid
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings

PATH = "/v1/events/user"
# Without any answer for so long, the collector or what stands before it hangs: the connection is given up.
ANSWER_SECONDS = 30.0
AGAIN_SECONDS = 0.25
_RECENT_SECONDS = 2.0
_PAGES = 500
_READERS = 20_000
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)


class Load:
    """`clients` threads, together `rate` events a second in requests of `batch`, until `events` are acknowledged.

    Without `events` they go on until `end`. The ids follow from the seed; a request that was not acknowledged is sent
    again byte for byte.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        seed: int = 1,
        rate: float = 500.0,
        batch: int = 50,
        events: int | None = None,
        clients: int = 4,
    ) -> None:
        self._settings = settings
        self._seed, self._batch, self._events = seed, batch, events
        self._pause = clients * batch / rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._done: list[range] = []
        self._acknowledged = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=10_000)
        self._problem: ServiceError | None = None
        # Requests that were not acknowledged, by the status or the error's name.
        self.refused: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def start(self) -> None:
        """Begin to post."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop after the requests under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)

    @property
    def acknowledged(self) -> int:
        """How many events were acknowledged.

        Raises:
            ServiceError: the collector refused an event that is valid.
        """
        if self._problem is not None:
            raise self._problem
        return self._acknowledged

    @property
    def is_finished(self) -> bool:
        """Whether everything that was to be sent is acknowledged."""
        return self._events is not None and self._acknowledged >= self._events

    @property
    def is_ended(self) -> bool:
        """Whether `end` was called."""
        return self._stop.is_set()

    def acknowledged_ids(self) -> list[str]:
        """The id of every acknowledged event."""
        with self._lock:
            done = list(self._done)
        return [event_id(self._seed, n) for numbers in done for n in numbers]

    def rate(self) -> float:
        """Events a second that were acknowledged over the last two seconds."""
        since = time.monotonic() - _RECENT_SECONDS
        with self._lock:
            return sum(count for at, count in self._recent if at > since) / _RECENT_SECONDS

    def _run(self) -> None:
        with httpx.Client(
            base_url=self._settings.collector.url, timeout=ANSWER_SECONDS, trust_env=False
        ) as client:
            due = time.monotonic()
            while (numbers := self._taken()) and not self._stop.is_set():
                if not self._send(client, numbers):
                    return
                # What an outage delayed is sent at the usual pace, not all at once.
                due = max(due + self._pause, time.monotonic())
                self._stop.wait(due - time.monotonic())

    def _taken(self) -> range:
        """The numbers of the next request's events; empty when there are no more."""
        with self._lock:
            end = self._next + self._batch
            numbers = range(self._next, end if self._events is None else min(end, self._events))
            self._next = numbers.stop
        return numbers

    def _send(self, client: httpx.Client, numbers: range) -> bool:
        body = msgspec.json.encode([item(self._seed, n) for n in numbers])
        while not self._stop.is_set():
            try:
                answer = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
            except httpx.HTTPError as error:
                self._refuse(type(error).__name__)
                continue
            if answer.status_code == 200:
                self._acknowledge(numbers)
                return True
            if answer.status_code not in (429, 503, 507):
                self._problem = ServiceError(
                    f"the collector answered {answer.status_code} to valid events: {answer.text[:500]}"
                )
                return False
            self._refuse(str(answer.status_code))
        return False

    def _acknowledge(self, numbers: range) -> None:
        with self._lock:
            self._done.append(numbers)
            self._acknowledged += len(numbers)
            self._recent.append((time.monotonic(), len(numbers)))

    def _refuse(self, reason: str) -> None:
        with self._lock:
            self.refused[reason] += 1
        self._stop.wait(AGAIN_SECONDS)


def event_id(seed: int, number: int) -> str:
    """The id of the event with this number."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def item(seed: int, number: int) -> dict[str, Any]:
    """An event that happens now."""
    page, reader = number * 7919 % _PAGES, number * 104_729 % _READERS
    return {
        "event_id": event_id(seed, number),
        "event_type": "page_view",
        "brand": "bild" if page % 2 else "welt",
        "occurred_at": datetime.now(UTC).isoformat(),
        "page_url": f"https://www.bild.de/politik/artikel-{page}.html",
        "content_id": f"article-{page}",
        "anonymous_id": f"{reader:016x}",
        "user_agent": _AGENTS[reader % len(_AGENTS)],
        "ip": f"198.51.100.{reader % 250}",
        "consent": ["analytics"],
    }
