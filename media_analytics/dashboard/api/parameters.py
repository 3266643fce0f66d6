"""Parameters that several routes share.

Belongs here: how long a part of a list may be, cursors that are instants or numbers. Does not belong here: routes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import HTTPException, Query

from media_analytics.dashboard.answers import Page

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="Items of a part at most.")]
Cursor = Annotated[
    str | None, Query(max_length=100, description="`next` of the part before; left out for the first.")
]


def instant(cursor: str | None) -> datetime | None:
    """The instant a cursor means.

    Raises:
        HTTPException: 422, it is none.
    """
    if cursor is None:
        return None
    try:
        found = datetime.fromisoformat(cursor)
    except ValueError:
        raise HTTPException(422, f"cursor is {cursor!r}; expected an instant in ISO 8601") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def number(cursor: str | None, otherwise: int) -> int:
    """The number from 0 that a cursor means.

    Raises:
        HTTPException: 422, it is none.
    """
    if cursor is None:
        return otherwise
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 19:
        raise HTTPException(422, f"cursor is {cursor!r}; expected a number")
    return int(cursor)


def part(items: Sequence[T], limit: int, cursor: str | None) -> Page[T]:
    """A part of a short list; its cursor is a place in the list."""
    start = number(cursor, 0)
    end = start + limit
    return Page(items=list(items[start:end]), next=str(end) if end < len(items) else None)
