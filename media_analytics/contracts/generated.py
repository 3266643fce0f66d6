"""Text of every checked-in file that is generated from contracts.

Belongs here: which files there are and what each must hold. Does not belong here: writing them (the
command) or comparing them with the disk (the tests).
"""

import json
from typing import Any

from media_analytics.contracts.avro import avro_text
from media_analytics.contracts.model import Column, TopicContract
from media_analytics.contracts.registry import TOPICS

SCHEMAS = "streaming/codecs/schemas"
FAMILIES = f"{SCHEMAS}/families.json"
# The first topic of each family: what the collector writes.
COLLECTED = tuple(
    TOPICS[name]
    for name in (
        "user.raw",
        "content.events",
        "session.events",
        "security.events",
        "compliance.events",
        "interactions.events",
    )
)
# pandera's names of a rule -> the names in the file, which `streaming.codecs.families.Rules` has.
_RULES = {
    "isin": {"allowed_values": "words"},
    "items_isin": {"allowed": "items"},
    "str_matches": {"pattern": "pattern"},
    "str_length": {"max_value": "longest"},
    "greater_than_or_equal_to": {"min_value": "least"},
    "less_than_or_equal_to": {"max_value": "most"},
    "entries_within": {"most": "entries", "longest": "longest"},
}


def schema_files() -> dict[str, str]:
    """Files by path in the repository; all that streaming processes know of contracts."""
    schemas = {f"{SCHEMAS}/{name}.avsc": avro_text(contract) for name, contract in TOPICS.items()}
    return schemas | {FAMILIES: _families_text()}


def _families_text() -> str:
    families = {contract.family: _family(contract) for contract in COLLECTED}
    return json.dumps(families, indent=1, ensure_ascii=False) + "\n"


def _family(contract: TopicContract) -> dict[str, Any]:
    rules = {column.name: _rules(contract, column) for column in contract.columns}
    return {
        "topic": contract.name,
        "key": contract.key,
        "event_types": rules["event_type"].get("words"),
        "removed_without_analytics": contract.removed_without_analytics,
        "rules": {name: found for name, found in rules.items() if found},
    }


def _rules(contract: TopicContract, column: Column) -> dict[str, Any]:
    """The value rules of a column, without those of instants: which times count is a setting."""
    found: dict[str, Any] = {}
    if "timestamp" in str(column.arrow_type):
        return found
    for check in contract.schema.columns[column.name].checks:
        names = _RULES[check.name]
        found |= {names[name]: value for name, value in check.statistics.items() if value is not None}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
