"""Where dead letters lie: `bronze.dead_letters`, read within bounds and without Spark.

Belongs here: which partitions and columns a question needs. Does not belong here: what a group is (`groups.py`), what a
listing may show (`views.py`). Listings never read the originals; a question about single letters reads those rows only.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from media_analytics.contracts.registry import table
from media_analytics.dead_letters.groups import Fingerprint, Group, Selection, fingerprint
from media_analytics.dead_letters.ledger import Ledger
from media_analytics.errors import MediaAnalyticsError
from media_analytics.resources.addresses import without_hadoop
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings

LETTERS = table("bronze.dead_letters")
# About 500 bytes of memory each.
MOST_LETTERS = 1_000_000
_SIGNS = ["source", "source_topic", "reason", "field", "producer", "stage"]
_LISTED = [*_SIGNS, "letter_id", "received_at", "appended_at"]
_LISTED_ROWS = 4096
# An original has up to 256 KiB.
_WHOLE_ROWS = 64
_HOUR = timedelta(hours=1)


class Shelf:
    """The letters of one installation as they stand now."""

    def __init__(self, settings: Settings) -> None:
        """Keep the address; open the table with the first question."""
        self._settings = settings
        self._log = DeltaLog(settings)
        self._ledger = Ledger(settings)

    def groups(self, selection: Selection) -> list[Group]:
        """Groups of the selected letters with those that are events again, most letters left first.

        Raises:
            MediaAnalyticsError: the time holds more letters than can be counted at once.
        """
        rows = self._listed(selection)
        events = pa.array(sorted(self._ledger.recovered(selection.since)), pa.string())
        counted = _counted(rows)
        done = {_sign(row): row["letter_id_count_distinct"] for row in _counted(rows.filter(_is_in(events)))}
        found: dict[Fingerprint, Group] = {}
        for row in counted:
            sign = fingerprint(row)
            if not selection.takes(sign):
                continue
            group = Group(
                sign,
                row["letter_id_count_distinct"],
                done.get(_sign(row), 0),
                row["received_at_min"],
                row["received_at_max"],
            )
            found[sign] = _together(found[sign], group) if sign in found else group
        return sorted(found.values(), key=lambda g: (g.recovered - g.letters, g.fingerprint.code))

    def letters(self, selection: Selection, most: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows of the selected letters with their originals, once each, hour by hour.

        Of an input that was sent several times it is the first one. With `most`, the newest that many, oldest first.
        """
        first: dict[str, tuple[datetime, str]] = {}
        is_taken: dict[tuple[Any, ...], bool] = {}
        for batch in self._listed(selection).to_batches(_LISTED_ROWS):
            for row in batch.to_pylist():
                sign = _sign(row)
                if sign not in is_taken:
                    is_taken[sign] = selection.takes(fingerprint(row))
                if is_taken[sign]:
                    came = (row["received_at"], _hour(row["appended_at"]))
                    first[row["letter_id"]] = min(came, first.get(row["letter_id"], came))
        if most is not None:
            first = dict(sorted(first.items(), key=lambda one: one[1])[-most:])
        hours = sorted({hour for _, hour in first.values()})
        found = (letter for hour in hours for letter in self._of_hour(hour, first))
        yield from found if most is None else sorted(found, key=lambda letter: letter["received_at"])

    def _of_hour(self, hour: str, first: dict[str, tuple[datetime, str]]) -> Iterator[dict[str, Any]]:
        """Whole rows of the letters that came first in an hour; takes them out of `first`."""
        batches = self._table.to_pyarrow_dataset().to_batches(
            list(LETTERS.column_names),
            filter=pc.field("appended_hour") == hour,
            batch_size=_WHOLE_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
        )
        for batch in batches:
            ids, came = batch.column("letter_id").to_pylist(), batch.column("received_at").to_pylist()
            for place, (letter_id, received_at) in enumerate(zip(ids, came, strict=True)):
                if first.get(letter_id) == (received_at, hour):
                    del first[letter_id]
                    yield batch.slice(place, 1).to_pylist()[0]

    def _listed(self, selection: Selection) -> pa.Table:
        """The columns of a listing, one row a message, from the selection's first hour on."""
        now = datetime.now(UTC)
        first = selection.since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        hours = [_hour(first + n * _HOUR) for n in range((now - first) // _HOUR + 2)] if first < now else []
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
        try:
            return DeltaTable(without_hadoop(path))
        except TableNotFoundError as error:
            raise MediaAnalyticsError(
                f"{LETTERS.full_name} does not exist at {path}; run `media-analytics contracts apply`"
            ) from error


def _counted(rows: pa.Table) -> list[dict[str, Any]]:
    """Distinct letters, first and last time, by everything a fingerprint is made of."""
    facts = [("letter_id", "count_distinct"), ("received_at", "min"), ("received_at", "max")]
    return list(rows.group_by(_SIGNS).aggregate(facts).to_pylist())


def _is_in(letters: pa.Array) -> pc.Expression:
    return pc.field("letter_id").isin(letters)


def _sign(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _SIGNS)


def _hour(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H}"


def _together(a: Group, b: Group) -> Group:
    return Group(
        a.fingerprint,
        a.letters + b.letters,
        a.recovered + b.recovered,
        min(a.first_seen_at, b.first_seen_at),
        max(a.last_seen_at, b.last_seen_at),
    )
