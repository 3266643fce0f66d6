"""Builds the record of one dead letter.

Belongs here: which fields a letter has, its id, the encryption of the original bytes. Does not belong here:
sending it (`sender.py`; collector and enricher do it among their own records) and deciding what is one.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from media_analytics.errors import MediaAnalyticsError
from streaming.codecs.instants import microseconds
from streaming.dead_letters import redaction

TOPIC = "dead_letters"
# Namespace of every identifier the platform derives from content.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:media-analytics:event")
KEPT_BYTES = 256 * 1024
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
Stage = Literal["collector", "enricher", "realtime", "lake"]


class LetterError(MediaAnalyticsError):
    """A letter cannot be written or read."""


class LetterWriter:
    """Builds letters of one stage. `key` is the Fernet key `settings.privacy.dead_letter_key`."""

    def __init__(self, stage: Stage, key: SecretStr) -> None:
        self._stage = stage
        self._fernet = _fernet(key)

    def letter(
        self,
        original: bytes,
        *,
        source: str,
        place: str,
        reason: str,
        message: str,
        received_at: datetime,
        field: str | None = None,
        event_id: str | None = None,
        line_number: int | None = None,
        schema_id: int | None = None,
        producer: str | None = None,
        sender: bytes | None = None,
    ) -> dict[str, Any]:
        """The record (for the codec of `dead_letters`) of an input without coordinates.

        `source` is a route, service or topic, and the Kafka key; `place` says where in the source the input
        stood, so that the same input sent again has the same `letter_id`. `producer` and `sender` say whose
        request it was: a name without a secret, and facts that are kept encrypted. Values of the input stand in
        the encrypted bytes only: the message gets their shapes, a name or id that could be one is left out.
        """
        return {
            "letter_id": str(uuid.uuid5(NAMESPACE, f"dead-letter|{source}|{place}")),
            "event_id": event_id if event_id and _UUID.fullmatch(event_id) else None,
            "line_number": line_number,
            "reason": reason,
            "field": redaction.name(field) if field else None,
            "message": redaction.message(message),
            "source": source,
            "received_at": microseconds(received_at),
            "schema_id": schema_id,
            "source_topic": None,
            "source_partition": None,
            "source_offset": None,
            "source_appended_at": None,
            "original_bytes": self._fernet.encrypt(original[:KEPT_BYTES]),
            "original_length": len(original),
            "original_sha256": hashlib.sha256(original).hexdigest(),
            "is_replayable": len(original) <= KEPT_BYTES,
            "stage": self._stage,
            "producer": producer,
            "sender_bytes": None if sender is None else self._fernet.encrypt(sender),
        }

    def record_letter(
        self,
        original: bytes,
        *,
        topic: str,
        partition: int,
        offset: int,
        appended_at_us: int,
        reason: str,
        message: str,
        field: str | None = None,
        event_id: str | None = None,
        schema_id: int | None = None,
    ) -> dict[str, Any]:
        """The record of a Kafka record that could not be used, under the coordinates of its first topic.

        `appended_at_us` is the record's log-append time in microseconds; letters are received when they are
        written.
        """
        record = self.letter(
            original,
            source=topic,
            place=f"{partition}|{offset}",
            reason=reason,
            message=message,
            received_at=datetime.now(UTC),
            field=field,
            event_id=event_id,
            schema_id=schema_id,
        )
        record["source_topic"] = topic
        record["source_partition"] = partition
        record["source_offset"] = offset
        record["source_appended_at"] = appended_at_us
        return record


def original_bytes(record: Mapping[str, Any], key: SecretStr) -> bytes:
    """The original bytes of a letter (the first 256 KiB of a longer one).

    Raises:
        LetterError: the key is not the one the letter was written with.
    """
    return _opened(record, "original_bytes", key)


def sender_bytes(record: Mapping[str, Any], key: SecretStr) -> bytes | None:
    """What the request said beside the original; None where nothing was kept.

    Raises:
        LetterError: the key is not the one the letter was written with.
    """
    return None if record["sender_bytes"] is None else _opened(record, "sender_bytes", key)


def _opened(record: Mapping[str, Any], name: str, key: SecretStr) -> bytes:
    try:
        return _fernet(key).decrypt(record[name])
    except InvalidToken as error:
        raise LetterError(
            f"letter {record['letter_id']} was encrypted with another key; set the key of its time"
        ) from error


def _fernet(key: SecretStr) -> Fernet:
    try:
        return Fernet(key.get_secret_value())
    except ValueError as error:
        raise LetterError(
            "privacy.dead_letter_key is not a Fernet key (url-safe base64 of 32 bytes)"
        ) from error
