"""Numbers and times as people read them."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from media_analytics.dashboard.page import numbers

DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.count(1_234_567), "1,234,567"),
        (numbers.count(0), "0"),
        (numbers.exact(1_234.5), "1,234.5"),
        (numbers.exact(1_200), "1,200"),
        (numbers.exact(0.12345), "0.123"),
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
        (numbers.clock("2026-01-31T12:03:09.123Z", UTC), "12:03:09"),
        (numbers.clock("2026-01-31T12:03:09Z", ZoneInfo("Asia/Kolkata")), "17:33:09"),
        (numbers.day_and_clock("2026-01-31T12:03:09+00:00", UTC), "2026-01-31 12:03"),
        (numbers.day_and_clock("2026-01-31T23:30:00Z", ZoneInfo("Europe/Berlin")), "2026-02-01 00:30"),
        (numbers.month("2026-01-01"), "Jan 2026"),
        (numbers.month_before("2026-01-01"), "2025-12-01"),
        (numbers.change_from(12.0, 10.0), pytest.approx(0.2)),
        (numbers.change_from(12.0, 0.0), None),
        (numbers.change_from(None, 10.0), None),
        (numbers.brand("sport_bild"), "Sport Bild"),
        (numbers.measure(12_345, "count"), "12,345"),
        (numbers.measure(12.5, "count"), "12.5"),
        (numbers.measure(0.251, "share"), "25.10 %"),
        (numbers.measure(42.26, "seconds"), "42.3 s"),
        (numbers.measure(185, "seconds"), "3 min 5 s"),
        (numbers.measure(1.234, "ratio"), "1.23"),
        (numbers.measure(12_345.67, "hours"), "12,345.7 h"),
        (numbers.measure(1_234.5, "euros"), "1,234.50 \N{EURO SIGN}"),
        (numbers.measure(1.5, "gigabytes"), "1.5 GB"),
        (numbers.change(0.0424), "+4.2 %"),
        (numbers.change(-1), "-100.0 %"),
        (numbers.change(11), "12 times"),
        (numbers.word("home_page"), "Home page"),
        (numbers.word("Google News"), "Google News"),
        (numbers.word("tv"), "TV"),
        (numbers.country("DE"), "Germany"),
        (numbers.country("GB"), "Britain (UK)"),
        (numbers.country("unknown"), "Unknown"),
        (numbers.country("XX"), "XX"),
        (numbers.days("2026-01-05", "2026-01-31"), "5 Jan 2026 to 31 Jan 2026"),
        (numbers.days("2026-01-05", "2026-01-05"), "5 Jan 2026"),
    ],
)
def test_shown(shown: str, expected: str) -> None:
    assert shown == expected


def test_nothing_is_a_dash_and_not_zero() -> None:
    """Catches an empty database that looks like one where nothing happens."""
    assert numbers.count(None) == numbers.rate(None) == numbers.milliseconds(None) == DASH
    assert numbers.share(None) == numbers.duration(None) == numbers.size(None) == DASH
    assert numbers.measure(None, "share") == numbers.exact(None) == numbers.change(None) == DASH
    assert numbers.clock(None, UTC) == numbers.day_and_clock(None, UTC) == DASH
