"""Dead letters of micro-batches.

Belongs here: building letters for records that a table cannot hold, and waiting for their acknowledgement. Does not
belong here: which records those are (`rows.py`, `judge.py`). A letter's id follows from the record's place, so a letter
that is sent again after a crash is the same letter.
"""

import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from media_analytics.errors import ServiceError
from media_analytics.micro_batches.rows import Rejected
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters.letters import TOPIC, LetterWriter

STAGE: Final = "lake"
TIMEOUT_SECONDS = 60.0


class LetterBox:
    """Sends letters and waits until Kafka has them. Connects with the first letter."""

    def __init__(self, settings: Settings, registry: RegistryClient) -> None:
        self._settings = settings
        self._registry = registry
        self._writer = LetterWriter(STAGE, settings.privacy.dead_letter_key)
        self._codec = Codec.from_file(TOPIC)

    def send(self, topic: str, rejected: Sequence[Rejected]) -> None:
        """Send one letter for each record of `topic`; returns when all are acknowledged.

        Raises:
            ServiceError: Kafka did not acknowledge them within a minute; some may be there, under the same ids.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        if not rejected:
            return
        failures: list[str] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error.str())

        head = header(self._registry.id_for(f"{TOPIC}-value", self._codec.schema))
        config = {
            **self._settings.kafka.client_config(),
            "enable.idempotence": "true",
            "message.timeout.ms": str(int(TIMEOUT_SECONDS * 1000)),
        }
        producer = Producer(config)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        for one in rejected:
            value = head + self._codec.encode(self._letter(topic, one))
            while True:
                try:
                    producer.produce(TOPIC, value, topic, 0, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(max(1.0, deadline - time.monotonic()))
        if left or failures:
            raise ServiceError(
                f"{left + len(failures)} of {len(rejected)} dead letters of {topic} were not acknowledged by Kafka "
                f"{self._settings.kafka.bootstrap_servers}: {failures[:1] or 'no answer'}; see `media-analytics status`"
            )

    def _letter(self, topic: str, rejected: Rejected) -> dict[str, object]:
        record = rejected.record
        return self._writer.record_letter(
            record.value or b"",
            topic=topic,
            partition=record.partition,
            offset=record.offset,
            appended_at_us=record.appended_at,
            reason=rejected.reason,
            message=rejected.message,
            field=rejected.field,
            event_id=rejected.event_id,
            schema_id=rejected.schema_id,
        )
