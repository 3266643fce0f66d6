"""The method finds rises of error rates and is quiet otherwise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analytics.modelling.error_rates import METHOD, Minute, expectation, judge
from media_analytics_tests.benchmarks import error_rates as simulation
from media_analytics_tests.benchmarks.error_rates import QUIET, World


def past(minutes: int, total: int = 1000, error: int = 10) -> list[Minute | None]:
    return [Minute(total, error)] * minutes


def test_a_quiet_week_has_at_most_one_false_alarm_a_day() -> None:
    """Catches a threshold that forgets how many minutes and types are watched (7,200 verdicts a day)."""
    rng = np.random.default_rng(7)
    assert simulation.false_alarms(QUIET, rng, days=7) <= 7
    swinging = World("", volume_swing=0.7, rate_swing=0.3)
    assert simulation.false_alarms(swinging, rng, days=2) <= 2


def test_a_step_to_three_times_is_found_within_three_minutes() -> None:
    """Catches a baseline that learns the rise, and a persistence rule that waits too long."""
    found = simulation.delays(QUIET, np.random.default_rng(8), trials=100, factor=3)
    assert simulation.share_within(found, 3) >= 0.95


def test_the_weight_is_the_formula() -> None:
    """One minute by hand: expectation 1 % plus a standard error, dispersion 1."""
    history = past(90)
    expected = expectation(history)
    assert expected is not None
    mean = 800.5 / 80_001
    assert expected.rate == pytest.approx(mean + math.sqrt(mean * (1 - mean) / 80_001), rel=1e-12)
    assert expected.dispersion == 1
    minute = judge(history, 1000, 20, types=5)
    assert minute.score == pytest.approx(
        20 * math.log(2.5) - 1000 * math.log(1 + 1.5 * expected.rate), abs=1e-6
    )
    assert METHOD.threshold(5) == pytest.approx(math.log(72_000))


def test_evidence_adds_up_ends_and_is_bounded() -> None:
    history = past(90)
    flags = []
    for error in [25] * 5 + [10] * 10:
        minute = judge(history, 1000, error, types=5)
        history.append(minute)
        flags.append(minute.is_anomaly)
        assert 0 <= minute.score <= 1.5 * METHOD.threshold(5) + 1e-6
    assert flags[:2] == [False, True]
    assert flags[4]
    # Over within two minutes of its cause.
    assert not any(flags[6:])


def test_the_expectation_leaves_out_anomalies_and_the_newest_minutes() -> None:
    """Catches an incident that becomes its own baseline."""
    bad = Minute(1000, 100, 15, True)
    seen = expectation([*past(70), *([bad] * 10), *([Minute(1000, 100)] * 10)])
    assert seen is not None
    assert seen.rate == pytest.approx(0.01, rel=0.1)


def test_a_level_that_stays_becomes_normal() -> None:
    """Catches an alarm that never ends after a change for good."""
    history = past(90)
    flags = []
    for _ in range(240):
        minute = judge(history[-90:], 1000, 40, types=5)
        history.append(minute)
        flags.append(minute.is_anomaly)
    assert all(flags[1:60])
    assert not any(flags[120:])


def test_small_counts_say_little() -> None:
    """Catches a ratio of rates: two errors among four events are no anomaly."""
    assert not judge(past(90, 5, 0), 4, 2, types=5).is_anomaly
    assert judge(past(90, 5, 0), 40, 20, types=5).is_anomaly


def test_without_a_past_nothing_is_said() -> None:
    assert judge([], 1000, 1000, types=1) == Minute(1000, 1000, 0.0, False)
    assert judge(past(19), 1000, 1000, types=1).score == 0
    assert judge(past(20), 1000, 1000, types=1).is_anomaly


def test_minutes_without_events_keep_the_evidence() -> None:
    history = [*past(90), Minute(1000, 20, 5.0, False), None, None]
    assert judge(history, 0, 0, types=5).score == 5.0


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="11 errors among 10"):
        judge([], 10, 11, types=1)


@given(
    st.lists(st.none() | st.tuples(st.integers(0, 10**6), st.floats(0, 1)), max_size=120),
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.integers(1, 50),
)
def test_every_history_gives_a_verdict(
    shares: list[tuple[int, float] | None], total: int, share: float, types: int
) -> None:
    """Catches a division by zero, a logarithm of nothing, a score that is not a number."""
    history = [None if s is None else Minute(s[0], int(s[0] * s[1])) for s in shares]
    minute = judge(history, total, int(total * share), types)
    assert 0 <= minute.score <= 1.5 * METHOD.threshold(types) + 1e-6
    assert minute == judge(history[-METHOD.window_minutes :], total, int(total * share), types)
