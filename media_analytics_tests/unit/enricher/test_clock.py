"""Which client clocks are believed."""

import pytest

from streaming.enricher.clock import Occurrence, corrected

RECEIVED = 1_773_144_000_000_000
SECOND = 1_000_000
FIVE_MINUTES = 300 * SECOND
SEVEN_DAYS = 7 * 86_400 * SECOND


@pytest.mark.parametrize("difference", [0, FIVE_MINUTES, -SEVEN_DAYS])
def test_a_live_event_within_the_limits_keeps_its_time(difference: int) -> None:
    """Catches `>=` where the definition says more than."""
    assert corrected(RECEIVED + difference, RECEIVED, "live") == Occurrence(
        RECEIVED + difference, None, False
    )


@pytest.mark.parametrize("difference", [FIVE_MINUTES + 1, -SEVEN_DAYS - 1, 400 * SEVEN_DAYS])
def test_a_live_event_beyond_them_takes_the_time_of_receipt(difference: int) -> None:
    wanted = Occurrence(RECEIVED, RECEIVED + difference, True)
    assert corrected(RECEIVED + difference, RECEIVED, "live") == wanted


@pytest.mark.parametrize("difference", [-4000 * SEVEN_DAYS, -SEVEN_DAYS - 1, FIVE_MINUTES])
def test_imports_are_never_corrected(difference: int) -> None:
    """A log of 2015 keeps its dates."""
    assert corrected(RECEIVED + difference, RECEIVED, "import").occurred_at == RECEIVED + difference
