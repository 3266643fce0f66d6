"""The dashboard's API as an application.

Belongs here: which readings stand behind which routes, errors as answers, who may ask. Does not belong here: routes and
numbers.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse

from media_analytics.dashboard.answers import Ready
from media_analytics.dashboard.api import articles as article_routes
from media_analytics.dashboard.api import docs
from media_analytics.dashboard.api import health as health_routes
from media_analytics.dashboard.api import letters as letter_routes
from media_analytics.dashboard.api import live as live_routes
from media_analytics.dashboard.api import metrics as metric_routes
from media_analytics.dashboard.api import proofs as proof_routes
from media_analytics.dashboard.api import reports as report_routes
from media_analytics.dashboard.api import streams as stream_routes
from media_analytics.dashboard.api.etag import Etag
from media_analytics.dashboard.reading.articles import Articles
from media_analytics.dashboard.reading.health import Health
from media_analytics.dashboard.reading.letters import Letters
from media_analytics.dashboard.reading.live import Live
from media_analytics.dashboard.reading.messages import Messages
from media_analytics.dashboard.reading.metrics import Metrics
from media_analytics.dashboard.reading.minutes import Minutes
from media_analytics.dashboard.reading.proofs import Proofs
from media_analytics.dashboard.reading.recent import RecentReader
from media_analytics.dashboard.reading.reports import ReportReader
from media_analytics.dashboard.reading.streams import Streams
from media_analytics.dashboard.reading.tables import Tables
from media_analytics.errors import MediaAnalyticsError, SettingsError
from media_analytics.page_guard import App, PageGuard, hosts_of
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.dagster_api import DagsterApi
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.minute_files import MinuteFiles
from media_analytics.resources.registry import SchemaRegistry
from media_analytics.settings import Settings

COOKIE = "media_analytics_api"


def create_app(settings: Settings) -> App:
    """The API behind its guard. Stores are asked at the first request.

    Raises:
        SettingsError: the dashboard's address or token is not set.
    """
    url, token = settings.dashboard.url, settings.dashboard.token
    if url is None or token is None:
        raise SettingsError(
            "the dashboard's API needs an address and a token: set MEDIA_ANALYTICS_DASHBOARD__URL and "
            "MEDIA_ANALYTICS_DASHBOARD__TOKEN"
        )
    reader = ClickHouse(settings, as_reader=True)
    app = FastAPI(
        title="media-analytics dashboard",
        docs_url=None,
        redoc_url=None,
        version="1",
        description="What the platform shows: live numbers, reports, minute analysis, streams, dead letters, proofs.",
    )
    kafka = KafkaLog(settings)
    streams = Streams(kafka, SchemaRegistry(settings))
    files = MinuteFiles(settings)
    live, recent = Live(reader, settings.brands), RecentReader(reader)
    app.include_router(live_routes.router(live, recent, Minutes(files)))
    app.include_router(report_routes.router(ReportReader(reader, settings.brands)))
    app.include_router(article_routes.router(Articles(reader), tuple(settings.brands)))
    log = DeltaLog(settings)
    proofs, tables = Proofs(log), Tables(log, reader, files)
    app.include_router(proof_routes.router(proofs, tables))
    dagster = DagsterApi(settings, metric_routes.DAGSTER_SECONDS)
    app.include_router(metric_routes.router(Metrics(streams, tables, proofs, dagster, settings.home)))
    app.include_router(health_routes.router(Health(log, DagsterApi(settings, health_routes.DAGSTER_SECONDS))))
    app.include_router(letter_routes.router(Letters(settings, log)))
    app.include_router(stream_routes.router(streams, Messages(settings, kafka)))
    _add_docs(app)
    _add_health(app, lambda: bool(reader.rows("SELECT 1")))

    @app.exception_handler(MediaAnalyticsError)
    def explain(request: Request, error: MediaAnalyticsError) -> JSONResponse:
        """A store that does not answer is no fault of the request."""
        return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "5"})

    cookie = f"{COOKIE}_{urlsplit(url).port or 0}"
    return PageGuard(
        Etag(app),
        token.get_secret_value(),
        hosts_of(url),
        cookie,
        open_paths=("/ping",),
        number_paths=(metric_routes.PATH,),
    )


def _add_docs(app: FastAPI) -> None:
    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def described() -> str:
        """What this API answers, for people."""
        return docs.page(app.openapi())


def _add_health(app: FastAPI, store_answers: Callable[[], bool]) -> None:
    @app.get("/ping", tags=["health"])
    def ping() -> dict[str, str]:
        """The process lives. Needs no token."""
        return {"status": "ok"}

    @app.get("/ready", tags=["health"])
    def ready() -> Ready:
        """Whether numbers can be read. 503 when not."""
        return Ready(is_ready=store_answers())
