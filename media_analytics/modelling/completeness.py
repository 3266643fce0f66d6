"""What rows of `ops.completeness` say of a topic and a store.

Belongs here: adding up judged minutes. Does not belong here: judging them (`checks/completeness.py`), reading them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

STORES = ("realtime", "lake")


@dataclass
class Proof:
    """What the judged minutes of one topic say of one store."""

    topic: str
    store: str
    minutes: int = 0
    messages: int = 0
    missing: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    judged_through: datetime | None = None
    # Minutes that are red: partition and offsets to look at.
    red: list[dict[str, Any]] = field(default_factory=list)


def summed(rows: Iterable[Mapping[str, Any]]) -> list[Proof]:
    """Rows of ops.completeness by topic and store; a store that a topic's contract does not name is left out."""
    found: dict[tuple[str, str], Proof] = {}
    for row in sorted(rows, key=lambda r: (r["topic"], r["minute"], r["partition"])):
        for store in STORES:
            if row[f"missing_{store}"] is None:
                continue
            proof = found.setdefault((row["topic"], store), Proof(row["topic"], store))
            proof.minutes += 1
            proof.messages += row["kafka_count"]
            proof.missing += row[f"missing_{store}"]
            proof.duplicates += row[f"duplicates_{store}"]
            proof.dead_letters += row["dead_letters_enricher"] + row[f"dead_letters_{store}"]
            proof.judged_through = row["minute"] + timedelta(minutes=1)
            if row[f"missing_{store}"] or row[f"duplicates_{store}"]:
                proof.red.append(
                    {
                        "minute": row["minute"],
                        "partition": row["partition"],
                        "first_offset": row["first_offset"],
                        "last_offset": row["last_offset"],
                        "missing": row[f"missing_{store}"],
                        "duplicates": row[f"duplicates_{store}"],
                    }
                )
    return [found[key] for key in sorted(found)]
