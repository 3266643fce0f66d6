"""Answers that are kept for a moment.

Belongs here: one reader at a time asks a store, the others wait for its answer, so that the cost does not grow with the
number of open pages. Does not belong here: what is asked.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Kept(Generic[T]):
    """The answer of `ask`, at most `seconds` old. An error is kept for nobody."""

    def __init__(self, ask: Callable[[], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answer: tuple[float, T] | None = None

    def get(self) -> T:
        """The kept answer, or a new one."""
        with self._lock:
            if self._answer is None or time.monotonic() - self._answer[0] >= self._seconds:
                # Its age counts from the question: an answer that took long is old.
                asked = time.monotonic()
                self._answer = (asked, self._ask())
            return self._answer[1]


class KeptByName(Generic[K, T]):
    """One `Kept` for each name; at most `most` names, the oldest goes first."""

    def __init__(self, ask: Callable[[K], T], seconds: float, most: int = 200) -> None:
        self._ask = ask
        self._seconds = seconds
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[K, Kept[T]] = {}

    def get(self, name: K) -> T:
        """The answer for a name."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                while len(self._kept) >= self._most:
                    del self._kept[next(iter(self._kept))]
                found = self._kept[name] = Kept(lambda: self._ask(name), self._seconds)
        return found.get()
