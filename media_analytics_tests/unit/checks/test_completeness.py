"""The arithmetic of completeness, without any store."""

import bisect
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analytics.checks.completeness import (
    Judged,
    Letters,
    Span,
    StoreView,
    absent_offsets,
    as_ranges,
    closed_through,
    judge,
    last_settled,
    spans,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(minutes=5)
SPAN = Span(START, 0, 10, 19)


class Log:
    """Offsets by append time, one list of times per partition; counts the questions asked."""

    def __init__(self, *partitions: list[float]) -> None:
        self.partitions = [[START + timedelta(seconds=s) for s in sorted(times)] for times in partitions]
        self.asked = 0

    def offsets_at(self, instant: datetime) -> Mapping[int, int]:
        self.asked += 1
        return {p: bisect.bisect_left(times, instant) for p, times in enumerate(self.partitions)}


def _full(span: Span = SPAN, rows: int = 10, distinct: int = 10, reached: int = 19) -> StoreView:
    return StoreView({span.place: rows}, {span.place: distinct}, {span.partition: reached})


def _one(realtime: StoreView, lake: StoreView, letters: Letters | None = None, now: datetime = NOW) -> Judged:
    return judge([SPAN], "user.raw", "id", {"realtime": realtime, "lake": lake}, letters or Letters(), now)[0]


@given(st.lists(st.lists(st.floats(0, 3599), max_size=40), min_size=1, max_size=3))
def test_spans_hold_every_offset_once_in_its_minute(times: list[list[float]]) -> None:
    log = Log(*times)
    found = spans(START, START + timedelta(hours=1), log.offsets_at)
    for partition, appended in enumerate(log.partitions):
        for offset, instant in enumerate(appended):
            holding = [s for s in found if s.partition == partition and s.first <= offset <= s.last]
            assert [s.minute for s in holding] == [instant.replace(second=0, microsecond=0)]
    assert sum(s.count for s in found) == sum(map(len, log.partitions))


def test_a_quiet_week_costs_a_few_questions() -> None:
    """A scan minute by minute would ask 10,080 times."""
    log = Log([30.0, 31.0])
    found = spans(START - timedelta(days=7), START + timedelta(minutes=1), log.offsets_at)
    assert found == [Span(START, 0, 0, 1)]
    assert log.asked < 40


def test_all_rows_once_is_complete() -> None:
    judged = _one(_full(), _full())
    assert judged.is_closed
    assert judged.problems == ()
    assert judged.row["kafka_count"] == 10
    assert (judged.row["missing_realtime"], judged.row["missing_lake"]) == (0, 0)


def test_a_lost_row_is_missing_in_its_store_only() -> None:
    judged = _one(_full(rows=9, distinct=9), _full())
    assert judged.problems == ("missing_realtime",)
    assert judged.row["missing_realtime"] == 1


def test_a_row_inserted_twice_is_a_duplicate() -> None:
    judged = _one(_full(), _full(rows=11))
    assert judged.problems == ("duplicates_lake",)


def test_a_lost_row_and_a_duplicate_do_not_cancel_out() -> None:
    """Rows == kafka_count, so a check that compares counts only would be green."""
    judged = _one(_full(rows=10, distinct=9), _full())
    assert set(judged.problems) == {"missing_realtime", "duplicates_realtime"}


def test_letters_count_once_for_the_stores_they_concern() -> None:
    letters = Letters(enricher=frozenset({(0, 11), (1, 11)}), lake=frozenset({(0, 12), (0, 99)}))
    judged = _one(_full(rows=9, distinct=9), _full(rows=8, distinct=8), letters)
    assert judged.problems == ()
    assert (judged.row["dead_letters_enricher"], judged.row["dead_letters_lake"]) == (1, 1)
    assert judged.row["dead_letters_realtime"] == 0


def test_a_minute_is_open_until_the_store_passed_its_last_offset_and_fails_after_15_minutes() -> None:
    behind = _full(rows=5, distinct=5, reached=14)
    early = _one(_full(), behind)
    assert (early.is_closed, early.problems) == (False, ())
    late = _one(_full(), behind, now=START + timedelta(minutes=16))
    assert late.problems == ("not closed in lake", "missing_lake")


def test_a_letter_for_the_last_offset_closes_the_minute() -> None:
    letters = Letters(enricher=frozenset({(0, 19)}))
    view = _full(rows=9, distinct=9, reached=18)
    assert _one(view, view, letters).problems == ()


def test_a_later_row_closes_the_minute_and_shows_what_is_missing() -> None:
    judged = _one(_full(), _full(rows=9, distinct=9, reached=500))
    assert judged.is_closed
    assert judged.problems == ("missing_lake",)


def test_a_store_the_contract_does_not_name_has_nulls() -> None:
    judged = judge([SPAN], "other", "id", {"lake": _full()}, Letters(), NOW)[0]
    assert judged.row["missing_realtime"] is None
    assert judged.row["dead_letters_realtime"] is None
    assert judged.problems == ()


@pytest.mark.parametrize(
    ("offsets", "text"), [([], ""), ([3], "3"), ([3, 4, 5, 9], "3-5, 9"), ([1, 3, 5], "1, 3 and 1 more")]
)
def test_offsets_are_shown_as_ranges(offsets: list[int], text: str) -> None:
    assert as_ranges(offsets, limit=2) == text


def test_absent_offsets_are_those_without_row_or_letter() -> None:
    letters = Letters(enricher=frozenset({(0, 12)}), realtime=frozenset({(0, 13)}))
    assert absent_offsets(SPAN, [10, 11, 14, 15, 16, 17, 18], letters, "lake") == [13, 19]


def test_closed_through_stops_at_the_first_open_minute() -> None:
    later = Span(START + timedelta(minutes=2), 0, 20, 29)
    judged = judge([SPAN, later], "t", "id", {"lake": _full()}, Letters(), NOW)
    assert closed_through(judged, last_settled(NOW), "lake") == later.minute
    assert last_settled(NOW) == START + timedelta(minutes=4)
