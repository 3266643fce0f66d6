"""Routes of dead letters.

Belongs here: paths, parameters. Does not belong here: what a group is (`media_analytics/dead_letters`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query

from media_analytics.dashboard.answers import (
    LetterGroup,
    Page,
    Repair,
    ReplayNow,
    ReplayStarted,
    Tried,
)
from media_analytics.dashboard.api.parameters import Cursor, Limit, number, part
from media_analytics.dashboard.reading.letters import MOST_DAYS, Letters, TooManyError
from media_analytics.dead_letters.views import LetterView
from streaming.dead_letters.patches import PatchError

Days = Annotated[int, Query(ge=1, le=MOST_DAYS, description="How far back.")]
Code = Annotated[str, Path(pattern="^[0-9a-f]{8}$", description="`group` of a group.")]
# A letter's original is decrypted and masked: few at a time, of the newest of a group.
MOST_LETTERS = 1000
Few = Annotated[int, Query(ge=1, le=50, description="Letters at most.")]


def router(letters: Letters) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

    @routes.get("/groups")
    def list_groups(days: Days = 7, limit: Limit = 100, cursor: Cursor = None) -> Page[LetterGroup]:
        """Groups of letters with the same family, rule, field and producer, most letters first."""
        return part(letters.groups(days), limit, cursor)

    @routes.get("/groups/{code}")
    def list_letters(code: Code, days: Days = 7, limit: Few = 20, cursor: Cursor = None) -> Page[LetterView]:
        """The newest letters of a group, redacted; at most 1,000: the command line lists all."""
        start = min(number(cursor, 0), MOST_LETTERS)
        found = letters.of_group(code, days, min(start + limit, MOST_LETTERS) + 1)[start:]
        is_more = len(found) > limit and start + limit < MOST_LETTERS
        return Page(items=found[:limit], next=str(start + limit) if is_more else None)

    @routes.post("/groups/{code}/trials")
    def try_repair(code: Code, repair: Repair) -> Tried:
        """What a replay of a group would do, with a patch: how many would pass, what would still fail."""
        with _explained():
            return letters.tried(code, repair)

    @routes.post("/groups/{code}/replays", status_code=202)
    def start_replay(code: Code, repair: Repair) -> ReplayStarted:
        """Replay a group, with a patch, as a Dagster run. Twice is the same as once."""
        with _explained():
            return letters.start(code, repair)

    @routes.get("/replays/{run_id}")
    def one_replay(run_id: UUID) -> ReplayNow:
        """How a replay stands."""
        return letters.replay(str(run_id))

    return routes


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (PatchError, TooManyError) as error:
        raise HTTPException(422, str(error)) from error
