"""What rows of `ops.completeness` say of a topic and a store.

Belongs here: choosing and adding up judged minutes. Does not belong here: judging them (`checks/completeness.py`),
reading them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

STORES = ("realtime", "lake")
# A count that is not known is no zero.
_KNOWN = pc.ScalarAggregateOptions(skip_nulls=False)


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


def since(rows: pa.Table, start: datetime) -> pa.Table:
    """Rows of ops.completeness whose minute began at `start` (UTC) or later."""
    return rows.filter(pc.field("minute") >= pa.scalar(start, pa.timestamp("us", "UTC")))


def summed(rows: pa.Table) -> list[Proof]:
    """Rows of ops.completeness by topic and store; a store that a topic's contract does not name is left out."""
    found = (proof for store in STORES for proof in _of_store(rows, store))
    return sorted(found, key=lambda p: (p.topic, p.store))


def _of_store(rows: pa.Table, store: str) -> Iterator[Proof]:
    missing, duplicates = f"missing_{store}", f"duplicates_{store}"
    judged = rows.filter(pc.field(missing).is_valid())
    letters = pc.add(judged["dead_letters_enricher"], judged[f"dead_letters_{store}"])
    counts = ("kafka_count", missing, duplicates, "letters")
    sums = (
        judged.append_column("letters", letters)
        .group_by("topic")
        .aggregate([("minute", "count"), ("minute", "max"), *((name, "sum", _KNOWN) for name in counts)])
    )
    red = judged.filter((pc.field(missing) > 0) | (pc.field(duplicates) > 0)).sort_by(
        [("minute", "ascending"), ("partition", "ascending")]
    )
    places: dict[str, list[dict[str, Any]]] = {}
    for row in red.to_pylist():
        place = {name: row[name] for name in ("minute", "partition", "first_offset", "last_offset")}
        counted = {"missing": row[missing], "duplicates": row[duplicates]}
        places.setdefault(row["topic"], []).append(place | counted)
    for row in sums.to_pylist():
        yield Proof(
            topic=row["topic"],
            store=store,
            minutes=row["minute_count"],
            messages=int(row["kafka_count_sum"]),
            missing=int(row[f"{missing}_sum"]),
            duplicates=int(row[f"{duplicates}_sum"]),
            dead_letters=int(row["letters_sum"]),
            judged_through=row["minute_max"] + timedelta(minutes=1),
            red=places.get(row["topic"], []),
        )
