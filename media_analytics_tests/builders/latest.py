"""Producing user.latest without an enricher, for tests of what reads it.

Belongs here: valid records with coordinates of today. Does not belong here: assertions.
"""

from confluent_kafka import Producer

from media_analytics.settings import Settings
from media_analytics_tests.builders.streams import TODAY, raw_event
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient


class Latest:
    """Writes user.latest as the enricher does; `sent` are coordinates and ids in order of sending."""

    def __init__(self, settings: Settings) -> None:
        self.codec = Codec.from_file("user.latest")
        registry = RegistryClient(settings.registry.url)
        self.header = header(registry.id_for("user.latest-value", self.codec.schema))
        registry.close()
        self._producer = Producer(settings.kafka.client_config() | {"linger.ms": 5})
        self.sent: list[tuple[int, int, str]] = []

    def value(self, number: int, **fields: object) -> bytes:
        """The framed value of an event whose offset in user.raw is its number."""
        empty = {field["name"]: None for field in self.codec.schema["fields"]}
        derived = {
            "is_clock_corrected": False,
            "device_type": "phone",
            "is_bot": False,
            "referrer_medium": "direct",
            "enrichment_version": "1",
            "source_topic": "user.raw",
            "source_partition": number % 6,
            "source_offset": number,
            # The table forgets rows 35 days after this.
            "appended_at": TODAY,
        }
        return self.header + self.codec.encode(empty | raw_event(number) | derived | fields)

    def send(self, numbers: range, **fields: object) -> None:
        """Produce events and wait."""
        for number in numbers:
            self._producer.produce("user.latest", self.value(number, **fields), partition=number % 6)
            self.sent.append((number % 6, number, raw_event(number)["event_id"]))
        assert self._producer.flush(30) == 0

    def send_bytes(self, value: bytes, partition: int) -> None:
        """One value as it is."""
        self._producer.produce("user.latest", value, partition=partition)
        assert self._producer.flush(30) == 0
