"""Dead letters of the lake.

Belongs here: building letters for records that bronze cannot hold, and waiting for their
acknowledgement. Does not belong here: which records those are (`decode`). A letter's id follows from
the record's place, so a letter that is sent again after a crash is the same letter.
"""

import logging
from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from media_analytics.settings import Settings
from spark_jobs.user_events.source import TOPIC as SOURCE
from streaming.codecs.avro import Codec
from streaming.codecs.framing import header
from streaming.codecs.instants import instant
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters.letters import TOPIC, LetterWriter
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StoppedError, StopSignal

STAGE: Final = "lake"
_FLUSH_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class LetterBox:
    """Sends letters and waits until Kafka has them."""

    def __init__(
        self, settings: Settings, registry: RegistryClient, errors: Errors, stop: StopSignal
    ) -> None:
        self._registry = registry
        self._errors = errors
        self._stop = stop
        self._writer = LetterWriter(STAGE, settings.privacy.dead_letter_key)
        self._codec = Codec.from_file(TOPIC)
        config: dict[str, Any] = {
            **settings.kafka.client_config(),
            "enable.idempotence": True,
            "acks": "all",
            # Until acknowledged, however long that takes.
            "message.timeout.ms": 0,
            "error_cb": errors.callback,
        }
        self._producer = Producer(config)

    def send(self, broken: Iterable[dict[str, Any]]) -> int:
        """Send one letter for each row of `decode` that has a problem; returns when all are acknowledged.

        Raises:
            StoppedError: asked to stop before that.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        letters = [self._letter(row) for row in broken]
        while letters:
            failed: list[KafkaError] = []

            def delivered(
                error: KafkaError | None, message: Message, failed: list[KafkaError] = failed
            ) -> None:
                if error is not None:
                    failed.append(error)

            head = header(self._registry.id_for(f"{TOPIC}-value", self._codec.schema))
            for letter in letters:
                value = head + self._codec.encode(letter)
                self._producer.produce(TOPIC, value, letter["source"], 0, on_delivery=delivered)
            while self._producer.flush(_FLUSH_SECONDS):
                self._errors.check()
                if self._stop.is_set():
                    raise StoppedError
            if not failed:
                break
            _LOG.warning("%d letters were refused: %s; sending again", len(failed), failed[0].str())
            self._stop.wait(_FLUSH_SECONDS)
        return len(letters)

    def _letter(self, row: dict[str, Any]) -> dict[str, Any]:
        reason, _, field = row["problem"].partition(":")
        partition, offset = row["latest_partition"], row["latest_offset"]
        text = f"{SOURCE}[{partition}] offset {offset}: {reason}" + (f" in {field}" if field else "")
        _LOG.warning("dead letter, %s", text)
        letter = self._writer.letter(
            bytes(row["value"] or b""),
            source=SOURCE,
            place=f"{partition}|{offset}|{STAGE}",
            reason=reason,
            message=text,
            received_at=instant(row["latest_timestamp"]),
            field=field or None,
            event_id=row["event_id"],
            schema_id=row["schema_id"],
        )
        # The first topic's coordinates where the record still says them, else its own.
        known = None not in (row["source_topic"], row["source_partition"], row["source_offset"])
        letter["source_topic"] = row["source_topic"] if known else SOURCE
        letter["source_partition"] = row["source_partition"] if known else partition
        letter["source_offset"] = row["source_offset"] if known else offset
        letter["source_appended_at"] = row["latest_timestamp"]
        return letter
