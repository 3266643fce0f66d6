"""Seeded chance over arrays.

Belongs here: streams that depend on names and numbers only, weighted and skewed choices, the rhythm of a day. Does not
belong here: what is chosen from. Only `random` and `bytes` of a generator are used: they depend on the bits alone.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from media_analytics.generators.video.world import HOURS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY_US = 86_400_000_000


class Stream:
    """A stream of chance that is the same for the same names and numbers."""

    def __init__(self, *name: str | int) -> None:
        digest = hashlib.sha256("|".join(map(str, name)).encode()).digest()
        self._generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))

    def fractions(self, count: int) -> Floats:
        """Numbers from 0 to below 1."""
        return self._generator.random(count)

    def flags(self, count: int, share: float) -> npt.NDArray[np.bool_]:
        """True with the probability."""
        return np.asarray(self.fractions(count) < share)

    def below(self, count: int, limit: int) -> Ints:
        """Whole numbers from 0 to limit - 1."""
        return (self.fractions(count) * limit).astype(np.int64)

    def exponential(self, count: int, mean: float) -> Floats:
        """Waiting times and sizes with a long tail."""
        return -mean * np.log1p(-self.fractions(count))

    def weighted(self, count: int, weights: Sequence[float] | Floats) -> Ints:
        """Indexes in proportion to their weights."""
        sums = np.cumsum(np.asarray(weights, dtype=np.float64))
        places = np.searchsorted(sums, self.fractions(count) * sums[-1], side="right")
        return np.asarray(np.minimum(places, len(sums) - 1), np.int64)

    def choices(self, count: int, items: Sequence[tuple[str | int, float]]) -> pa.Array:
        """Values in proportion to their weights."""
        values = pa.array([value for value, _ in items])
        return values.take(pa.array(self.weighted(count, [weight for _, weight in items])))

    def skewed(self, count: int, limit: int) -> Ints:
        """Indexes below `limit`, the popularity of rank r about 1 / r: density of log-uniform ranks."""
        ranks = np.exp(self.fractions(count) * np.log(limit + 1.0)).astype(np.int64) - 1
        return np.asarray(np.clip(ranks, 0, limit - 1), np.int64)

    def hex_ids(self, count: int) -> pa.Array:
        """Texts of 32 hexadecimal digits."""
        digits = self._generator.bytes(16 * count).hex().encode()
        offsets = np.arange(count + 1, dtype=np.int32) * 32
        return pa.StringArray.from_buffers(count, pa.py_buffer(offsets.tobytes()), pa.py_buffer(digits))

    def times_of_day(self, count: int, first: float = 0.0, end: float = 1.0) -> Ints:
        """Ascending microseconds since midnight, by the rhythm of `HOURS`, from a share of the day's requests on."""
        sums = np.concatenate([[0.0], np.cumsum(HOURS)]) / np.sum(HOURS)
        places = first + (end - first) * np.sort(self.fractions(count))
        return np.minimum((np.interp(places, sums, np.linspace(0, DAY_US, 25))).astype(np.int64), DAY_US - 1)
