"""Dead letters of the lake.

Belongs here: the letters of records that bronze cannot hold. Does not belong here: which records those are
(`decode`), sending (`streaming/dead_letters/sender.py`). A letter's id follows from the record's place, so a letter
that is sent again after a crash is the same letter.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

from media_analytics.settings import Settings
from spark_jobs.user_events.source import TOPIC as SOURCE
from streaming.codecs.instants import instant
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters.letters import LetterWriter
from streaming.dead_letters.sender import LetterSender
from streaming.runtime.clients import Errors
from streaming.runtime.stop import StopSignal

STAGE: Final = "lake"
_LOG = logging.getLogger(__name__)


class LetterBox:
    """Sends letters and waits until Kafka has them."""

    def __init__(
        self, settings: Settings, registry: RegistryClient, errors: Errors, stop: StopSignal
    ) -> None:
        self._sender = LetterSender(settings.kafka, registry, errors, stop)
        self._writer = LetterWriter(STAGE, settings.privacy.dead_letter_key)

    def send(self, broken: Sequence[dict[str, Any]]) -> None:
        """Send one letter for each row of `decode` that has a problem; returns when all are acknowledged.

        Raises:
            StoppedError: asked to stop before that.
            RegistryUnreachableError: the id of the letters' schema is not known yet.
        """
        self._sender.send([self._letter(row) for row in broken])

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
