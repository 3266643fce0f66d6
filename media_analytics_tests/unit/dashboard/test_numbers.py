"""Numbers and times as people read them."""

import pytest

from media_analytics.dashboard.page import numbers

DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.count(1_234_567), "1,234,567"),
        (numbers.count(0), "0"),
        (numbers.rate(0), "0"),
        (numbers.rate(0.349), "0.35"),
        (numbers.rate(20.56), "20.6"),
        (numbers.rate(4999.7), "5,000"),
        (numbers.milliseconds(399.6), "400 ms"),
        (numbers.milliseconds(1250), "1.25 s"),
        (numbers.share(0.0297), "2.97 %"),
        (numbers.duration(59.9), "59 s"),
        (numbers.duration(60), "1 min"),
        (numbers.duration(185), "3 min 5 s"),
        (numbers.duration(7_625), "2 h 7 min"),
        (numbers.duration(3 * 86_400 + 4 * 3_600), "3 d 4 h"),
        (numbers.duration(-3), "0 s"),
        (numbers.size(999), "999 B"),
        (numbers.size(1_500_000), "1.5 MB"),
        (numbers.clock("2026-01-31T12:03:09.123Z"), "12:03:09"),
        (numbers.day_and_clock("2026-01-31T12:03:09+00:00"), "2026-01-31 12:03"),
        (numbers.brand("sport_bild"), "Sport Bild"),
    ],
)
def test_shown(shown: str, expected: str) -> None:
    assert shown == expected


def test_nothing_is_a_dash_and_not_zero() -> None:
    """Catches an empty database that looks like one where nothing happens."""
    assert numbers.count(None) == numbers.rate(None) == numbers.milliseconds(None) == DASH
    assert numbers.share(None) == numbers.duration(None) == numbers.size(None) == DASH
    assert numbers.clock(None) == numbers.day_and_clock(None) == DASH
