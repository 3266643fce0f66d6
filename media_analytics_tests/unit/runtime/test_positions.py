"""When a consumer may start, and that every refusal names its fix."""

from dataclasses import dataclass, field

import pytest
from confluent_kafka import TopicPartition

from media_analytics.errors import DataLossError
from streaming.runtime.positions import Position, Topic, start_positions

TOPIC = Topic("user.raw", "id-1", 2)


@dataclass
class Log:
    """A consumer of a topic with these watermarks and committed offsets."""

    low: int = 0
    high: int = 100
    committed_offsets: dict[int, tuple[int, str]] = field(default_factory=dict)

    def committed(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        nothing = (-1001, "")
        return [
            TopicPartition(a.topic, a.partition, *self.committed_offsets.get(a.partition, nothing))
            for a in asked
        ]

    def get_watermark_offsets(self, where: TopicPartition, timeout: float) -> tuple[int, int]:
        return self.low, self.high


def starts(log: Log, *, is_empty: bool = True) -> list[Position]:
    return start_positions(
        log, TOPIC, [0], group="enricher", is_empty=lambda p: is_empty, output="user.latest"
    )


def test_a_first_start_begins_at_zero() -> None:
    assert starts(Log()) == [Position(0, 0, is_first=True)]


def test_a_later_start_begins_at_the_committed_offset() -> None:
    log = Log(committed_offsets={0: (42, '{"topic_id":"id-1","end":50}')})
    assert starts(log, is_empty=False) == [Position(0, 42, metadata={"topic_id": "id-1", "end": 50})]


@pytest.mark.parametrize("metadata", ["", "text of someone else", "[1]", '{"other": 1}'])
def test_an_offset_set_by_hand_is_taken_as_it_is(metadata: str) -> None:
    assert starts(Log(committed_offsets={0: (42, metadata)}))[0].offset == 42


@pytest.mark.parametrize("offset", [0, 100])
def test_both_ends_of_the_log_are_inside(offset: int) -> None:
    assert starts(Log(committed_offsets={0: (offset, "")}))[0].offset == offset


@pytest.mark.parametrize(
    ("log", "is_empty", "says", "fix"),
    [
        (Log(low=5), True, "log begins at 5", "enricher user.raw 0 OFFSET"),
        (Log(), False, "already holds records", "enricher user.raw 0 OFFSET"),
        (
            Log(committed_offsets={0: (42, '{"topic_id":"id-0"}')}),
            False,
            "created again",
            "enricher user.raw 0 0",
        ),
        (Log(committed_offsets={0: (101, "")}), False, "above the log's end 100", "enricher user.raw 0 100"),
        (Log(low=50, committed_offsets={0: (42, "")}), False, "8 offsets expired", "enricher user.raw 0 50"),
    ],
)
def test_going_on_would_lose_or_repeat(log: Log, is_empty: bool, says: str, fix: str) -> None:
    with pytest.raises(DataLossError) as raised:
        starts(log, is_empty=is_empty)
    assert says in str(raised.value)
    assert f"python -m streaming.runtime.offsets {fix}" in str(raised.value)
