"""The clock rule of live events.

Belongs here: when a client's clock is not believed. Does not belong here: times that are rejected (`validation.py`).
All times are microseconds since 1970-01-01 UTC.
"""

from typing import NamedTuple

MICROSECONDS = 1_000_000
MOST_AHEAD = 5 * 60 * MICROSECONDS
MOST_BEHIND = 7 * 24 * 3600 * MICROSECONDS


class Occurrence(NamedTuple):
    """When the event counts, what the client said if that differs, and whether it was corrected."""

    occurred_at: int
    client_occurred_at: int | None
    is_corrected: bool


def corrected(occurred_at: int, received_at: int, origin: str) -> Occurrence:
    """A live event more than 5 min ahead of or 7 days behind its receipt takes the time of receipt."""
    if origin == "live" and not -MOST_BEHIND <= occurred_at - received_at <= MOST_AHEAD:
        return Occurrence(received_at, occurred_at, True)
    return Occurrence(occurred_at, None, False)
