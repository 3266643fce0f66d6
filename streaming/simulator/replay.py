"""Replays a file of clickstream items to a collector.

Belongs here: reading the two forms of file and sending their items unchanged. Does not belong here: what an item means.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from media_analytics.errors import MediaAnalyticsError
from streaming.sender.pace import FRAME_BYTES, at_once, keep_rate, sized
from streaming.sender.post import Poster

# The collector's limits.
_ITEMS = 1000
_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ReplayResult:
    """What was replayed. `unreadable` lines are not JSON and were not sent."""

    accepted: int
    rejected: int
    unreadable: int
    seconds: float


def replay(
    path: Path,
    url: str,
    key: str | None,
    brand: str | None,
    rate: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ReplayResult:
    """Send a file of clickstream items (a JSON array, or one object a line) to `/v1/clickstream` of a collector.

    Raises:
        MediaAnalyticsError: no such file, or an array that is not JSON.
        ServiceError: the collector is away or refuses.
    """
    began = time.monotonic()
    items, unreadable = read_items(path)
    accepted = rejected = sent = 0
    target = "/v1/clickstream" + (f"?brand={quote(brand)}" if brand else "")
    with Poster(url, key) as poster:
        for batch in sized(iter(items), 1000 if rate is None else at_once(rate), 1024 * 1024 - FRAME_BYTES):
            keep_rate(rate, sent, began)
            reply = poster.post(target, b"[" + b",".join(batch) + b"]")
            accepted += reply.accepted
            rejected += reply.rejected
            sent += len(batch)
            if progress is not None:
                progress(sent, len(items))
    return ReplayResult(accepted, rejected, unreadable, time.monotonic() - began)


def read_items(path: Path) -> tuple[list[bytes], int]:
    """The JSON items of a file, and how many lines are not JSON.

    Raises:
        MediaAnalyticsError: no such file, or an array that is not JSON.
    """
    if not path.is_file():
        raise MediaAnalyticsError(f"{path} is not a file; give a JSON array or one JSON object a line")
    data = path.read_bytes()
    if data.lstrip()[:1] == b"[":
        try:
            return [bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])], 0
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MediaAnalyticsError(f"{path} is not a JSON array: {error}") from error
    items: list[bytes] = []
    unreadable = 0
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            unreadable += 1
        else:
            items.append(line.strip())
    return items, unreadable
