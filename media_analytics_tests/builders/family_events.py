"""Records of the families without an enricher, and producing them as the collector does.

Belongs here: one valid record per family and how to vary it. Does not belong here: assertions; traffic that looks real
(`streaming.simulator`).
"""

import uuid
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from media_analytics.settings import Settings
from media_analytics_tests.builders.streams import NOON, Placed
from streaming.codecs.avro import Codec
from streaming.codecs.families import families
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient

_OWN: dict[str, dict[str, Any]] = {
    "content": {
        "event_type": "published",
        "content_id": "artikel-1",
        "title": "Wahl",
        "section": "politik",
        "authors": ["A. Autor"],
        "word_count": 420,
        "is_premium": False,
        "published_at": NOON,
        "revision": 1,
    },
    "session": {
        "event_type": "login",
        "visitor_id": "c:k1",
        "session_ref": "s-1",
        "tier": "basic",
        "device_id": "d-1",
    },
    "security": {
        "event_type": "login_failed",
        "visitor_id": "c:k1",
        "ip": "83.149.9.0",
        "user_agent": "Mozilla/5.0",
        "severity": 2,
        "rule": "wrong_password",
    },
    "compliance": {
        "event_type": "consent_given",
        "purposes": ["analytics"],
        "jurisdiction": "de",
        "request_id": "r-1",
    },
    "interactions": {"event_type": "bookmark", "status": "success", "latency_ms": 35},
}


def family_event(family: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """A live event of customer `k1` on `bild`, as it stands in the family's topic."""
    codec = Codec.from_file(families()[family].topic)
    event: dict[str, Any] = dict.fromkeys(field["name"] for field in codec.schema["fields"])
    event |= {
        "event_id": str(uuid.UUID(int=number)),
        "brand": "bild",
        "occurred_at": NOON,
        "received_at": NOON + 1_000_000,
        "origin": "live",
        "customer_id": "k1",
    }
    return event | _OWN[family] | fields


class FamilyTopic:
    """Produces one family's records and remembers where they stand."""

    def __init__(self, settings: Settings, family: str) -> None:
        self.topic = families()[family].topic
        self.family = family
        self.codec = Codec.from_file(self.topic)
        registry = RegistryClient(settings.registry.url)
        self.header = header(registry.id_for(f"{self.topic}-value", self.codec.schema))
        registry.close()
        self._producer = Producer(settings.kafka.client_config() | {"linger.ms": 5, "acks": "all"})
        self.acknowledged: list[Placed] = []

    def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Produce and wait; partition by event number."""
        for event in events:
            partition = uuid.UUID(event["event_id"]).int % 3
            self._produce(self.header + self.codec.encode(event), partition, event["event_id"])
        assert self._producer.flush(60) == 0

    def send_numbers(self, numbers: range, **fields: Any) -> None:
        """The family's event once for each number."""
        self.send([family_event(self.family, number, **fields) for number in numbers])

    def send_bytes(self, value: bytes, partition: int) -> None:
        """One value as it is; it is not remembered."""
        self._producer.produce(self.topic, value, partition=partition)
        assert self._producer.flush(60) == 0

    def wanted(self) -> list[tuple[int, int, str]]:
        """Coordinates and ids of every acknowledged record."""
        return sorted((p.partition, p.offset, p.event_id) for p in self.acknowledged)

    def _produce(self, value: bytes, partition: int, event_id: str) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            self.acknowledged.append(Placed(message.partition(), message.offset(), event_id))

        self._producer.produce(self.topic, value, partition=partition, on_delivery=delivered)
        self._producer.poll(0)
