"""Which range is due and in which hours it lies, on a log whose offsets the test sets."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from media_analytics.automation.micro_batches import HOURS_PER_RUN, Memory, bounded, hours_of

NOW = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEPT = timedelta(days=7)
# Partition -> hour of each record, as hours before the current one, oldest first.
logs = st.dictionaries(
    st.integers(0, 3),
    st.lists(st.integers(0, 7 * 24), max_size=30).map(lambda ages: sorted(ages, reverse=True)),
    min_size=1,
)


def hour(age: int) -> datetime:
    return NOW.replace(minute=0) - age * HOUR


def offsets_at(log: Mapping[int, list[int]], instant: datetime) -> dict[int, int]:
    return {p: sum(hour(age) < instant for age in ages) for p, ages in log.items()}


@given(log=logs, data=st.data())
def test_the_hours_of_a_range_hold_all_its_records(log: Mapping[int, list[int]], data: st.DataObject) -> None:
    """Would catch a run that writes rows into hours it does not name, and a range that leaves records out for ever."""
    begin = {p: data.draw(st.integers(0, len(ages))) for p, ages in log.items()}
    ends = {p: len(ages) for p, ages in log.items()}
    if begin == ends:
        return
    first, last, end = hours_of(begin, ends, lambda instant: offsets_at(log, instant), NOW, KEPT)
    taken = [hour(age) for p, ages in log.items() for age in ages[begin[p] : end[p]]]
    assert taken, "each run takes something"
    assert min(taken) == first
    assert max(taken) <= last
    assert (last - first) // HOUR < HOURS_PER_RUN
    waiting = [hour(age) for p, ages in log.items() for age in ages[end[p] :]]
    assert all(later > last for later in waiting), "what waits is later than what is taken"


@given(
    log=st.dictionaries(st.integers(0, 5), st.tuples(st.integers(0, 500), st.integers(0, 500))),
    most=st.integers(6, 300),
)
def test_a_range_is_bounded_and_goes_as_far_as_it_may(log: Mapping[int, tuple[int, int]], most: int) -> None:
    """Would catch a run without a limit, and a partition that starves behind a long one."""
    begin = {p: first for p, (first, _) in log.items()}
    ends = {p: first + more for p, (first, more) in log.items()}
    end = bounded(begin, ends, most)
    taken = {p: end[p] - begin[p] for p in end}
    assert sum(taken.values()) == min(most, sum(more for _, more in log.values()))
    assert all(0 <= taken[p] <= more for p, (_, more) in log.items())
    assert all(taken[p] > 0 for p, (_, more) in log.items() if more)


def test_a_table_that_does_not_move_is_tried_ever_more_rarely() -> None:
    """Would catch a failing run at every tick, and a table that is never tried again."""
    memory = Memory()
    tried = [n for n in range(120) if memory.may_try("t", {0: 5}, NOW + timedelta(minutes=n))]
    assert tried == [0, 1, 3, 7, 15, 30, 45, 60, 75, 90, 105]
    assert memory.may_try("t", {0: 6}, NOW + timedelta(minutes=120)), "it moved: at once"
