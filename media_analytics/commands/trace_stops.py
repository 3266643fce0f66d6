"""Where the way of an event ended before a store.

Belongs here: what a found place is, and what the places together say about steps that were not taken. Does not belong
here: searching (`trace_places.py`), printing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from media_analytics.checks.completeness_stores import LAYERS
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import TABLES, TOPICS, stored_in, topic

FIRST_TOPICS = tuple(t.name for t in TOPICS.values() if t.made_from is None and t.name != "dead_letters")


@dataclass(frozen=True)
class Place:
    """One place of the event: the store, the table or topic, what identifies it there."""

    store: str
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"store": self.store, "name": self.name, **self.facts}


def stops(places: Sequence[Place]) -> Iterator[str]:
    """One line for each coordinate and store that must hold it and does not.

    It names the stage whose letter ended its way, or the process that has not stored it yet.
    """
    rows = {
        (p.name, p.facts["source_partition"], p.facts["source_offset"])
        for p in places
        if p.store in ("clickhouse", "delta") and "source_offset" in p.facts
    }
    letters = [p.facts for p in places if p.name == "dead_letters"]
    messages = [p for p in places if p.name in FIRST_TOPICS]
    for message in messages:
        at = (message.facts["partition"], message.facts["offset"])
        about = {
            letter["stage"]: letter["reason"]
            for letter in letters
            if (letter["source_topic"], letter["source_partition"], letter["source_offset"])
            == (message.name, *at)
        }
        for store in TOPICS[message.name].stores:
            stored = stored_in(message.name, LAYERS[store])
            if (stored.full_name, *at) not in rows:
                place = f"{message.name}[{at[0]}] offset {at[1]}"
                yield f"{place} is not in {stored.full_name}: {_why(stored, store, about)}"
    if not messages:
        for letter in letters:
            yield f"it never reached a topic: the stage {letter['stage']} refused it, {letter['reason']}"


def _why(stored: TableContract, store: str, about: Mapping[str, str]) -> str:
    for stage in ("enricher", store):
        if stage in about:
            return f"the stage {stage} made it a dead letter, {about[stage]}"
    return f"{stored.writer} has not stored it yet; see `media-analytics status`"


def stored_events(layer: str) -> list[TableContract]:
    """Tables of a layer that hold events by coordinate."""
    return [
        c for c in TABLES.values() if c.layer == layer and c.source is not None and c.source != "dead_letters"
    ]


def first_topic(contract: TableContract) -> str:
    """The topic whose coordinates the rows of a table carry."""
    source = topic(str(contract.source))
    return source.made_from or source.name
