"""Dead letters of micro-batches.

Belongs here: the letters of records that a table cannot hold. Does not belong here: which records those are
(`rows.py`, `judge.py`), sending (`streaming/dead_letters/sender.py`). A letter's id follows from the record's place, so
a letter that is sent again after a crash is the same letter.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from media_analytics.micro_batches.rows import Rejected
from media_analytics.settings import Settings
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters.letters import LetterWriter
from streaming.dead_letters.sender import LetterSender
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StopSignal

STAGE: Final = "lake"
TIMEOUT_SECONDS = 60.0
_LOG = logging.getLogger(__name__)


class LetterBox:
    """Sends letters and waits, at most a minute, until Kafka has them."""

    def __init__(self, settings: Settings, registry: RegistryClient) -> None:
        errors = Errors("micro-batches", _LOG)
        self._sender = LetterSender(settings.kafka, registry, errors, StopSignal(), TIMEOUT_SECONDS)
        self._writer = LetterWriter(STAGE, settings.privacy.dead_letter_key)

    def send(self, topic: str, rejected: Sequence[Rejected]) -> None:
        """Send one letter for each record of `topic`; returns when all are acknowledged.

        Raises:
            ServiceError: Kafka did not acknowledge them within a minute; some may be there, under the same ids.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        self._sender.send([self._letter(topic, one) for one in rejected])

    def _letter(self, topic: str, rejected: Rejected) -> dict[str, Any]:
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
