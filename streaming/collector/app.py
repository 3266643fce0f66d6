"""Puts the collector together: ingest routes in front, health and documentation behind.

Belongs here: which parts a collector process has and how they start and stop. Does not belong here: what
they do.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response

from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.collector.identity import Visitors
from streaming.collector.server import EVENTS, Ingest
from streaming.collector.writer import KafkaWriter
from streaming.dead_letters.letters import TOPIC as LETTERS
from streaming.tracker import site

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 12.0
_DESCRIPTION = """Sends reader events to the platform. A 2xx answer means: stored and replicated.

`POST /v1/events/user` takes one JSON object or an array of at most 1,000. `POST /v1/clickstream` takes
`{"id", "type", "package_id", "event": {...}}`. `POST /v1/access-log` takes lines of Apache's combined format.
Every answer is `{"accepted", "rejected", "items": [{"index", "event_id", "status", "code", "field",
"message"}]}`.
"""


def create(settings: Settings) -> Ingest:
    """The ASGI application of a collector.

    Raises:
        SettingsError: no visitor key is in force.
        LetterError: the dead letter key is not a Fernet key.
    """
    codecs = {topic: Codec.from_file(topic) for topic in (EVENTS, LETTERS)}
    writer = KafkaWriter(settings, codecs, client_id="collector")
    Visitors(settings.privacy).require_key_in_force()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        writer.start()
        yield
        unsent = writer.stop(_DRAIN_SECONDS)
        log.info("stopped; %d records were not acknowledged", unsent)

    rest = FastAPI(
        title="media-analytics collector", description=_DESCRIPTION, version="1", lifespan=lifespan
    )
    ingest = Ingest(settings, writer, rest)

    @rest.get("/ping")
    async def ping() -> dict[str, str]:
        """Whether the process answers."""
        return {"status": "ok"}

    @rest.get("/ready")
    async def ready(response: Response) -> dict[str, bool | list[str]]:
        """Whether events can be accepted now; 503 with the reasons if not."""
        problems = ingest.problems()
        response.status_code = 503 if problems else 200
        return {"ready": not problems, "problems": list(problems)}

    site.add_routes(rest, settings)
    return ingest
