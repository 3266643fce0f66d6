"""Puts the collector together: ingest routes in front, health, metrics and documentation behind.

Belongs here: which parts a collector process has and how they start and stop. Does not belong here: what
they do.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from media_analytics.exposition import CONTENT_TYPE
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.families import families
from streaming.collector import openapi
from streaming.collector.identity import Visitors
from streaming.collector.metrics import Metrics
from streaming.collector.server import ROUTES, Ingest
from streaming.collector.writer import KafkaWriter
from streaming.dead_letters.letters import TOPIC as LETTERS
from streaming.tracker import site

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 12.0
_REPORT_SECONDS = 1.0
_USABLE_SECONDS = 20.0
_DESCRIPTION = """Sends reader events to the platform. A 2xx answer means: stored and replicated.

Every answer is {"accepted", "rejected", "items": [{"index", "event_id", "status", "code", "field", "message"}]}.
Bodies are JSON in UTF-8, plain or gzip, at most 1 MiB after decompression; one object or an array of at most 1,000.

Send again whatever was answered 429, 503, 507 or not at all: the same event_id counts once.
"""


def metrics_folder(settings: Settings) -> Path:
    """Where the workers of this collector keep their numbers; another collector of the same home has another port."""
    return settings.home / "run" / f"collector-{urlsplit(settings.collector.url).port or 80}"


def create(settings: Settings, worker: int = 0) -> Ingest:
    """The ASGI application of a collector; `worker` numbers the processes that share its port.

    Raises:
        SettingsError: no visitor key is in force.
        LetterError: the dead letter key is not a Fernet key.
    """
    codecs = {topic: Codec.from_file(topic) for topic in (*(f.topic for f in families().values()), LETTERS)}
    writer = KafkaWriter(settings, codecs, client_id=f"collector-{worker}" if worker else "collector")
    metrics = Metrics(metrics_folder(settings), worker)
    Visitors(settings.privacy).require_key_in_force()

    async def report() -> None:
        while True:
            ingest.tick()
            await asyncio.sleep(_REPORT_SECONDS)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        writer.start()
        reporting = asyncio.create_task(report())
        if worker:
            # The others serve already: this one takes requests when it can keep their events.
            await ingest.usable(_USABLE_SECONDS)
        ingest.is_serving = True
        yield
        reporting.cancel()
        unsent = writer.stop(_DRAIN_SECONDS)
        metrics.leave()
        log.info("stopped; %d records were not acknowledged", unsent)

    # FastAPI's own documentation pages load scripts from elsewhere.
    rest = FastAPI(
        title="media-analytics collector",
        description=_DESCRIPTION,
        version="1",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    ingest = Ingest(settings, writer, metrics, rest)
    _add_health(rest, ingest, metrics)
    _add_documentation(rest, codecs)
    site.add_routes(rest, settings)
    return ingest


def _add_health(rest: FastAPI, ingest: Ingest, metrics: Metrics) -> None:
    @rest.get("/ping")
    async def ping() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @rest.get("/ready", responses={503: {"description": "Not now; the reasons are in the answer."}})
    async def ready(response: Response) -> dict[str, bool | list[str]]:
        """Whether events can be accepted now; 503 with the reasons if not."""
        problems = ingest.problems()
        response.status_code = 503 if problems else 200
        return {"ready": not problems, "problems": list(problems)}

    @rest.get("/metrics", response_class=Response)
    async def numbers() -> Response:
        """What all workers of this port counted, for Prometheus."""
        ingest.report()
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_documentation(rest: FastAPI, codecs: Mapping[str, Codec]) -> None:
    schemas = {name: codecs[family.topic].schema for name, family in families().items()}
    found: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not found:
            found.update(openapi.document(rest.openapi(), ROUTES.values(), schemas))
        return found

    @rest.get("/openapi.json")
    async def description() -> dict[str, Any]:
        """This interface as OpenAPI."""
        return document()

    @rest.get("/docs", response_class=HTMLResponse)
    async def page() -> HTMLResponse:
        """This interface for people."""
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return HTMLResponse(openapi.page(document()), headers={"content-security-policy": policy})
