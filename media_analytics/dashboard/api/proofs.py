"""Routes of completeness and freshness.

Belongs here: paths, parameters. Does not belong here: what tables say (`reading/`).
"""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analytics.dashboard.answers import Complete, MinuteOfTopic, Page, TableNow
from media_analytics.dashboard.api.parameters import Cursor, Limit, number, part
from media_analytics.dashboard.reading.proofs import MOST_HOURS, Proofs
from media_analytics.dashboard.reading.tables import Tables

Hours = Annotated[int, Query(ge=1, le=MOST_HOURS, description="How far back.")]


def router(proofs: Proofs, tables: Tables) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter()

    @routes.get("/v1/completeness", tags=["completeness"])
    def complete(hours: Hours = 24) -> Complete:
        """Whether every offset of the judged minutes is one row in each store, or a dead letter."""
        return proofs.complete(hours)

    @routes.get("/v1/completeness/minutes", tags=["completeness"])
    def list_minutes(
        topic: str | None = None, hours: Hours = 24, limit: Limit = 100, cursor: Cursor = None
    ) -> Page[MinuteOfTopic]:
        """Judged minutes of each topic and partition, the newest first."""
        return proofs.minutes(topic, hours, limit, number(cursor, 0))

    @routes.get("/v1/freshness", tags=["freshness"])
    def list_tables(limit: Limit = 200, cursor: Cursor = None) -> Page[TableNow]:
        """How old the newest data of each table is, the late ones first."""
        return part(tables.now(), limit, cursor)

    return routes
