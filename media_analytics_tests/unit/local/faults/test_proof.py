"""The comparison of a store with Kafka's offsets and the acknowledged ids."""

import pyarrow as pa

from media_analytics.local.faults.proof import Held, compared, coordinates_of

SENT = ["a", "b", "c", "d"]
# Partition 0 held five records before the load, partition 1 none.
BEFORE = {0: 5, 1: 0}
WANTED = coordinates_of({0: (5, 7), 1: (0, 2)})
GOOD = [(0, 5, "a"), (0, 6, "b"), (1, 0, "c"), (1, 1, "d")]


def _held(rows: list[tuple[int, int, str]], store: str = "bronze.user_events") -> Held:
    partitions, offsets, ids = zip(*rows, strict=True)
    table = pa.table(
        {
            "source_partition": pa.array(partitions, pa.int32()),
            "source_offset": pa.array(offsets, pa.int64()),
            "event_id": ids,
        }
    )
    return compared(store, table, BEFORE, WANTED, pa.array(SENT))


def test_a_store_that_has_everything_once_is_whole() -> None:
    assert _held(GOOD) == Held("bronze.user_events", 4, 0, 0, 0, 0, 0, is_unique=False)
    assert _held(GOOD).is_whole


def test_a_missing_row_is_a_missing_coordinate_and_a_missing_event() -> None:
    found = _held(GOOD[:-1])
    assert (found.coordinates_missing, found.events_missing, found.is_whole) == (1, 1, False)


def test_a_row_twice_is_a_duplicated_coordinate() -> None:
    found = _held([*GOOD, GOOD[0]])
    assert (found.coordinates_duplicated, found.is_whole) == (1, False)


def test_an_event_that_was_sent_again_has_two_coordinates_in_bronze_and_one_row_in_silver() -> None:
    """Bronze keeps every record; in silver the same two rows are an error."""
    table = coordinates_of({0: (5, 8), 1: (0, 2)})
    again = [*GOOD, (0, 7, "a")]
    rows = pa.table({"source_partition": [r[0] for r in again], "source_offset": [r[1] for r in again]})
    rows = rows.append_column("event_id", pa.array([r[2] for r in again]))
    bronze = compared("bronze.user_events", rows, BEFORE, table, pa.array(SENT))
    assert (bronze.events_again, bronze.is_whole) == (1, True)
    silver = compared("silver.events", rows, BEFORE, table, pa.array(SENT))
    assert (silver.events_again, silver.is_whole) == (1, False)
    assert compared("silver.events", rows.slice(0, 4), BEFORE, table, pa.array(SENT)).is_whole


def test_an_event_that_nobody_sent_is_not_whole() -> None:
    found = _held([*GOOD[:-1], (1, 1, "x")])
    assert (found.events_unknown, found.events_missing, found.is_whole) == (1, 1, False)


def test_rows_from_before_the_load_are_left_out() -> None:
    assert _held([(0, 4, "old"), *GOOD]) == _held(GOOD)
