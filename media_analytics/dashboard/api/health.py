"""Routes of the health of data.

Belongs here: paths, parameters. Does not belong here: what Dagster and the ledger say (`reading/`).
"""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analytics.dashboard.answers import Page
from media_analytics.dashboard.api.parameters import Cursor, Limit, part
from media_analytics.dashboard.health_answers import CheckNow, RestatementNow
from media_analytics.dashboard.reading.health import MOST_DAYS, Health

# Less than a page waits for an answer.
DAGSTER_SECONDS = 10.0
Days = Annotated[int, Query(ge=1, le=MOST_DAYS, description="How far back a change was recorded.")]


def router(health: Health) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter(prefix="/v1", tags=["data health"])

    @routes.get("/checks")
    def list_checks(limit: Limit = 500, cursor: Cursor = None) -> Page[CheckNow]:
        """The newest verdict of every check of a table, those that failed first."""
        return part(health.checks(), limit, cursor)

    @routes.get("/restatements")
    def list_restatements(days: Days = 30, limit: Limit = 100, cursor: Cursor = None) -> Page[RestatementNow]:
        """Numbers that changed after their date was published, the newest change first."""
        return part(health.restatements(days), limit, cursor)

    return routes
