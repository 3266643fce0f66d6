"""From a letter to the events it should have been.

Belongs here: opening a letter, which judge it belongs to, what became of it. Does not belong here: the rules
themselves, sending, remembering what was sent (`replay.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from media_analytics.dead_letters.records import RecordJudge
from media_analytics.settings import Settings
from streaming.codecs.avro import Codec
from streaming.codecs.registry import RegistryClient
from streaming.collector import refused
from streaming.collector.again import Again, Refused, is_request
from streaming.collector.answers import Rejection
from streaming.collector.writer import Version, learned
from streaming.dead_letters import redaction
from streaming.dead_letters.letters import LetterError, original_bytes, sender_bytes
from streaming.dead_letters.patches import Patch, PatchError, applied, is_meant

NO_PATCH = Patch()


@dataclass(frozen=True)
class Event:
    """One message for the first topic of a family."""

    topic: str
    event_id: str
    key: bytes | None
    value: bytes


@dataclass(frozen=True)
class Failure:
    """Why a letter cannot become events: the first rule that its input still breaks, and the field as shown."""

    rule: str
    field: str | None


class Reviver:
    """Judges letters again, with the rules and schemas of now."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; ask the registry with the first letter."""
        self._key = settings.privacy.dead_letter_key
        self._registry = RegistryClient(settings.registry.url)
        self._versions: dict[str, Version] = {}
        self._again = Again(settings, self._version)
        self._records = RecordJudge(settings, self._registry)

    def close(self) -> None:
        """Close connections and files."""
        self._records.close()
        self._registry.close()

    def events(self, letter: Mapping[str, Any], patch: Patch = NO_PATCH) -> list[Event] | Failure | None:
        """The events of a patched letter; None when the patch is not about its input.

        Raises:
            RegistryUnreachableError: a schema is not known and the registry does not answer.
        """
        if not letter["is_replayable"]:
            return Failure("original_cut", None)
        try:
            return (
                self._collected(letter, patch)
                if letter["stage"] == "collector"
                else self._stored(letter, patch)
            )
        except Rejection as rejection:
            field = rejection.field
            return Failure(rejection.code, None if field is None else redaction.name(field))
        except LetterError:
            return Failure("another_key", None)
        except PatchError:
            return Failure("patch_not_applicable", None)

    def _collected(self, letter: Mapping[str, Any], patch: Patch) -> list[Event] | Failure | None:
        facts = sender_bytes(letter, self._key)
        if facts is None:
            return Failure("unknown_sender", None)
        found = Refused(
            letter["source"],
            original_bytes(letter, self._key),
            refused.read(facts),
            letter["received_at"],
            is_request(letter),
        )
        if patch.where.item and not any(
            is_meant(patch.where.item, item) for item in self._again.items(found)
        ):
            return None
        topic, events = self._again.events(found, lambda item: _repaired(patch, item))
        return [Event(topic, event_id, key, value) for event_id, _, key, value in events]

    def _stored(self, letter: Mapping[str, Any], patch: Patch) -> list[Event] | Failure | None:
        source, data = letter["source"], original_bytes(letter, self._key)
        if patch.where.item and not is_meant(patch.where.item, self._records.fields(source, data)):
            return None
        topic, event_id, key, value = self._records.message(source, data, lambda item: _repaired(patch, item))
        return [Event(topic, event_id, key, value)]

    def _version(self, topic: str) -> Version:
        if topic not in self._versions:
            self._versions[topic] = learned(self._registry, topic, Codec.from_file(topic))
        return self._versions[topic]


def _repaired(patch: Patch, item: dict[str, Any]) -> dict[str, Any]:
    """The item after the patch; of a request's items those that the patch means."""
    return applied(patch, item) if is_meant(patch.where.item, item) else item
