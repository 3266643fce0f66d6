"""Where a writer of bronze goes on: the place is in the table, in the note of each commit.

Belongs here: the note, the rules that keep a start from losing or repeating records, the errors that
name the fix. Does not belong here: reading records (`source`), writing them (`batches`). The stream is one
writer; micro-batches (`media_analytics.micro_batches`) are others, each under an application of its own.

Each batch has a number that grows by one for ever, whatever process writes it; it is the version of the
Delta transaction, so a lost or fresh checkpoint can never make a batch look like one that was written
before.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable

from media_analytics.errors import DataLossError
from spark_jobs import io

APPLICATION = "user_events_stream"
_BATCH_PREFIX = "user_events-"


def batch_id(number: int) -> str:
    """The `batch_id` of the rows of a batch; text that sorts like its number."""
    return f"{_BATCH_PREFIX}{number:012d}"


@dataclass(frozen=True)
class Bounds:
    """One batch: its number and, per partition of the topic, the first offset and the one after the last.

    A partition that is missing in `first` was added while the batch was read, which begins it at 0.
    """

    number: int
    topic_id: str
    first: Mapping[int, int]
    end: Mapping[int, int]

    def note(self, application: str = APPLICATION, **more: Any) -> str:
        """What the commit carries. It says all a later start needs."""
        bounds = {
            "stream": application,
            "batch": self.number,
            "topic_id": self.topic_id,
            "first": {str(p): o for p, o in sorted(self.first.items())},
            "end": {str(p): o for p, o in sorted(self.end.items())},
        }
        return json.dumps(bounds | more)


def of_note(note: Mapping[str, Any], application: str = APPLICATION) -> Bounds | None:
    """The bounds a note carries, or None when it is not of this writer."""
    if note.get("stream") != application:
        return None
    return Bounds(
        int(note["batch"]),
        str(note["topic_id"]),
        {int(p): int(o) for p, o in note["first"].items()},
        {int(p): int(o) for p, o in note["end"].items()},
    )


def fix(offsets: str) -> str:
    """What to do; `offsets` is JSON or the word for it."""
    return (
        "Nothing was changed. When you know where to go on, stop the stream, run "
        f"`python -m spark_jobs.jobs.user_events_stream --go-on-at '{offsets}'` and start it again."
    )


# What to do, given the offsets to go on at.
Fix = Callable[[str], str]


def last_batch(path: str, application: str = APPLICATION, fix: Fix = fix) -> Bounds | None:
    """The bounds of the last batch in a table, or None when the application never wrote to it.

    Raises:
        DataLossError: it did write, but the log does not say where it stopped.
    """
    # Nearly always the newest commit says it.
    for limit in (1, 20, None):
        for _, note in io.notes(path, limit):
            if found := of_note(note, application):
                return found
    number = io.transaction_version(path, application)
    if number is None and DeltaTable(io.delta_uri(path)).get_add_actions().num_rows == 0:
        return None
    raise DataLossError(
        f"{path} holds rows, but none of the commits that its log still keeps says where its writer stopped. "
        f"{fix('OFFSETS')}"
    )


def check(
    topic: str,
    topic_id: str,
    last: Bounds | None,
    low: Mapping[int, int],
    high: Mapping[int, int],
    fix: Fix = fix,
) -> None:
    """Refuse a start that would lose or repeat records.

    Raises:
        DataLossError: the topic is another one, or the log no longer holds what comes next.
    """
    if last is None:
        gone = {p: o for p, o in low.items() if o != 0}
        if gone:
            raise DataLossError(
                f"the table is empty, and the log of {topic} begins at {_text(gone)} instead of 0: what stood before "
                f"can no longer be read. {fix(_text(dict(low)))}"
            )
        return
    if last.topic_id != topic_id:
        raise DataLossError(
            f"the table was filled from topic {topic} with id {last.topic_id}; the topic was created again with id "
            f"{topic_id}. {fix(_text(dict.fromkeys(high, 0)))}"
        )
    above = {p: o for p, o in last.end.items() if p not in high or o > high[p]}
    if above:
        raise DataLossError(
            f"the table holds {topic} up to {_text(above)}, above the log's end {_text(dict(high))}: the log lost "
            f"records or is another one. {fix(_text(dict(high)))}"
        )
    expired = {p: low[p] - o for p, o in last.end.items() if o < low[p]}
    if expired:
        raise DataLossError(
            f"offsets of {topic} expired before they were read, per partition: {_text(expired)}. "
            f"{fix(_text({p: max(low[p], o) for p, o in last.end.items()}))}"
        )


def next_offsets(last: Bounds | None, partitions: Iterable[int]) -> dict[int, int]:
    """The first offset to read of each partition; a partition that is new starts at 0."""
    known = {} if last is None else last.end
    return {p: known.get(p, 0) for p in partitions}


def _text(offsets: Mapping[int, int]) -> str:
    return json.dumps({str(p): o for p, o in sorted(offsets.items())})
