"""How often the method of `media_analytics.modelling.error_rates` is wrong, and how fast it is right, by simulation.

`python -m media_analytics_tests.benchmarks.error_rates [SEED]` prints the tables of
`docs/reference/minute-analysis.md` in a few minutes. Everything is drawn from a seed: the same seed prints the same
numbers.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from media_analytics.modelling.error_rates import METHOD, Method, Minute, judge

TYPES = 5
DAY = 1440
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """One type's traffic. `volume_swing` and `rate_swing`: share by which a day's rhythm moves events and error rate.

    `clustering` is the beta-binomial's intraclass correlation: 0 for independent errors.
    """

    name: str
    events_per_minute: float = 1000
    error_rate: float = 0.01
    volume_swing: float = 0.0
    rate_swing: float = 0.0
    clustering: float = 0.0

    def draw(
        self, rng: np.random.Generator, minutes: int, factor: Counts | float = 1
    ) -> tuple[Counts, Counts]:
        """Events and errors of successive minutes; the error rate is multiplied by `factor`."""
        angle = 2 * np.pi * np.arange(minutes) / DAY
        total = rng.poisson(self.events_per_minute * (1 + self.volume_swing * np.sin(angle)))
        rate = self.error_rate * (1 + self.rate_swing * np.sin(angle + 1)) * factor
        if self.clustering:
            weight = (1 - self.clustering) / self.clustering
            rate = rng.beta(rate * weight, (1 - rate) * weight)
        return total, rng.binomial(total, np.minimum(rate, 1))


QUIET = World("as many and as likely all day")
WORLDS = (
    QUIET,
    World("70 % more and fewer events in a day's rhythm", volume_swing=0.7),
    World("and 30 % more and fewer errors", volume_swing=0.7, rate_swing=0.3),
    World("and 50 % more and fewer errors", volume_swing=0.7, rate_swing=0.5),
    World("clustered errors, twice the variance", clustering=0.001),
    World("clustered errors, four times the variance", clustering=0.003),
    World("100 events a minute", events_per_minute=100),
    World("10 events a minute", events_per_minute=10),
)


def judged(total: Counts, error: Counts, method: Method = METHOD, types: int = TYPES) -> list[Minute]:
    """The verdicts on successive minutes of one type."""
    minutes: list[Minute | None] = []
    for n, x in zip(total.tolist(), error.tolist(), strict=True):
        minutes.append(judge(minutes[-method.window_minutes :], n, x, types, method))
    return [m for m in minutes if m is not None]


def alarms(minutes: list[Minute]) -> int:
    """How often an anomaly began."""
    return sum(m.is_anomaly and not before.is_anomaly for before, m in pairwise(minutes))


def false_alarms(world: World, rng: np.random.Generator, days: int, types: int = TYPES) -> int:
    """Anomalies that began in a time in which nothing happened, all types together."""
    return sum(alarms(judged(*world.draw(rng, days * DAY))) for _ in range(types))


def delays(
    world: World, rng: np.random.Generator, trials: int, factor: float, minutes: int = 30
) -> list[float]:
    """Minutes until a rise of the error rate was found, one entry a trial; infinite when it was not in `minutes`."""
    quiet = METHOD.window_minutes + METHOD.gap_minutes
    steps = np.r_[np.ones(quiet), np.full(minutes, factor)]
    found = []
    for _ in range(trials):
        after = judged(*world.draw(rng, len(steps), steps))[quiet:]
        found.append(next((float(n) for n, m in enumerate(after, 1) if m.is_anomaly), math.inf))
    return found


def share_within(found: list[float], minutes: int) -> float:
    """Share of trials (0-1) found within so many minutes."""
    return sum(d <= minutes for d in found) / len(found)


def report(seed: int, trials: int = 1000, weeks: int = 4) -> Iterator[str]:
    """The lines of both tables."""
    rng = np.random.default_rng(seed)
    yield f"seed {seed}; error rate 1 %; {TYPES} types together"
    yield f"\nfalse alarms a day over {weeks} quiet weeks"
    for world in WORLDS:
        yield f"  {world.name:<48}{false_alarms(world, rng, 7 * weeks) / (7 * weeks):6.2f}"
    yield f"\nshare of {trials} rises found within minutes     1     2     3     5    10    15    30"
    for factor in (3.0, 2.0):
        for events in (1000, 300, 100):
            found = delays(World("", events_per_minute=events), rng, trials, factor)
            shares = "".join(f"{100 * share_within(found, n):5.1f} " for n in (1, 2, 3, 5, 10, 15, 30))
            yield f"  {factor:g} times, {events:>5} events a minute       {shares}"


if __name__ == "__main__":
    for line in report(int(sys.argv[1]) if len(sys.argv) > 1 else 20260101):
        print(line, flush=True)
