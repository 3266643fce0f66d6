"""Where the stream may start."""

import json

import pytest

from media_analytics.errors import DataLossError
from spark_jobs.user_events import positions
from spark_jobs.user_events.positions import Bounds

TOPIC, ID = "user.latest", "topic-id"
LAST = Bounds(7, ID, {0: 10, 1: 0}, {0: 25, 1: 4})
LOW, HIGH = {0: 0, 1: 0}, {0: 30, 1: 4}


def test_note_carries_everything_a_start_needs() -> None:
    assert positions.of_note(json.loads(LAST.note(maintenance="compact"))) == LAST
    assert positions.of_note({"run_id": "somebody else's"}) is None


def test_start_after_the_last_batch_with_a_new_partition() -> None:
    positions.check(TOPIC, ID, LAST, LOW | {2: 0}, HIGH | {2: 9})
    assert positions.next_offsets(LAST, [0, 1, 2]) == {0: 25, 1: 4, 2: 0}
    assert positions.next_offsets(None, [0, 1]) == {0: 0, 1: 0}


def test_batches_sort_like_their_numbers() -> None:
    assert sorted([positions.batch_id(10), positions.batch_id(9)]) == [
        positions.batch_id(9),
        positions.batch_id(10),
    ]


@pytest.mark.parametrize(
    ("topic_id", "last", "low", "high", "says"),
    [
        ("other", LAST, LOW, HIGH, "created again with id other"),
        (ID, LAST, LOW, {0: 24, 1: 4}, "above the log's end"),
        (ID, LAST, LOW, {0: 30}, "above the log's end"),
        (ID, LAST, {0: 26, 1: 0}, HIGH, r'expired before they were read, per partition: {"0": 1}'),
        (ID, None, {0: 3, 1: 0}, HIGH, "begins at"),
    ],
)
def test_start_that_would_lose_or_repeat_is_refused_with_the_fix(topic_id, last, low, high, says) -> None:
    with pytest.raises(DataLossError) as error:
        positions.check(TOPIC, topic_id, last, low, high)
    assert says in str(error.value)
    assert "--go-on-at" in str(error.value)
