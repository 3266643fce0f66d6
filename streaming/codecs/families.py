"""What the contracts say of each event family: topic, key, words, limits, what consent removes.

Belongs here: reading the generated `schemas/families.json`. Does not belong here: applying a rule (the collector, the
enricher), the schemas (`avro.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Rules:
    """Value rules of one field. What is None is not limited.

    `words`: allowed texts. `items`: allowed items of a list. `pattern`: regular expression a text must match from its
    begin. `longest`: most characters of a text, or of a value in a map. `entries`: most entries of a map. `least`,
    `most`: bounds of a number, both included.
    """

    words: tuple[str, ...] | None = None
    items: tuple[str, ...] | None = None
    pattern: str | None = None
    longest: int | None = None
    entries: int | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """One event family. `event_types` is None where any lower-case word is one."""

    name: str
    topic: str
    key: str
    event_types: frozenset[str] | None
    removed_without_analytics: tuple[str, ...]
    rules: Mapping[str, Rules] = field(default_factory=dict)


@cache
def families() -> Mapping[str, Family]:
    """All families by name."""
    text = resources.files("streaming.codecs").joinpath("schemas", "families.json").read_text("utf-8")
    return MappingProxyType({name: _family(name, found) for name, found in json.loads(text).items()})


def _family(name: str, found: dict[str, Any]) -> Family:
    types = found["event_types"]
    return Family(
        name=name,
        topic=found["topic"],
        key=found["key"],
        event_types=None if types is None else frozenset(types),
        removed_without_analytics=tuple(found["removed_without_analytics"]),
        rules=MappingProxyType({field: _rules(rules) for field, rules in found["rules"].items()}),
    )


def _rules(found: dict[str, Any]) -> Rules:
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
    return Rules(**given)
