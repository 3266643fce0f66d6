"""What each store holds of a load, compared with what was acknowledged and with Kafka's own offsets.

Belongs here: the comparison, in sets, of every coordinate and every event id. Does not belong here: the judgement of
closed minutes that runs all the time (`media_analytics.checks`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from media_analytics.contracts.registry import table
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import Settings

STORES = ("realtime.user_events", "bronze.user_events", "silver.events")
TOPIC = "user.raw"
_COLUMNS = ("source_partition", "source_offset", "event_id")
# Offsets have fewer than 48 bits for some time to come.
_OFFSET_BITS = 48


@dataclass(frozen=True)
class Held:
    """What one store holds, each number of rows, coordinates or events.

    In silver an event stands once, so of an event that was sent again only one coordinate is there: the missing ones
    are counted by event.
    """

    store: str
    rows: int
    coordinates_missing: int | None
    coordinates_duplicated: int
    events_missing: int
    # Rows of an event that has one already; a request that was sent again makes them in the first two stores.
    events_again: int
    # Events that nobody sent.
    events_unknown: int
    # True where an event may stand only once.
    is_unique: bool

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, nothing is doubled and nothing was made up."""
        wrong = (self.coordinates_missing or 0) + self.coordinates_duplicated + self.events_missing
        return not (wrong or self.events_unknown or (self.is_unique and self.events_again))


def held(
    settings: Settings, acknowledged: list[str], before: Mapping[int, int], stores: Iterable[str] = STORES
) -> list[Held]:
    """Stores against the records of user.raw since `before` (offset by partition) and the acknowledged ids."""
    end = KafkaLog(settings).end_offsets(TOPIC)
    wanted = coordinates_of({p: (before.get(p, 0), end[p]) for p in end})
    sent = pa.array(acknowledged, pa.string())
    return [compared(store, _rows(settings, store), before, wanted, sent) for store in stores]


def letters(settings: Settings) -> int:
    """Dead letters of any stage: valid events make none."""
    kafka = KafkaLog(settings)
    return sum(kafka.end_offsets("dead_letters").values()) - sum(kafka.first_offsets("dead_letters").values())


def coordinates_of(ranges: Mapping[int, tuple[int, int]]) -> NDArray[np.int64]:
    """Every coordinate of `[first, end)` of each partition, as one number each."""
    parts = [
        np.arange(first, end, dtype=np.int64) + (p << _OFFSET_BITS) for p, (first, end) in ranges.items()
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def compared(
    store: str,
    rows: pa.Table,
    before: Mapping[int, int],
    wanted: NDArray[np.int64],
    sent: pa.Array,
) -> Held:
    """Rows (`source_partition`, `source_offset`, `event_id`) against wanted coordinates and sent ids.

    Rows with an offset below `before` of their partition are older than the load and left out.
    """
    # Of an event that was sent again silver keeps one coordinate.
    is_unique = store.startswith("silver.")
    partitions = rows["source_partition"].to_numpy().astype(np.int64)
    offsets = rows["source_offset"].to_numpy().astype(np.int64)
    is_new = offsets >= _first_offsets(partitions, before.items())
    coordinates = (partitions[is_new] << _OFFSET_BITS) + offsets[is_new]
    distinct = np.unique(coordinates)
    ids = pc.cast(rows["event_id"], pa.string()).filter(pa.array(is_new))
    return Held(
        store=store,
        rows=len(coordinates),
        coordinates_missing=None if is_unique else len(np.setdiff1d(wanted, distinct, assume_unique=True)),
        coordinates_duplicated=int(len(coordinates) - len(distinct)),
        events_missing=_absent(sent, ids),
        events_again=len(ids) - len(pc.unique(ids)),
        events_unknown=_absent(ids, sent),
        is_unique=is_unique,
    )


def _first_offsets(partitions: NDArray[np.int64], before: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    firsts = np.zeros(len(partitions), np.int64)
    for partition, first in before:
        firsts[partitions == partition] = first
    return firsts


def _absent(values: pa.Array | pa.ChunkedArray, others: pa.Array | pa.ChunkedArray) -> int:
    """How many of `values` are not among `others`."""
    known = others.combine_chunks() if isinstance(others, pa.ChunkedArray) else others
    return int(pc.sum(pc.invert(pc.is_in(values, value_set=known))).as_py() or 0)


def _rows(settings: Settings, store: str) -> pa.Table:
    contract = table(store)
    if contract.store == "delta":
        return DeltaLog(settings).rows(contract, _COLUMNS)
    return ClickHouse(settings).arrow(
        f"SELECT source_partition, source_offset, toString(event_id) AS event_id FROM {contract.full_name}",
        comment="faults",
    )
