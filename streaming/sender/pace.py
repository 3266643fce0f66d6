"""How much is sent at once, and when.

Belongs here: sizes of requests and waiting for a rate. Does not belong here: what is sent.
"""

import time
from collections.abc import Iterator

ITEMS_AT_ONCE = 500
# Room for the brackets around the items of a request.
FRAME_BYTES = 1024
TICK_SECONDS = 0.2


def sized(items: Iterator[bytes], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    """Lists of at most `most` items and `most_bytes` bytes; a longer item stands alone."""
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (len(batch) >= most or size + len(item) > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield batch


def at_once(rate: float) -> int:
    """Items of a request so that a second has about five of them."""
    return max(1, min(ITEMS_AT_ONCE, int(rate * TICK_SECONDS)))


def keep_rate(rate: float | None, items: int, began: float) -> None:
    """Wait until so many items may have been sent."""
    if rate is not None:
        time.sleep(max(0.0, items / rate - (time.monotonic() - began)))
