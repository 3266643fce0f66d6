"""Filling the stores with traffic: which statements, in which order.

Belongs here: the order of effects, what may be replaced. Does not belong here: SQL of rows, connections.

Effects, in this order; a run that was killed is repaired by running again:
1. refuse   where a table holds a row that no earlier run made;
2. note     in `generated.runs` that a run began: from here on the tables are its own;
3. empty    the tables;
4. fill     chunk by chunk the live events, sessions and what is kept for the sums; then the sums;
5. note     how many rows each table has.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from media_analytics.errors import MediaAnalyticsError
from media_analytics.generators.traffic import (
    articles,
    events,
    families,
    reader_tables,
    sessions,
    subscriptions,
    videos,
)
from media_analytics.generators.traffic.options import Generated, Options

LIVE = ("user_events", *families.SHARES)
COPIES = (
    "sessions", "reader_sessions", "reader_engagement", "reader_geography", "reader_devices", "reader_sources",
    "reader_subscriptions", "subscriptions", "content", *videos.TABLES,
)  # fmt: skip
TABLES = (*(f"realtime.{name}" for name in LIVE), *(f"warehouse.{name}" for name in COPIES))
DATABASE, LEDGER = "generated", "generated.runs"
_SCRATCH = (
    events.EVENTS, sessions.NUMBERED, sessions.PAGES, subscriptions.CHANGES, subscriptions.SEEN, videos.ROWS,
)  # fmt: skip
# Events of readers made at once: bounds memory whatever their number.
CHUNK_EVENTS = 500_000
# Events whose dates are summed at once.
DATES_EVENTS = 1_000_000
# Events made so far, events wanted.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Store:
    """How statements reach ClickHouse: `run` changes, `rows` asks."""

    run: Callable[[str], None]
    rows: Callable[[str], Sequence[Sequence[Any]]]

    def count(self, table: str, condition: str = "1") -> int:
        """Rows of a table."""
        return int(self.rows(f"SELECT count() FROM {table} WHERE {condition}")[0][0])


def generate(options: Options, store: Store, progress: Progress | None = None) -> Generated:
    """Fill the tables, in place of what an earlier run put there.

    Raises:
        MediaAnalyticsError: a table is missing, or holds rows that were not made here.
    """
    refuse_others(store)
    store.run(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    store.run(
        f"CREATE TABLE IF NOT EXISTS {LEDGER} (began_at DateTime64(6, 'UTC'), is_whole Bool, seed UInt64, days UInt32, "
        "until DateTime64(6, 'UTC'), rows Map(String, UInt64)) ENGINE = MergeTree ORDER BY began_at"
    )
    _note(options, store, {})
    for table in TABLES:
        store.run(f"TRUNCATE TABLE {table}")
    for statement in (events.create(), *sessions.create(), *subscriptions.create(), videos.create()):
        store.run(statement)
    result = Generated()
    for made in _chunks(options, store):
        result.events += made
        if progress is not None:
            progress(min(result.events, options.events), options.events)
    for statement in _sums(options):
        store.run(statement)
    for table in _SCRATCH:
        store.run(f"DROP TABLE {table} SYNC")
    result.rows = {table: store.count(table) for table in TABLES}
    _note(options, store, result.rows)
    return result


def refuse_others(store: Store) -> None:
    """Check that every table is empty or holds only what an earlier run made.

    Raises:
        MediaAnalyticsError: a table is missing, or holds other rows.
    """
    there = {
        str(row[0])
        for row in store.rows(
            "SELECT concat(database, '.', name) FROM system.tables WHERE database IN "
            f"('realtime', 'warehouse', '{DATABASE}')"
        )
    }
    missing = sorted({*TABLES} - there)
    if missing:
        raise MediaAnalyticsError(
            f"{', '.join(missing)} are not in ClickHouse yet: start the platform with `media-analytics up`, which "
            "makes every table, and run this again"
        )
    noted = (
        store.rows(f"SELECT is_whole, rows FROM {LEDGER} ORDER BY began_at DESC, is_whole DESC LIMIT 1")
        if LEDGER in there
        else []
    )
    found = {table: store.count(table) for table in TABLES}
    others = [
        f"realtime.{n}" for n in LIVE if store.count(f"realtime.{n}", f"source_topic != '{events.TOPIC}'")
    ]
    if not noted:
        others += [table for table, rows in found.items() if rows]
    elif noted[0][0]:
        others += [table for table, rows in found.items() if rows not in (0, noted[0][1].get(table, 0))]
    if others:
        raise MediaAnalyticsError(
            f"{', '.join(dict.fromkeys(others))} hold rows that were not generated, and generated traffic never mixes "
            "with other traffic: use a new home (MEDIA_ANALYTICS_HOME=<folder> media-analytics up) and generate there"
        )


def _chunks(options: Options, store: Store) -> Iterator[int]:
    """Fill chunk by chunk until there are enough events; how many each made."""
    made, first_visit = 0, 0
    while made < options.events:
        # One hundredth more than needed, so that a last, tiny range is seldom.
        wanted = 1.01 * min(CHUNK_EVENTS, options.events - made)
        of_a_visit = made / first_visit if made else events.EVENTS_OF_A_VISIT
        visits = max(10, int(wanted / of_a_visit))
        for table in (events.EVENTS, sessions.NUMBERED):
            store.run(f"TRUNCATE TABLE {table}")
        for statement in (
            events.insert(options, first_visit, visits),
            events.insert_live(options),
            sessions.number(),
            sessions.insert_sessions(),
            sessions.insert_pages(),
            *subscriptions.collect(),
        ):
            store.run(statement)
        count = store.count(events.EVENTS)
        made, first_visit = made + count, first_visit + visits
        yield count


def _sums(options: Options) -> Iterator[str]:
    yield articles.insert_content(options)
    yield subscriptions.insert_subscriptions()
    yield subscriptions.insert_reader_subscriptions(options)
    dates = options.dates
    at_once = max(1, DATES_EVENTS * len(dates) // options.events)
    for n in range(0, len(dates), at_once):
        part = dates[n : n + at_once]
        yield from reader_tables.inserts(part[0], part[-1])
    yield from videos.inserts(options)
    for family in families.SHARES:
        yield families.insert(options, family)


def _note(options: Options, store: Store, rows: Mapping[str, int]) -> None:
    listed = ", ".join(f"'{table}', {count}" for table, count in rows.items())
    store.run(
        f"INSERT INTO {LEDGER} SELECT now64(6, 'UTC'), {bool(rows)}, {options.seed}, {options.days}, "
        f"fromUnixTimestamp64Micro({options.until_microsecond}, 'UTC'), map({listed})"
    )
