"""What replays did: `ops.dead_letter_replays`, written by one run at a time and without Spark.

Belongs here: rows of the table, announcing, recovering, dropping. Does not belong here: Kafka (`replay.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings

REPLAYS = table("ops.dead_letter_replays")
ANNOUNCED, RECOVERED = "announced", "recovered"
_KEYS = "target.replay_date = source.replay_date AND target.letter_id = source.letter_id AND target.item = source.item"
_DAY = timedelta(days=1)
# Longer than any letter is kept.
_OLDEST = timedelta(days=40)
Place = tuple[str, int, int]  # topic, partition, offset


@dataclass(frozen=True)
class Known:
    """Events that letters became again (letter and item), and the letters of which none is left.

    `places`: by the place of a record, the row of its event; a record may have letters of several stages.
    """

    events: frozenset[tuple[str, int]] = frozenset()
    letters: frozenset[str] = frozenset()
    places: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)


class Ledger:
    """The table of one installation."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; open the table with the first question."""
        path = settings.lake.table_path(REPLAYS.layer, REPLAYS.name)
        self._uri = without_hadoop(path)
        self._log = DeltaLog(settings)

    def recovered(self, since: datetime) -> frozenset[str]:
        """Letters that were recovered since an instant; a letter is replayed after it came."""
        rows = self._rows(["letter_id", "items", "status"], _days(since))
        done = rows.filter(pc.field("status") == RECOVERED)
        counted = done.group_by("letter_id").aggregate([("items", "max"), ("items", "count")])
        return frozenset(
            counted.filter(pc.field("items_count") >= pc.field("items_max"))["letter_id"].to_pylist()
        )

    def known(self, since: datetime) -> Known:
        """What was recovered since an instant, event by event."""
        names = [name for name in REPLAYS.column_names if name != "patch"]
        rows = self._rows(names, _days(since))
        done = rows.filter(pc.field("status") == RECOVERED).to_pylist()
        places = {place: row for row in done if (place := place_of(row)) is not None}
        events = frozenset((row["letter_id"], row["item"]) for row in done)
        return Known(events, self.recovered(since), places)

    def announced(self, now: datetime) -> list[dict[str, Any]]:
        """Rows of replays that did not come to their end."""
        rows = self._rows(list(REPLAYS.column_names), _days(now - _OLDEST))
        return list(rows.filter(pc.field("status") == ANNOUNCED).to_pylist())

    def letters_of(self, run_id: str, since: datetime) -> int:
        """How many letters a run recovered."""
        rows = self._rows(["letter_id", "run_id", "status"], _days(since))
        mine = rows.filter((pc.field("run_id") == run_id) & (pc.field("status") == RECOVERED))
        return len(set(mine["letter_id"].to_pylist()))

    def _rows(self, columns: list[str], days: list[str]) -> pa.Table:
        """Columns of some days; none before the table is there."""
        try:
            return self._log.rows(REPLAYS, columns, days)
        except TableNotFoundError:
            return table_of([]).select(columns)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One commit with new rows."""
        if rows:
            write_deltalake(DeltaTable(self._uri), table_of(rows), mode="append")

    def update(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One commit that replaces rows by their key."""
        if rows:
            merge = DeltaTable(self._uri).merge(
                table_of(rows), predicate=_KEYS, source_alias="source", target_alias="target"
            )
            merge.when_matched_update_all().execute()

    def drop(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One commit that removes announced rows: their events were never sent, and may be announced again."""
        if rows:
            letters = ", ".join(f"'{letter}'" for letter in sorted({str(row["letter_id"]) for row in rows}))
            DeltaTable(self._uri).delete(f"status = '{ANNOUNCED}' AND letter_id IN ({letters})")


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows in the contract's columns and types."""
    fields = [pa.field(column.name, column.arrow_type, column.nullable) for column in REPLAYS.columns]
    return pa.Table.from_pylist([dict(row) for row in rows], pa.schema(fields))


def place_of(letter: Mapping[str, Any]) -> Place | None:
    """The coordinates of a letter's record in its first topic; None where it never stood in one."""
    if (
        letter["source_topic"] is None
        or letter["source_partition"] is None
        or letter["source_offset"] is None
    ):
        return None
    return (str(letter["source_topic"]), int(letter["source_partition"]), int(letter["source_offset"]))


def key_of(row: Mapping[str, Any]) -> str:
    """What names an event in the header of its message: letters of one record are one event."""
    place = place_of(row)
    return (
        f"{row['letter_id']}/{row['item']}"
        if place is None
        else f"{place[0]}/{place[1]}/{place[2]}/{row['item']}"
    )


def _days(since: datetime) -> list[str]:
    first, today = since.astimezone(UTC).date(), datetime.now(UTC).date()
    return [(first + n * _DAY).isoformat() for n in range(max(0, (today - first).days) + 2)]
