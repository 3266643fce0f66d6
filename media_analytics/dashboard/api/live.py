"""Routes of the live page and of the minute analysis.

Belongs here: paths, parameters, status codes. Does not belong here: numbers (`reading/`).
"""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime

from media_analytics.dashboard.answers import Anomaly, LiveNow, MinuteResult, Page, Taken
from media_analytics.dashboard.api.parameters import Cursor, Limit, instant
from media_analytics.dashboard.api.reports import Brands, People, known
from media_analytics.dashboard.reading.live import Live
from media_analytics.dashboard.reading.minutes import Minutes
from media_analytics.dashboard.reading.recent import RecentAsked, RecentReader
from media_analytics.dashboard.recent_answers import Recent, RecentBy, Window
from media_analytics.resources.dashboard import MINUTES_ROUTE

In = Annotated[Window, Query(description="The last 30 minutes, or the last 24 hours.")]


def router(live: Live, recent: RecentReader, minutes: Minutes) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter()

    @routes.get("/v1/live", tags=["live"])
    def live_now(brand: Brands = None, who: People = "human") -> LiveNow:
        """What is read now: readers, articles, events a second, latency."""
        return live.now(known(live.brands, brand), who)

    @routes.get("/v1/live/{by}", tags=["live"])
    def recently(by: RecentBy, window: In = "30m", brand: Brands = None, who: People = "human") -> Recent:
        """What was read in the last 30 minutes or 24 hours, by article, section, source, country or brand; videos."""
        return recent.recent(RecentAsked(by, window, known(live.brands, brand), who))

    @routes.post(MINUTES_ROUTE, status_code=202, tags=["interactions"])
    def push_minute(result: MinuteResult) -> Taken:
        """Take the result of a closed minute. Sent again it replaces itself."""
        return Taken(window_start=result.window_start, is_new=minutes.push(result))

    @routes.get("/v1/interactions/minutes", tags=["interactions"])
    def list_minutes(limit: Limit = 60, cursor: Cursor = None) -> Page[MinuteResult]:
        """Results of closed minutes, the newest first."""
        return minutes.page(limit, instant(cursor))

    @routes.get("/v1/interactions/minutes/{minute}", tags=["interactions"])
    def one_minute(minute: AwareDatetime) -> MinuteResult:
        """The result of the minute that holds an instant."""
        found = minutes.one(minute)
        if found is None:
            raise HTTPException(404, f"{minute.isoformat()} has no result")
        return found

    @routes.get("/v1/interactions/anomalies", tags=["interactions"])
    def list_anomalies(limit: Limit = 60, cursor: Cursor = None) -> Page[Anomaly]:
        """Risen error rates of the newest 24 hours of results, the newest first."""
        return minutes.anomalies(limit, instant(cursor))

    return routes
