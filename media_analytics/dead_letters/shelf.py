"""Where dead letters lie: `bronze.dead_letters`, read within bounds and without Spark.

Belongs here: which partitions and columns a question needs. Does not belong here: what a group is (`groups.py`), what a
listing may show (`views.py`). Listings never read the originals; a question about single letters reads those rows only.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from media_analytics.contracts.registry import table
from media_analytics.dead_letters.groups import Fingerprint, Group, Selection, fingerprint
from media_analytics.errors import MediaAnalyticsError
from media_analytics.partitions import hour_of
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings

LETTERS = table("bronze.dead_letters")
# About 500 bytes of memory each.
MOST_LETTERS = 1_000_000
_SIGNS = ["source", "source_topic", "reason", "field", "producer", "stage"]
_LISTED = [*_SIGNS, "letter_id", "received_at", "appended_at"]
_BATCH_ROWS = 256
_HOUR = timedelta(hours=1)


class Shelf:
    """The letters of one installation as they stand now."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; open the table with the first question."""
        self._settings = settings
        self._log = DeltaLog(settings)

    def groups(self, selection: Selection) -> list[Group]:
        """Groups of the selected letters, those with most letters left first.

        Raises:
            MediaAnalyticsError: the time holds more letters than can be counted at once.
        """
        rows = self._listed(selection)
        keys = [*_SIGNS]
        counted = rows.group_by(keys).aggregate(
            [("letter_id", "count_distinct"), ("received_at", "min"), ("received_at", "max")]
        )
        found: dict[Fingerprint, Group] = {}
        for row in counted.to_pylist():
            sign = fingerprint(row)
            if not selection.takes(sign):
                continue
            group = Group(
                sign, row["letter_id_count_distinct"], 0, row["received_at_min"], row["received_at_max"]
            )
            found[sign] = _together(found[sign], group) if sign in found else group
        return sorted(found.values(), key=lambda g: (g.recovered - g.letters, g.fingerprint.code))

    def letters(self, selection: Selection, most: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows of the selected letters with their originals, one a letter, oldest first; at most the newest `most`."""
        is_taken: dict[tuple[Any, ...], bool] = {}
        hours: dict[str, str] = {}
        for batch in self._listed(selection).sort_by("received_at").to_batches(_BATCH_ROWS):
            for row in batch.to_pylist():
                sign = tuple(row[name] for name in _SIGNS)
                if sign not in is_taken:
                    is_taken[sign] = selection.takes(fingerprint(row))
                if is_taken[sign]:
                    hours.setdefault(row["letter_id"], hour_of(row["appended_at"]))
        wanted = list(hours)[-most:] if most is not None else list(hours)
        for begin in range(0, len(wanted), _BATCH_ROWS):
            part = wanted[begin : begin + _BATCH_ROWS]
            yield from self._full(part, sorted({hours[id_] for id_ in part}))

    def _full(self, ids: list[str], hours: list[str]) -> Iterator[dict[str, Any]]:
        """Whole rows of a few letters, in the order of `ids`; of one that came several times its first row."""
        data = self._table.to_pyarrow_dataset()
        where = pc.field("appended_hour").isin(hours) & pc.field("letter_id").isin(ids)
        found: dict[str, dict[str, Any]] = {}
        for row in data.to_table(list(LETTERS.column_names), filter=where).to_pylist():
            stood = found.get(row["letter_id"])
            if stood is None or row["received_at"] < stood["received_at"]:
                found[row["letter_id"]] = row
        yield from (found[id_] for id_ in ids if id_ in found)

    def _listed(self, selection: Selection) -> pa.Table:
        """The columns of a listing, one row a message, from the selection's first hour on."""
        now = datetime.now(UTC)
        first = selection.since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        hours = [hour_of(first + n * _HOUR) for n in range((now - first) // _HOUR + 2)] if first < now else []
        counts = self._log.row_counts(LETTERS, self._table.version())
        if (count := sum(counts.get(hour, 0) for hour in hours)) > MOST_LETTERS:
            raise MediaAnalyticsError(
                f"{count:,} letters since {selection.since:%Y-%m-%d %H:%M} UTC; at most {MOST_LETTERS:,} are looked at "
                "together: choose a later --since"
            )
        where = pc.field("appended_hour").isin(hours) & (pc.field("appended_at") >= selection.since)
        if selection.letters:
            where = where & pc.field("letter_id").isin(sorted(selection.letters))
        if selection.rule is not None:
            where = where & (pc.field("reason") == selection.rule)
        return self._table.to_pyarrow_dataset().to_table(_LISTED, filter=where)

    @cached_property
    def _table(self) -> DeltaTable:
        path = self._settings.lake.table_path(LETTERS.layer, LETTERS.name)
        return DeltaTable(path.replace("s3a://", "s3://", 1))


def _together(a: Group, b: Group) -> Group:
    return Group(
        a.fingerprint,
        a.letters + b.letters,
        a.recovered + b.recovered,
        min(a.first_seen_at, b.first_seen_at),
        max(a.last_seen_at, b.last_seen_at),
    )
