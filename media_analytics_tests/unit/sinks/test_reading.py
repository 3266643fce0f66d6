"""What is read and not stored yet."""

from dataclasses import dataclass

from streaming.sinks.bounds import Bounds
from streaming.sinks.reading import Reading


@dataclass
class AMessage:
    """A message with a place."""

    at: tuple[int, int]

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def value(self) -> bytes:
        return b"1234"


def reading(*places: tuple[int, int], starts: dict[int, int] | None = None) -> Reading:
    made = Reading("user.latest", "abc", starts or {0: 0, 1: 100})
    for place in places:
        made.add(AMessage(place))
    return made


def test_a_range_begins_where_the_last_ended_and_ends_behind_its_last_message() -> None:
    """Gaps are transaction markers: they belong to the range they precede."""
    made = reading((0, 3), (0, 7), (1, 100))
    assert made.batch().bounds.ranges == {0: (0, 8), 1: (100, 101)}
    assert made.size_bytes == 12


def test_the_end_of_the_log_moves_positions_but_no_range() -> None:
    """A range that ended at a marker could never be replayed: no message stands there."""
    made = reading((0, 3))
    made.reached_end(0, 9)
    made.reached_end(1, 105)
    batch = made.batch()
    assert batch.bounds.ranges == {0: (0, 4)}
    made.done(batch)
    assert made.stored == {0: 9, 1: 105}
    made.add(AMessage((0, 9)))
    assert made.batch().bounds.ranges == {0: (9, 10)}


def test_the_end_never_moves_a_position_back() -> None:
    made = reading((0, 20))
    made.reached_end(0, 5)
    assert made.positions[0] == 21


def test_a_replay_takes_its_part_and_leaves_the_rest() -> None:
    made = reading((0, 0), (0, 4), (0, 5), (1, 100), (1, 101))
    announced = Bounds("user.latest", "abc", {0: (0, 5)})
    part = made.part(announced)
    assert [m.at for m in part.messages] == [(0, 0), (0, 4)]
    made.done(part)
    assert [m.at for m in made.messages] == [(0, 5), (1, 100), (1, 101)]
    assert made.batch().bounds.ranges == {0: (5, 6), 1: (100, 102)}
    assert made.size_bytes == 12
