"""The peer of the collector: FastAPI, pydantic, Confluent's AvroSerializer, one future a record.

What a team would write with the usual libraries for the same promise: the same fields and rules, the same ids, the same
producer settings, an answer after all replicas acknowledged. Started as `python -m ...collector_peer PORT`, settings
from the environment.
"""

import asyncio
import hmac
import os
import sys
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import uvicorn
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastapi import FastAPI, HTTPException, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, IPvAnyAddress, StringConstraints

from media_analytics.settings import load_settings

TOPIC = "user.raw"
Word = Annotated[str, StringConstraints(max_length=256)]
Name = Annotated[str, StringConstraints(max_length=1024)]
Url = Annotated[str, StringConstraints(max_length=8192)]
Agent = Annotated[str, StringConstraints(max_length=2048)]
EventType = Literal[
    "page_view", "page_ping", "click", "search", "share", "video_start", "video_progress", "video_complete",
    "newsletter_signup", "subscription_start", "subscription_cancel", "purchase", "resource_request",
]  # fmt: skip
Purpose = Literal["analytics", "personalisation", "advertising", "ml_training"]


class UserEvent(BaseModel):
    """An event of the user family."""

    model_config = ConfigDict(extra="forbid")

    event_id: uuid.UUID
    event_type: EventType
    brand: Word
    occurred_at: AwareDatetime
    origin: Literal["live", "import"] = "live"
    customer_id: Name | None = None
    anonymous_id: Name | None = None
    consent: list[Purpose] | None = None
    page_url: Url | None = None
    title: Url | None = None
    content_id: Name | None = None
    section: Word | None = None
    referrer: Url | None = None
    user_agent: Agent | None = None
    ip: IPvAnyAddress | None = None
    query: Url | None = None
    product: Name | None = None
    position: int | None = Field(default=None, ge=0, lt=2**31)
    engaged_seconds: float | None = Field(default=None, ge=0, le=60)
    scroll_pct: float | None = Field(default=None, ge=0, le=100)
    video_position_seconds: float | None = Field(default=None, ge=0, le=1e9)
    tier: Word | None = None
    segment: Word | None = None
    http_status: int | None = Field(default=None, ge=100, le=599)
    bytes_sent: int | None = Field(default=None, ge=0, lt=2**63)
    properties: dict[Name, Name] = Field(default_factory=dict, max_length=64)


class Item(BaseModel):
    """The outcome of one item."""

    index: int
    event_id: str
    status: str


class Answer(BaseModel):
    """The answer of a request."""

    accepted: int
    rejected: int
    items: list[Item]


def create(environ: dict[str, str]) -> FastAPI:
    """The application."""
    settings = load_settings(environ)
    registry = SchemaRegistryClient({"url": settings.registry.url})
    schema = registry.get_latest_version(f"{TOPIC}-value").schema.schema_str
    serialize = AvroSerializer(
        registry, schema, conf={"auto.register.schemas": False, "use.latest.version": True}
    )
    where = SerializationContext(TOPIC, MessageField.VALUE)
    key = settings.privacy.visitor_keys[0].key.get_secret_value().encode()
    producer = Producer(
        {
            **settings.kafka.client_config(),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 15,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
        }
    )
    stopping = threading.Event()

    def poll() -> None:
        while not stopping.is_set():
            producer.poll(0.1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        yield
        producer.flush(10)
        stopping.set()
        thread.join(2)

    app = FastAPI(lifespan=lifespan)

    def send(event_key: str, value: bytes) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def delivered(error: Any, _: Any) -> None:
            if error is not None:
                loop.call_soon_threadsafe(done.set_exception, RuntimeError(str(error)))
            else:
                loop.call_soon_threadsafe(done.set_result, None)

        producer.produce(TOPIC, value, event_key, on_delivery=delivered)
        return done

    @app.post("/v1/events/user")
    async def collect(events: list[UserEvent], request: Request) -> Answer:
        """Store events and answer when they are acknowledged."""
        now = datetime.now(UTC)
        waiting = []
        for event in events:
            if event.brand not in settings.brands:
                raise HTTPException(422, f"brand {event.brand}")
            record = event.model_dump()
            record["event_id"] = str(event.event_id)
            record["ip"] = str(event.ip) if event.ip else request.client.host if request.client else None
            record["received_at"] = now
            record["is_truncated"] = False
            if event.customer_id:
                visitor = f"c:{event.customer_id}"
            elif event.anonymous_id:
                visitor = f"a:{event.anonymous_id}"
            else:
                text = f"{record['ip']}\0{event.user_agent or ''}".encode()
                visitor = "h:" + hmac.digest(key, text, "sha256").hex()[:32]
            record["visitor_id"] = visitor
            value = serialize(record, where)
            assert value is not None
            waiting.append(send(visitor, value))
        await asyncio.gather(*waiting)
        items = [Item(index=n, event_id=str(e.event_id), status="accepted") for n, e in enumerate(events)]
        return Answer(accepted=len(items), rejected=0, items=items)

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        """Whether it answers."""
        return {"ready": True}

    return app


if __name__ == "__main__":
    uvicorn.run(
        create(dict(os.environ)),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
