"""Rows that must end in quarantine.

Belongs here: every way in which a row can be wrong, and making a stated number of rows wrong in one way each. Does not
belong here: what the platform does with them; oddities that are not wrong (spellings, copies, unknown ids).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from media_analytics.generators.video.chance import DAY_US, Ints, Stream

Change = Callable[[pa.Table, str, Ints], pa.Array]


@dataclass(frozen=True)
class Kind:
    """One way to be wrong: the column, and its values for the rows. `text` is written as it is, in CSV files only."""

    name: str
    column: str
    change: Change | None = None
    text: str | None = None


@dataclass
class Spoiled:
    """A table with wrong rows, the texts that replace typed values in a CSV file, and how many there are of a kind."""

    table: pa.Table
    texts: dict[str, dict[int, str]]
    kinds: Counter[str]


def _always(value: object) -> Change:
    """The same value in each row."""
    return lambda table, column, rows: pa.array([value] * len(rows), table.schema.field(column).type)


def _a_day_off(table: pa.Table, column: str, rows: Ints) -> pa.Array:
    """The instant one day later or earlier."""
    instants = np.asarray(table[column].combine_chunks().take(pa.array(rows)).cast(pa.int64()))
    moved = instants + np.where(rows % 2 == 0, DAY_US, -DAY_US)
    return pa.array(moved, pa.int64()).cast(table.schema.field(column).type)


def _more_than(other: str) -> Change:
    """One more than another column of the row."""
    return lambda table, column, rows: pc.add(table[other].combine_chunks().take(pa.array(rows)), 1)


def _nulls(*columns: str) -> tuple[Kind, ...]:
    return tuple(Kind("null_value", column, _always(None)) for column in columns)


def _keys(*columns: str) -> tuple[Kind, ...]:
    nulls = tuple(Kind("null_key", column, _always(None)) for column in columns)
    return nulls + tuple(Kind("blank_key", column, _always("  ")) for column in columns)


def _negatives(*columns: str) -> tuple[Kind, ...]:
    return tuple(Kind("negative", column, _always(-1)) for column in columns)


def _texts(**columns: str) -> tuple[Kind, ...]:
    return tuple(Kind("unparsed", column, text=text) for column, text in columns.items())


KINDS: dict[str, tuple[Kind, ...]] = {
    "assets": (
        *_keys("asset_id"), *_negatives("duration_seconds"),
        *_texts(duration_seconds="3:25", is_premium="vielleicht", updated_at="gestern"),
    ),
    "devices": (
        *_keys("device_id"), *_negatives("screen_width", "screen_height"),
        *_texts(screen_width="1920px", updated_at="2026-13-01T00:00:00Z"),
    ),
    "geo": (*_keys("geo_id"), *_texts(updated_at="0")),
    "delivery": (
        *_keys("delivery_id"), *_nulls("date", "requested_at", "http_status"),
        Kind("wrong_date", "requested_at", _a_day_off),
        *_negatives(
            "bytes_sent", "response_ms", "startup_ms", "played_ms", "rebuffer_count", "rebuffer_ms", "bitrate_kbps"
        ),
        *(Kind("http_status_out_of_range", "http_status", _always(status)) for status in (0, 99, 600, 1000)),
        *_texts(
            http_status="OK", bytes_sent="12.5", response_ms="99999999999", played_ms="1e3x", startup_ms="n/a",
            date="31.12.2026", requested_at="2026-01-01 noon",
        ),
    ),
    "metrics": (
        *_keys("asset_id", "device_id", "geo_id"), *_nulls("date"),
        *_negatives("impressions", "plays", "watch_seconds", "ad_revenue_eur"),
        Kind("not_a_number", "watch_seconds", _always(float("nan"))),
        Kind("not_a_number", "ad_revenue_eur", _always(float("inf"))),
        Kind("not_a_number", "watch_seconds", _always(float("-inf"))),
        Kind("completions_over_plays", "completions", _more_than("plays")),
        *_texts(plays="viele", watch_seconds="1.234,5", likes="1 000"),
    ),
}  # fmt: skip


def names(dataset: str, *, csv: bool) -> set[str]:
    """The kinds a file can have: a typed file holds no value that does not parse."""
    return {kind.name for kind in KINDS[dataset] if csv or kind.text is None}


def spoil(table: pa.Table, dataset: str, share: float, chance: Stream, *, csv: bool) -> Spoiled:
    """Make the share of the rows wrong, rounded down, one kind after the other; the first rows stay good.

    The kind to begin with differs from table to table, so that many small files have them all.
    """
    count = int(table.num_rows * share)
    spoiled = Spoiled(table, {}, Counter())
    if not count:
        return spoiled
    kinds = [kind for kind in KINDS[dataset] if csv or kind.text is None]
    places = np.sort(np.argsort(chance.fractions(table.num_rows), kind="stable")[:count])
    first = int(chance.below(1, len(kinds))[0])
    for number in range(min(len(kinds), count)):
        kind = kinds[(first + number) % len(kinds)]
        rows = places[number :: len(kinds)]
        spoiled.kinds[kind.name] += len(rows)
        if kind.change is None:
            spoiled.texts.setdefault(kind.column, {}).update(dict.fromkeys(rows.tolist(), kind.text or ""))
            continue
        mask = np.zeros(table.num_rows, bool)
        mask[rows] = True
        at = spoiled.table.schema.get_field_index(kind.column)
        column = pc.replace_with_mask(
            spoiled.table.column(at).combine_chunks(), pa.array(mask), kind.change(table, kind.column, rows)
        )
        spoiled.table = spoiled.table.set_column(at, table.schema.field(at), column)
    return spoiled
