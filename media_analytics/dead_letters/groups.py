"""Letters that want the same repair, together.

Belongs here: the fingerprint of a letter, groups, what a person selects. Does not belong here: reading tables
(`shelf.py`), showing anything.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streaming.codecs.families import families
from streaming.dead_letters import redaction

EVENTS_ROUTE = "/v1/events/"


@dataclass(frozen=True, order=True)
class Fingerprint:
    """What letters of one group share. Nothing of it says anything about a person.

    `producer` is the name of the key (`server 0`), or the stage that refused a record of a topic.
    """

    family: str
    rule: str
    field: str | None
    producer: str

    @property
    def code(self) -> str:
        """Eight characters that name the group."""
        text = "|".join((self.family, self.rule, self.field or "", self.producer))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Group:
    """Letters with one fingerprint, each counted once however often its input was sent."""

    fingerprint: Fingerprint
    letters: int
    recovered: int
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class Selection:
    """Which letters are meant: everything that is named has to hold. `since` is about the letter's arrival."""

    since: datetime
    family: str | None = None
    rule: str | None = None
    field: str | None = None
    producer: str | None = None
    group: str | None = None
    letters: frozenset[str] = dataclasses.field(default_factory=frozenset)

    def takes(self, found: Fingerprint) -> bool:
        """Whether letters with this fingerprint are meant."""
        named = ((self.family, found.family), (self.rule, found.rule), (self.field, found.field))
        more = ((self.producer, found.producer), (self.group, found.code))
        return all(wanted is None or wanted == have for wanted, have in (*named, *more))


def fingerprint(letter: Mapping[str, Any]) -> Fingerprint:
    """The fingerprint of a row of bronze.dead_letters."""
    path = letter["field"]
    return Fingerprint(
        family_of(letter["source"], letter["source_topic"]),
        letter["reason"],
        None if path is None else redaction.name(path),
        letter["producer"] or letter["stage"],
    )


def family_of(source: str, topic: str | None) -> str:
    """The family of the event that an input should have been; the topic's name where it is none of ours."""
    path = source.partition("?")[0]
    if path.startswith(EVENTS_ROUTE):
        return path.removeprefix(EVENTS_ROUTE)
    if path.startswith("/"):
        return "user"
    first = (topic or source).partition(".")[0]
    return first if first in families() else redaction.name(source)
