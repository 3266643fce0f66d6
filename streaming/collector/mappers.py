"""From an item of any route to its event.

Belongs here: which reader or mapper an item has, kept by schema version. Does not belong here: the rules of an item
(`families.py`, `clicks.py`, `log_lines.py`), requests (`judging.py`), refused inputs (`again.py`).
"""

from dataclasses import dataclass
from types import GenericAlias
from typing import Any

import msgspec

from media_analytics.settings import Settings
from streaming.codecs.avro import EncodeError
from streaming.codecs.families import families
from streaming.collector import items
from streaming.collector.access import Access
from streaming.collector.answers import Rejection
from streaming.collector.clicks import ClickMapper
from streaming.collector.families import Event, Reader, reader
from streaming.collector.identity import Visitors
from streaming.collector.log_lines import LineMapper
from streaming.collector.rules import Times
from streaming.collector.writer import Version


@dataclass(frozen=True, slots=True)
class FamilyReader:
    """What reads the items of a family with one version of its schema. `numbers`: the fields that hold one."""

    many: "msgspec.json.Decoder[Any]"
    one: "msgspec.json.Decoder[Any]"
    event: Reader
    numbers: frozenset[str]


class Mappers:
    """The readers of one installation's rules."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._access = access
        self._visitors = Visitors(settings.privacy)
        self._times = Times(settings.history_start)
        self._readers: dict[tuple[str, int], FamilyReader] = {}
        self.clicks = ClickMapper(access, self._visitors, self._times)
        self.lines = LineMapper(access, self._visitors, self._times)

    def reader(self, family: str, version: Version) -> FamilyReader:
        """The reader of a schema version: a field the version adds is accepted from clients."""
        found = self._readers.get((family, version.schema_id))
        if found is None:
            rules, schema = families()[family], version.codec.schema
            kind = items.item_type(schema, rules)
            found = FamilyReader(
                many=msgspec.json.Decoder(GenericAlias(list, (kind,))),
                one=msgspec.json.Decoder(kind),
                event=reader(rules, schema, version.schema_id, self._access, self._visitors, self._times),
                numbers=frozenset(
                    f["name"]
                    for f in schema["fields"]
                    if items.avro_kind(f["type"]) in ("int", "long", "double")
                    and not items.is_instant(f["type"])
                ),
            )
            self._readers[(family, version.schema_id)] = found
        return found


def event_of(version: Version, record: dict[str, Any]) -> Event:
    """The event of a record.

    Raises:
        Rejection: `wrong_type`, a value does not fit the schema.
    """
    try:
        message = version.framed(record)
    except EncodeError as error:
        raise Rejection("wrong_type", error.field, str(error), "shape") from error
    return record["event_id"], record["brand"], record["visitor_id"].encode(), message
