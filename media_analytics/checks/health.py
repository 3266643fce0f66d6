"""Whether the streaming processes live and keep up.

Belongs here: reading a process's health file, and the verdicts on liveness and lag. Does not belong here: reporting
them (`automation/monitors.py`), restarting a process (its supervisor does).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from media_analytics.settings import Settings

LIVENESS = "liveness"
LAG = "lag"
# Who reads what: the sink keeps its position in Kafka, the stream in its table.
SINK_GROUP = "clickhouse-sink"
# A process touches its file every 5 s.
SILENT_AFTER = timedelta(seconds=15)
# About 10 s of the newsroom's peak load.
LARGEST_LAG = 50_000


@dataclass(frozen=True)
class Verdict:
    """One evaluation: passed or not, and why."""

    passed: bool
    why: str
    facts: dict[str, Any] = field(default_factory=dict)


def liveness(settings: Settings, service: str, now: datetime) -> Verdict:
    """Whether the process said within 15 s that it is ready."""
    file = settings.health_file(service)
    try:
        facts = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Verdict(False, f"{service} does not run: no {file.name}; see `media-analytics status`")
    age = now - datetime.fromisoformat(facts["at"]).astimezone(UTC)
    shown = {name: value for name, value in facts.items() if isinstance(value, (str, int, float))}
    if age > SILENT_AFTER:
        return Verdict(False, f"{service} has said nothing for {age.total_seconds():.0f} s", shown)
    if facts["state"] != "ready":
        return Verdict(False, f"{service} is {facts['state']}: {facts.get('detail', '')}", shown)
    return Verdict(True, f"{service} is ready", shown)


def sink_lag(committed: Mapping[int, int], ends: Mapping[int, int]) -> Verdict:
    """How far the ClickHouse sink's committed offsets are from the end of one of its topics."""
    return lag(sum(max(0, end - committed.get(partition, 0)) for partition, end in ends.items()))


def lag(behind: int, limit: int = LARGEST_LAG) -> Verdict:
    """Whether a reader is close to the end of its topic. `behind` counts messages."""
    facts = {"messages_behind": behind, "limit": limit}
    if behind > limit:
        return Verdict(False, f"{behind} messages behind, more than {limit}", facts)
    return Verdict(True, f"{behind} messages behind", facts)


def reported_lag(alive: Verdict) -> Verdict:
    """The lag a process states in its health file, judged."""
    behind = alive.facts.get("lag")
    if not isinstance(behind, int):
        return Verdict(False, "the process does not say how far behind it is", alive.facts)
    return lag(behind)
