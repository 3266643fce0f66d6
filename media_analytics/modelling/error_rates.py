"""Finds error rates that rose, minute by minute, for each type of event.

Belongs here: the method, as pure functions of counts. Does not belong here: where counts come from and go to.

**Evidence of one minute.** With `n` events, `x` of them errors, and the error rate `p` that the recent past lets
expect, the logarithm of how much likelier the minute is when the odds of an error are `R` times as high:

    w = (x ln R - n ln(1 - p + R p)) / phi

Only the rate is judged, so the daily rhythm of `n` does not matter, and a handful of events weighs little by itself.

**Persistence.** Evidence adds up and never goes below zero (Page's CUSUM): `score = max(0, score + w)`, in nats. A
minute is an anomaly when its score is at least `threshold = ln(types * 1440 / false_alarms_per_day)`: with `p` known,
a CUSUM of log likelihood ratios needs at least exp(threshold) minutes to a false alarm on average. The score stops
at 1.5 thresholds, so that an anomaly ends within minutes of its cause.

**Expectation.** `p` is the rate of minutes t-90 to t-11 that were no anomalies, plus one standard error (little history
makes careful), at least 0.1 %. The gap keeps a slowly seen rise out of its own expectation. A rise of the expectation
by itself, as in a day's rhythm, counts against a minute only where it outgrows a factor of about 1.6 within the hour
(`w` is negative on average below `(R - 1) / ln R` times `p`). When nearly all minutes of the window were anomalies they
are taken as the new normal: a level that stays is reported for about one and a half hours.

**Clustered errors.** `phi >= 1` is the Pearson dispersion of those minutes: errors that come in clusters vary more than
independent ones, and weigh less.

Sources: E. S. Page, Continuous inspection schemes, Biometrika 41 (1954). G. Lorden, Procedures for reacting to a change
in distribution, Annals of Mathematical Statistics 42 (1971): the bound on false alarms. S. H. Steiner et al.,
Monitoring surgical performance using risk-adjusted cumulative sum charts, Biostatistics 1 (2000): the weight in
odds. R. W. M. Wedderburn, Quasi-likelihood functions, Biometrika 61 (1974): phi.
Measured by `media_analytics_tests.benchmarks.error_rates`; results and limits: `docs/reference/minute-analysis.md`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Method:
    """The constants of the method. The window is in minutes; the gap is the part of it that is left out."""

    odds_ratio: float = 2.5
    window_minutes: int = 90
    gap_minutes: int = 10
    least_minutes: int = 10
    least_rate: float = 0.001
    # Over all types. A tenth of the target: expectations are estimated, rates move.
    false_alarms_per_day: float = 0.1

    def threshold(self, types: int) -> float:
        """The score from which a minute is an anomaly, when so many types are watched."""
        return math.log(max(types, 1) * 1440 / self.false_alarms_per_day)


@dataclass(frozen=True, slots=True)
class Minute:
    """One closed minute of one type: events, errors among them, and what was said about it."""

    total: int
    error: int
    score: float = 0.0
    is_anomaly: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the past lets expect: the error rate (0-1, one standard error above the mean) and the dispersion."""

    rate: float
    dispersion: float


METHOD = Method()


def judge(
    history: Sequence[Minute | None], total: int, error: int, types: int, method: Method = METHOD
) -> Minute:
    """The verdict on a minute.

    Args:
        history: the preceding minutes of the type, oldest first, None for a minute without it. More than
            `window_minutes` are allowed and not looked at.
        total: events of the minute, successes and errors.
        error: errors among them.
        types: how many types are watched; they share the budget of false alarms.
        method: the constants.

    Returns:
        The minute with its score in nats, rounded to six decimals so that it survives being written as text.

    Raises:
        ValueError: `error` is negative or more than `total`.
    """
    if not 0 <= error <= total:
        raise ValueError(f"{error} errors among {total} events; expected 0 to the total")
    window = history[-method.window_minutes :]
    expected = expectation(window, method)
    before = next((m.score for m in reversed(window) if m is not None), 0.0)
    if expected is None:
        return Minute(total, error)
    threshold = method.threshold(types)
    weight = error * math.log(method.odds_ratio) - total * math.log1p((method.odds_ratio - 1) * expected.rate)
    score = round(min(max(0.0, before + weight / expected.dispersion), 1.5 * threshold), 6)
    return Minute(total, error, score, score >= threshold)


def expectation(window: Sequence[Minute | None], method: Method = METHOD) -> Expectation | None:
    """What the minutes before let expect; None when fewer than `least_minutes` of them had events."""
    past = [m for m in window[: len(window) - method.gap_minutes] if m is not None and m.total > 0]
    quiet = [m for m in past if not m.is_anomaly]
    if len(quiet) < method.least_minutes:
        quiet = past
    if len(quiet) < method.least_minutes:
        return None
    total = sum(m.total for m in quiet)
    # Jeffreys' prior: half an error and half a success more than were seen.
    mean = (sum(m.error for m in quiet) + 0.5) / (total + 1)
    spread = mean * (1 - mean)
    dispersion = sum((m.error - m.total * mean) ** 2 / (m.total * spread) for m in quiet) / (len(quiet) - 1)
    rate = max(mean + math.sqrt(spread / (total + 1)), method.least_rate)
    return Expectation(min(rate, 1.0), max(1.0, dispersion))
