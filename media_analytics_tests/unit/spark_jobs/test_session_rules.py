"""Dates around dates, and ids, without Spark."""

import uuid
from datetime import UTC, date, datetime

import pytest

from spark_jobs.transforms import sessions
from spark_jobs.transforms.days import around

DAY = date(2026, 3, 10)


def test_around_joins_what_overlaps() -> None:
    assert around([date(2026, 3, 1), date(2026, 3, 3)], 1, 1) == [
        date(2026, 2, 28),
        *(date(2026, 3, n) for n in (1, 2, 3, 4)),
    ]


@pytest.mark.parametrize(
    ("clock", "days"),
    [((23, 29, 59, 999_999), [9, 10, 11]), ((23, 30, 0, 0), [9, 10, 11, 12]), ((0, 0, 0, 0), [9, 10, 11])],
)
def test_an_event_from_half_past_eleven_touches_a_fourth_date(clock, days) -> None:
    latest = datetime(2026, 3, 10, *clock, tzinfo=UTC)
    assert sessions.touched_dates(DAY, latest) == [date(2026, 3, n) for n in days]


def test_session_id_is_a_documented_uuid5() -> None:
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:event")
    found = sessions.session_id("bild", "a:v", "00000000-0000-0000-0000-000000000001")
    assert found == str(uuid.uuid5(namespace, "bild|a:v|00000000-0000-0000-0000-000000000001"))
