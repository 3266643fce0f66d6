"""Route of the platform's metrics.

Belongs here: path, form of the answer. Does not belong here: which numbers there are (`reading/metrics.py`).
"""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from media_analytics.dashboard.reading.metrics import Metrics
from media_analytics.exposition import CONTENT_TYPE

PATH = "/metrics"
# Less than Prometheus waits for an answer.
DAGSTER_SECONDS = 5.0


def router(metrics: Metrics) -> APIRouter:
    """The route over these numbers."""
    routes = APIRouter(tags=["health"])

    @routes.get(PATH, response_class=PlainTextResponse)
    def numbers() -> PlainTextResponse:
        """Lag, freshness, completeness, failed checks, heartbeats of daemons and free disk, for Prometheus."""
        return PlainTextResponse(metrics.text(), media_type=CONTENT_TYPE)

    return routes
