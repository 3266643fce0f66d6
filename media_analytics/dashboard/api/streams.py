"""Routes of the stream page.

Belongs here: paths, parameters, status codes. Does not belong here: what Kafka and the registry say (`reading/`).
"""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from media_analytics.contracts.model import TopicContract
from media_analytics.contracts.registry import TOPICS
from media_analytics.dashboard.answers import GroupNow, MessageNow, Page, TopicNow, TopicSchemas
from media_analytics.dashboard.api.parameters import Cursor, Limit, number, part
from media_analytics.dashboard.reading.messages import Messages
from media_analytics.dashboard.reading.streams import Streams
from media_analytics.errors import ServiceError

# A message can be 1 MB: few at a time.
Few = Annotated[int, Query(ge=1, le=50, description="Messages of a part at most.")]


def router(streams: Streams, messages: Messages) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter(prefix="/v1/streams", tags=["streams"])

    @routes.get("/topics")
    def list_topics(limit: Limit = 100, cursor: Cursor = None) -> Page[TopicNow]:
        """Topics with their partitions and offsets."""
        return part(streams.topics(), limit, cursor)

    @routes.get("/groups")
    def list_groups(limit: Limit = 100, cursor: Cursor = None) -> Page[GroupNow]:
        """Readers of the topics and how far behind they are, the last one first."""
        return part(streams.groups(), limit, cursor)

    @routes.get("/topics/{topic}/schemas")
    def list_schemas(topic: str) -> TopicSchemas:
        """Versions of a topic's schema and the rule for the next one."""
        return streams.schemas(_known(topic))

    @routes.get("/topics/{topic}/messages")
    def list_messages(
        topic: str,
        partition: Annotated[int, Query(ge=0)] = 0,
        limit: Few = 20,
        cursor: Cursor = None,
    ) -> Page[MessageNow]:
        """Messages of a partition, the newest first, decoded and redacted. `cursor` is the offset after the newest."""
        contract = _known(topic)
        extent = streams.extent(topic).get(partition)
        if extent is None:
            raise HTTPException(404, f"{topic} has no partition {partition}")
        first, end = extent
        end = min(end, number(cursor, end))
        start = max(first, end - limit)
        try:
            items = messages.read(contract, partition, start, end) if start < end else []
        except ServiceError as error:
            # A secured event log lets nobody but the enricher read full addresses.
            if "AUTHORIZATION_FAILED" in str(error) or "uthorization failed" in str(error):
                raise HTTPException(403, f"the dashboard's user may not read {topic}: {error}") from error
            raise
        return Page(items=items, next=str(start) if start > first else None)

    return routes


def _known(topic: str) -> TopicContract:
    found = TOPICS.get(topic)
    if found is None:
        raise HTTPException(404, f"no topic {topic!r}; there are {', '.join(TOPICS)}")
    return found
