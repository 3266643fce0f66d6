"""Which minutes are closed, which a run computes, and when the sensor waits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from media_analytics.assets.extracts.minutes import MinutesConfig, wanted_minutes
from media_analytics.assets.results.interactions import seconds_late
from media_analytics.automation import minutes as sensor
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.minute_files import Progress

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = NOON + timedelta(days=1)
HOURS = ("2026-03-10-12:00", "2026-03-10-13:00")


@dataclass
class OneRecordASecond:
    """A topic with one partition and a record every second since noon; a sink that stored some of them."""

    stored: int

    def committed(self, group: str) -> Mapping[str, Mapping[int, int]]:
        assert group == "clickhouse-sink"
        return {"interactions.events": {0: self.stored}, "user.latest": {0: 10**9}}

    def offsets_at(self, topic: str, instant: datetime) -> Mapping[int, int]:
        assert topic == "interactions.events"
        return {0: max(0, int((instant - NOON).total_seconds()))}


@pytest.mark.parametrize(
    ("second", "end"),
    [(60, 0), (119, 0), (120, 1), (179, 1), (180, 2), (3600, 59)],
)
def test_a_minute_closes_60_seconds_after_its_end(second: int, end: int) -> None:
    found = sensor.closed_end(OneRecordASecond(10**6), NOON, NOON + timedelta(seconds=second))
    assert found == NOON + end * MINUTE


@pytest.mark.parametrize(("stored", "largest"), [(0, 0), (59, 0), (60, 1), (600, 10), (3599, 59)])
def test_what_the_sink_has_not_stored_is_not_closed(stored: int, largest: int) -> None:
    """Catches a minute that is judged while its rows are still on their way."""
    end = sensor.closed_end(OneRecordASecond(stored), NOON, NOON + timedelta(hours=1))
    assert end <= NOON + largest * MINUTE
    # Steps grow, so not every closed minute is found at once, but at least half of the way to the newest one is.
    assert end - NOON >= (largest * MINUTE) - timedelta(hours=1) / 2 or end <= NOON


def test_a_partition_without_commits_holds_minutes_open() -> None:
    assert sensor.is_stored({0: 5}, {0: 5, 1: 0})
    assert not sensor.is_stored({0: 5}, {0: 5, 1: 1})


def test_a_run_with_a_range_computes_it() -> None:
    config = MinutesConfig(first="2026-03-10T12:58:00+00:00", last="2026-03-10T13:01:00+00:00")
    expected = [NOON + n * MINUTE for n in (58, 59, 60, 61)]
    assert wanted_minutes(config, HOURS, None, LATER) == expected
    assert wanted_minutes(config, HOURS, Progress(NOON, NOON + 57 * MINUTE), LATER) == expected
    with pytest.raises(MediaAnalyticsError, match="follow each other"):
        wanted_minutes(config, HOURS, Progress(NOON, NOON + 56 * MINUTE), LATER)
    with pytest.raises(MediaAnalyticsError, match="not in the run's hours"):
        wanted_minutes(config, HOURS[:1], None, LATER)


def test_a_run_never_takes_an_open_minute() -> None:
    """Catches a range written by hand that closes a minute whose rows are still coming."""
    config = MinutesConfig(first="2026-03-10T12:00:00+00:00", last="2026-03-10T12:01:00+00:00")
    assert len(wanted_minutes(config, HOURS, None, NOON + 3 * MINUTE)) == 2
    with pytest.raises(MediaAnalyticsError, match="not closed before 2026-03-10T12:03"):
        wanted_minutes(config, HOURS, None, NOON + timedelta(seconds=179))


def test_a_run_of_an_hour_computes_what_has_results() -> None:
    """Catches a backfill that invents results of minutes that are still open, or of a time before the first event."""
    progress = Progress(NOON + 30 * MINUTE, NOON + 70 * MINUTE)
    assert wanted_minutes(MinutesConfig(), HOURS, progress, LATER) == [
        NOON + n * MINUTE for n in range(30, 71)
    ]
    assert wanted_minutes(MinutesConfig(), HOURS, None, LATER) == []


@pytest.mark.parametrize(("after", "late"), [(61, 0), (180, 0), (200, 20)])
def test_late_is_more_than_120_seconds_after_the_minute_closed(after: int, late: int) -> None:
    produced = NOON + MINUTE + timedelta(seconds=after)
    result = {"window_end": (NOON + MINUTE).isoformat(), "produced_at": produced.isoformat()}
    assert seconds_late(result) == late


@dataclass
class OldestRow:
    """A store whose oldest row in any range is the one given."""

    at: datetime | None

    def rows(self, sql: str, parameters: Any = None, comment: str = "") -> list[tuple[int, int]]:
        return [(0, 0)] if self.at is None else [(5, int(self.at.timestamp()))]


def test_minutes_before_the_first_event_are_quiet() -> None:
    minutes = [NOON + n * MINUTE for n in range(4)]
    assert sensor.quiet_minutes(OldestRow(None), minutes) == minutes
    assert sensor.quiet_minutes(OldestRow(minutes[2]), minutes) == minutes[:2]
    assert sensor.quiet_minutes(OldestRow(minutes[0]), minutes) == []


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.parametrize(
    ("status", "seconds", "waits"),
    [
        (dg.DagsterRunStatus.STARTED, 3600, "under way"),
        (dg.DagsterRunStatus.STARTING, 10, "under way"),
        (dg.DagsterRunStatus.SUCCESS, 30, "started 30 s ago"),
        (dg.DagsterRunStatus.SUCCESS, 60, None),
        (dg.DagsterRunStatus.FAILURE, 60, "failed 60 s ago"),
        (dg.DagsterRunStatus.FAILURE, 301, None),
    ],
)
def test_one_run_at_a_time_one_a_minute_and_a_pause_after_a_failure(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, seconds: int, waits: str | None
) -> None:
    """Catches two runs that write the same minutes, and a failing run that is started again at every tick."""
    instance.add_run(dg.DagsterRun(job_name="minute_analysis", run_id="r", status=status))
    created = instance.get_run_records(limit=1)[0].create_timestamp.astimezone(UTC)
    reason = sensor.reason_to_wait(instance, created + timedelta(seconds=seconds))
    assert reason is None if waits is None else waits in str(reason)


def test_without_a_run_nothing_waits(instance: dg.DagsterInstance) -> None:
    assert sensor.reason_to_wait(instance, NOON) is None
