"""Which offsets one insert holds, and how that is remembered.

Belongs here: bounds of a flush, the token made of them, the metadata of the committed offset. Does not belong here:
Kafka calls. The bounds decide the token, and a replay after a crash has the same bounds, so the store drops what it
has already.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """Half-open offset range of each partition in one insert; partitions without messages are left out."""

    topic: str
    topic_id: str
    ranges: Mapping[int, tuple[int, int]]

    @property
    def token(self) -> str:
        """`<topic>/<topic id>/<partition>:<first>-<end>,...`: the deduplication token of the insert."""
        spans = ",".join(f"{p}:{first}-{end}" for p, (first, end) in sorted(self.ranges.items()))
        return f"{self.topic}/{self.topic_id}/{spans}"


def intent(bounds: Bounds, positions: Mapping[int, int], has_rows: bool) -> dict[int, tuple[int, str]]:
    """Offset and metadata to commit for every partition before the insert: first and end of its range.

    A partition without messages gets its position and no end, so an intent of an earlier flush cannot stay.
    """
    found = {}
    for partition, position in positions.items():
        first, end = bounds.ranges.get(partition, (position, None))
        found[partition] = (first, _metadata(bounds.topic_id, has_rows, end))
    return found


def settled(topic_id: str, positions: Mapping[int, int], has_rows: bool) -> dict[int, tuple[int, str]]:
    """Offset and metadata to commit when everything before the positions is in the store."""
    return {p: (offset, _metadata(topic_id, has_rows, None)) for p, offset in positions.items()}


def intended(topic: str, topic_id: str, stored: Mapping[int, tuple[int, Mapping[str, Any]]]) -> Bounds:
    """The bounds of the flush that the committed metadata announces; empty when the last one was settled."""
    ranges = {
        partition: (offset, int(metadata["end"]))
        for partition, (offset, metadata) in stored.items()
        if metadata.get("end") is not None
    }
    return Bounds(topic, topic_id, ranges)


def _metadata(topic_id: str, has_rows: bool, end: int | None) -> str:
    metadata: dict[str, Any] = {"topic_id": topic_id, "has_rows": has_rows}
    if end is not None:
        metadata["end"] = end
    return json.dumps(metadata, separators=(",", ":"))
