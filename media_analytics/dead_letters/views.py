"""A single letter as it may be shown.

Belongs here: which facts of a letter a listing has, its original as a shape. Does not belong here: finding letters
(`shelf.py`), masks (`streaming/dead_letters/redaction.py`). Never in a view: the message (it quotes its input), the
original, addresses, texts a client chose.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from media_analytics.dead_letters.groups import fingerprint
from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.families import families
from streaming.codecs.framing import unframe
from streaming.codecs.registry import RegistryClient
from streaming.dead_letters import redaction
from streaming.dead_letters.letters import LetterError, original_bytes

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TOPICS = {"user.latest", *(family.topic for family in families().values())}


@dataclass(frozen=True)
class LetterView:
    """What anybody may see of a letter, on the command line and in the dashboard's API.

    `payload` is the shape of the original, texts and numbers masked; `event_id` is there only if it is a UUID.
    """

    letter_id: str
    group: str
    family: str
    rule: str
    field: str | None
    producer: str
    stage: str
    route: str
    received_at: datetime
    event_id: str | None
    line_number: int | None
    source_topic: str | None
    source_partition: int | None
    source_offset: int | None
    schema_id: int | None
    original_length: int
    is_whole: bool
    payload: Any


class Views:
    """Makes views with the installation's keys and schemas."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; ask the registry with the first record."""
        self._settings = settings
        self._codecs = {name: Codec.from_file(name) for name in _TOPICS}

    def view(self, letter: Mapping[str, Any]) -> LetterView:
        """What may be seen of a row of bronze.dead_letters; why its original cannot be, where that is so."""
        sign = fingerprint(letter)
        event_id = letter["event_id"]
        return LetterView(
            letter_id=letter["letter_id"],
            group=sign.code,
            family=sign.family,
            rule=sign.rule,
            field=sign.field,
            producer=sign.producer,
            stage=letter["stage"],
            # The query may name anything.
            route=letter["source"].partition("?")[0],
            received_at=letter["received_at"],
            event_id=event_id if event_id and _UUID.fullmatch(event_id) else None,
            line_number=letter["line_number"],
            source_topic=letter["source_topic"],
            source_partition=letter["source_partition"],
            source_offset=letter["source_offset"],
            schema_id=letter["schema_id"],
            original_length=letter["original_length"],
            is_whole=letter["is_replayable"],
            payload=self._payload(letter, sign.family),
        )

    def _payload(self, letter: Mapping[str, Any], family: str) -> Any:
        shown = redaction.words(family, self._settings.brands)
        try:
            data = original_bytes(letter, self._settings.privacy.dead_letter_key)
        except LetterError:
            return "encrypted with another key: set the one of its time"
        source = letter["source"]
        if source.startswith("/"):
            return redaction.original(data, shown)
        if source not in self._codecs:
            return f"{len(data)} bytes"
        try:
            schema_id, datum = unframe(data)
            writer = self._registry.schema_by_id(schema_id)
            return redaction.value(self._codecs[source].decode_as(datum, schema_id, writer), shown)
        except MediaAnalyticsError as error:
            return f"{len(data)} bytes that cannot be decoded: {type(error).__name__}"

    @cached_property
    def _registry(self) -> RegistryClient:
        return RegistryClient(self._settings.registry.url)
