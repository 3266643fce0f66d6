"""When a touched date is reported."""

from datetime import UTC, date, datetime, timedelta

from media_analytics.automation.debounce import DATES_PER_TICK, Debounce, load
from media_analytics.settings import Automation

RULES = Automation(open_date_interval_seconds=900, closed_date_delay_seconds=300)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY, LONG_AGO, TOMORROW = NOW.date(), date(2015, 5, 17), date(2026, 3, 11)
MINUTE = timedelta(minutes=1)


def _due(memory: Debounce, now: datetime) -> list[date]:
    return list(memory.due(now, RULES))


def test_the_open_date_is_due_at_once_and_then_every_15_minutes() -> None:
    memory = Debounce()
    reported = []
    for minute in range(40):
        now = NOW + minute * MINUTE
        memory.arrived(TODAY, 10, now)
        if _due(memory, now):
            reported.append(minute)
    assert reported == [0, 15, 30]


def test_a_closed_date_is_due_5_minutes_after_its_last_arrival() -> None:
    memory = Debounce()
    for minute in range(10):
        memory.arrived(LONG_AGO, 1, NOW + minute * MINUTE)
        assert _due(memory, NOW + minute * MINUTE) == []
    last = NOW + 9 * MINUTE
    assert _due(memory, last + 4 * MINUTE) == []
    assert memory.due(last + 5 * MINUTE, RULES)[LONG_AGO].rows == 10
    assert _due(memory, last + 60 * MINUTE) == []


def test_the_open_date_becomes_a_closed_one_at_midnight() -> None:
    memory = Debounce()
    memory.arrived(TODAY, 1, NOW)
    assert _due(memory, NOW) == [TODAY]
    late = datetime(2026, 3, 10, 23, 59, tzinfo=UTC)
    memory.reported[TODAY] = late - MINUTE
    memory.arrived(TODAY, 1, late)
    assert _due(memory, late) == []
    assert _due(memory, late + 5 * MINUTE) == [TODAY]


def test_tomorrow_waits_until_it_is_a_partition() -> None:
    """A report for a partition that does not exist is dropped by Dagster without a word."""
    memory = Debounce()
    memory.arrived(TOMORROW, 1, NOW)
    assert _due(memory, NOW + timedelta(hours=11)) == []
    assert _due(memory, NOW + timedelta(hours=13)) == [TOMORROW]


def test_many_years_are_reported_over_several_ticks_and_survive_the_cursor() -> None:
    memory = Debounce()
    days = [LONG_AGO + timedelta(days=n) for n in range(450)]
    for day in days:
        memory.arrived(day, 1, NOW)
    reported: list[date] = []
    for _ in range(4):
        found = _due(memory, NOW + 6 * MINUTE)
        assert len(found) <= DATES_PER_TICK
        reported += found
        memory = load(memory.model_dump_json())
    assert reported == days


def test_a_state_is_said_when_it_changes_and_repeated_rarely() -> None:
    memory = Debounce()
    said = [
        memory.is_time_for("lag", value, NOW + seconds * timedelta(seconds=1), 5 * MINUTE)
        for seconds, value in ((0, "True"), (30, "True"), (60, "False"), (90, "False"), (400, "False"))
    ]
    assert said == [True, False, True, False, True]


def test_an_hour_is_reported_when_rows_came_and_not_because_time_passed() -> None:
    """Otherwise a stream that stopped would look fresh until the hour ends."""
    memory, hour = Debounce(), "2026-03-10T12"
    memory.written_hours.add(hour)
    assert memory.due_hours(hour, NOW, 5 * MINUTE) == [hour]
    assert memory.due_hours(hour, NOW + 30 * MINUTE, 5 * MINUTE) == []
    memory.written_hours.add(hour)
    assert memory.due_hours(hour, NOW + 4 * MINUTE, 5 * MINUTE) == []
    assert memory.due_hours(hour, NOW + 5 * MINUTE, 5 * MINUTE) == [hour]
    memory.written_hours.add(hour)
    assert memory.due_hours("2026-03-10T13", NOW + 6 * MINUTE, 5 * MINUTE) == [hour]
