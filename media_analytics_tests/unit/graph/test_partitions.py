"""Days and hours, and which session dates an event touches."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from media_analytics.partitions import Partitions, contiguous, hour_key, session_dates
from media_analytics_tests.builders import settings as builder

DAY = date(2026, 3, 10)


def _days(*offsets: int) -> list[date]:
    return [DAY + timedelta(days=n) for n in offsets]


def test_an_event_touches_the_session_dates_around_it() -> None:
    assert list(session_dates(DAY, datetime(2026, 3, 10, 23, 29, 59, 999999, UTC))) == _days(-1, 0, 1)


def test_an_event_in_the_last_half_hour_touches_one_more() -> None:
    assert list(session_dates(DAY, datetime(2026, 3, 10, 23, 30, tzinfo=UTC))) == _days(-1, 0, 1, 2)


def test_contiguous_ranges() -> None:
    assert contiguous(_days(0, 1, 2, 5)) == [
        (DAY, DAY + timedelta(2)),
        (DAY + timedelta(5), DAY + timedelta(5)),
    ]
    assert contiguous(_days(0, 1, 2, 5), largest_gap_days=2) == [(DAY, DAY + timedelta(5))]
    assert contiguous([]) == []


def test_days_that_are_no_partitions_are_left_out(tmp_path: Path) -> None:
    partitions = Partitions.of(builder.make(tmp_path))
    now = datetime(2026, 3, 10, 0, 5, tzinfo=UTC)
    assert partitions.existing_days([date(1999, 12, 31), date(2000, 1, 1), *_days(-1, 0, 1)], now) == [
        date(2000, 1, 1),
        *_days(-1, 0),
    ]


def test_hours_are_named_as_dagster_names_them(tmp_path: Path) -> None:
    hourly = Partitions.of(builder.make(tmp_path)).hourly
    assert hourly.has_partition_key(hour_key("2026-03-10T07"))
