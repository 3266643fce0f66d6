"""The Delta commits of one micro-batched table, and what they say of where it stands.

Belongs here: one commit once per batch number, the note each commit carries, the position of a table, replacing an
hour. Does not belong here: the order of effects (`writer.py`), judging rows.

Without Spark: a commit of a few thousand rows takes a tenth of a second here and a running session's seconds there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from media_analytics.errors import DataLossError
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.settings import Settings
from spark_jobs import io
from spark_jobs.user_events import positions
from spark_jobs.user_events.positions import Bounds

POISONED_AT_MOST = 100


@dataclass(frozen=True)
class Batch:
    """A committed batch: its bounds, rows by arrival hour, letters, and how many of them only the audit refused."""

    bounds: Bounds
    version: int
    hours: Mapping[str, int]
    letters: int
    poison: int
    written_at: datetime
    # Newest batches with records that only the audit refused: number -> how many, written when. Each note carries on
    # those of its last one, so the newest commit tells of a day.
    poisoned: Mapping[int, tuple[int, datetime]]

    def poisoned_since(self, moment: datetime) -> dict[int, tuple[int, datetime]]:
        """Those written after `moment`, at most `POISONED_AT_MOST`."""
        found = {number: said for number, said in sorted(self.poisoned.items()) if said[1] > moment}
        return dict(list(found.items())[-POISONED_AT_MOST:])


class Store:
    """The table and its touched dates. The caller makes sure that one process writes them at a time."""

    def __init__(self, settings: Settings, table: MicroBatched) -> None:
        """Keep the addresses; open nothing."""
        self.table = table
        self.path = settings.lake.table_path(table.contract.layer, table.contract.name)
        # None: rows of this table touch no dates.
        dates = table.dates
        self.dates_path = None if dates is None else settings.lake.table_path(dates.layer, dates.name)

    def position(self) -> Bounds | None:
        """The bounds of the newest batch in the table; None before the first.

        Raises:
            DataLossError: the table holds rows, and its log does not say where they end.
        """
        return positions.last_batch(self.path, self.table.application, self.fix)

    def announced(self) -> Bounds | None:
        """The bounds of the newest batch in the dates table; None before the first, and without such a table."""
        if self.dates_path is None:
            return None
        return positions.last_batch(self.dates_path, self.table.application, self.fix)

    def batches(self, after: int, most: int) -> list[Batch]:
        """Up to `most` newest batches with a number above `after`, oldest first."""
        found: dict[int, Batch] = {}
        for version, note in io.notes(self.path, 2 * most):
            bounds = positions.of_note(note, self.table.application)
            if bounds is None or "maintenance" in note:
                continue
            if bounds.number <= after or len(found) == most:
                break
            found[bounds.number] = Batch(
                bounds,
                version,
                note.get("hours", {}),
                int(note.get("letters", 0)),
                int(note.get("poison", 0)),
                datetime.fromisoformat(note["written_at"]),
                {
                    int(number): (int(count), datetime.fromisoformat(at))
                    for number, (count, at) in note.get("poisoned", {}).items()
                },
            )
        return [found[number] for number in sorted(found)]

    def newest(self) -> Batch | None:
        """The newest batch in the table; None before the first."""
        # Commits of maintenance lie between batches, a few at most.
        return next(reversed(self.batches(-1, 10)), None)

    def append(
        self, path: str, rows: pa.Table, bounds: Bounds, note: str, application: str | None = None
    ) -> None:
        """One commit under the batch's number; nothing when it stands already.

        Raises:
            DataLossError: the number was committed with other bounds: two processes write the table.
        """
        name = application or self.table.application
        delta = DeltaTable(io.delta_uri(path))
        stands = delta.transaction_version(name)
        if stands is None or stands < bounds.number:
            write_deltalake(
                delta, rows, mode="append", commit_properties=_properties(note, name, bounds.number)
            )
        found = positions.last_batch(path, self.table.application, self.fix)
        if found != bounds:
            raise DataLossError(
                f"batch {bounds.number} of {path} was written by another process ({found}; ours is {bounds}): two "
                "processes write one table. This run stops; the next goes on from the table"
            )

    def replace_hour(self, hour: str, rows: pa.Table, reason: str) -> None:
        """Replace one arrival hour in one commit, which carries the newest batch's note on."""
        note = self.carried(self.path, reason)
        write_deltalake(
            DeltaTable(io.delta_uri(self.path)),
            rows,
            mode="overwrite",
            predicate=f"appended_hour = '{hour}'",
            commit_properties=CommitProperties(custom_metadata={"userMetadata": note}),
        )

    def announce(self, rows: pa.Table, reason: str) -> None:
        """Append rows to the dates table outside any batch; nothing when rows touch no dates."""
        if self.dates_path is None:
            return
        note = self.carried(self.dates_path, reason)
        write_deltalake(
            DeltaTable(io.delta_uri(self.dates_path)),
            rows,
            mode="append",
            commit_properties=CommitProperties(custom_metadata={"userMetadata": note}),
        )

    def carried(self, path: str, reason: str) -> str:
        """The note of the newest batch, carried on by a commit of maintenance."""
        last = positions.last_batch(path, self.table.application, self.fix)
        return (
            last.note(self.table.application, maintenance=reason)
            if last
            else json.dumps({"maintenance": reason})
        )

    def rows_of_hour(self, hour: str) -> pa.Table:
        """What the table holds of an arrival hour."""
        data = DeltaTable(io.delta_uri(self.path)).to_pyarrow_dataset()
        return data.to_table(filter=pc.field("appended_hour") == hour)

    def fix(self, offsets: str) -> str:
        """What to do when records are lost; `offsets` is JSON or the word for it."""
        config = json.dumps({"action": "go_on_at", "offsets": "OFFSETS"}).replace('"OFFSETS"', offsets)
        return (
            "Nothing was changed. When you know where to go on, launch the job `micro_batch_maintenance` with the "
            f"config {config} for the op `maintain_{self.table.contract.name}`."
        )


def _properties(note: str, application: str, number: int) -> CommitProperties:
    return CommitProperties(
        custom_metadata={"userMetadata": note}, app_transactions=[Transaction(application, number)]
    )
