"""Chance that is the same on every machine and Python version.

Belongs here: weighted choices, Zipf, addresses and ids over one seeded generator, using its `random()` only (the one
stream that never changed between versions). Does not belong here: what is chosen from.
"""

import ipaddress
import math
import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Chance:
    """A stream of chance that depends on the text of its seed only."""

    def __init__(self, seed: str) -> None:
        self.fraction = random.Random(seed).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to limit - 1."""
        return int(self.fraction() * limit)

    def happens(self, probability: float) -> bool:
        """True with the probability."""
        return self.fraction() < probability

    def between(self, low: float, high: float) -> float:
        """A number of an even distribution."""
        return low + (high - low) * self.fraction()

    def exponential(self, mean: float) -> float:
        """A waiting time."""
        return -mean * math.log(1.0 - self.fraction())

    def one_of(self, items: Sequence[T]) -> T:
        """Any item, all equally likely."""
        return items[int(self.fraction() * len(items))]

    def uuid(self) -> str:
        """A version 4 UUID."""
        high, low = self.below(1 << 48), self.below(1 << 48)
        middle, rest = self.below(1 << 12), self.below(1 << 14)
        text = f"{high:012x}4{middle:03x}{0x8000 | rest:04x}{low:012x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def address(self, first: str, host_bits: int) -> str:
        """An address of a network."""
        base = ipaddress.ip_address(first)
        return str(base + self.below(1 << host_bits))


class Weighted(Generic[T]):
    """Items with weights, chosen in proportion."""

    def __init__(self, items: Sequence[T], weights: Sequence[float]) -> None:
        self._items = items
        self._sums = list(accumulate(weights))

    def choose(self, chance: Chance) -> T:
        """One item."""
        return self._items[bisect(self._sums, chance.fraction() * self._sums[-1], 0, len(self._items) - 1)]


def zipf(count: int, exponent: float = 1.0) -> list[float]:
    """Weights of ranks 1 to count."""
    return [1.0 / rank**exponent for rank in range(1, count + 1)]
