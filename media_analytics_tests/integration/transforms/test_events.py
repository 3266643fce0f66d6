"""silver.events: one copy of each event, the same whichever way the copies came."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics.migrations import lake_tables
from media_analytics.resources.lake import Lake
from media_analytics.settings import Settings
from media_analytics_tests.builders import reference, traffic
from media_analytics_tests.builders.events import at, bronze_event, event_id
from media_analytics_tests.integration.transforms.frames import assert_same_rows, bronze_frame, collected
from spark_jobs.transforms import events as transform
from spark_jobs.transforms import reader_gold
from spark_jobs.transforms import sessions as session_transform

pytestmark = pytest.mark.integration
BUSINESS = [
    c.name
    for c in table("bronze.user_events").columns
    if c.name not in (*transform.ARRIVAL, *transform.COORDINATES)
]
DAY = date(2026, 3, 10)


def copies(
    seed: int, count: int = 300, days: int = 10, moves: Sequence[int] = (-9, -8, -7, -3, 1, 7, 8, 15)
) -> list[dict[str, Any]]:
    """Events of some days with copies: sent again, corrected to another day, equal in time and not in content."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        when = at("05 00:00") + timedelta(seconds=chance.randrange(days * 86400))
        base = traffic.varied_event(chance, number, when, chance.randrange(20))
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            row = dict(base)
            kind = chance.randrange(4)
            if kind == 1:
                row["received_at"] += timedelta(seconds=chance.randrange(3))
            if kind == 2:
                row["occurred_at"] += timedelta(days=chance.choice(moves))
            if kind == 3:
                row["event_id"] = row["event_id"].upper()
                row["title"] = chance.choice(["A", "Ä 'x'", None])
                row["properties"] = {"b": "2", "a": "1"}
            del row["date"]
            place = len(rows)
            rows.append(
                bronze_event(0, row.pop("occurred_at"), **row)
                | {"source_offset": place, "source_partition": 0}
            )
    return rows


def days_of(rows: list[dict[str, Any]]) -> list[date]:
    return sorted({r["occurred_at"].date() for r in rows})


def test_one_copy_stands_for_each_event(spark_session: SparkSession) -> None:
    rows = copies(1)
    found = collected(transform.events(bronze_frame(spark_session, rows), days_of(rows)))
    expected = [
        {**{n: r.get(n) for n in (*BUSINESS, *transform.COORDINATES)}, "event_id": r["event_id"].lower()}
        for r in reference.chosen_copies(rows, BUSINESS)
    ]
    for row in (*found, *expected):
        row["properties"] = dict(row["properties"])
    assert_same_rows(found, expected, ("brand", "event_id", "source_offset"))


def test_a_date_comes_out_the_same_alone_and_in_a_range(spark_session: SparkSession) -> None:
    """Catches a choice that depends on which dates are computed together: copies 8 and 9 days apart."""
    rows = copies(2)
    frame = bronze_frame(spark_session, rows)
    together = collected(transform.events(frame, days_of(rows)))
    for day in (date(2026, 3, 6), DAY):
        near = [r for r in rows if r["occurred_at"].date() in transform.source_dates([day])]
        alone = collected(transform.events(bronze_frame(spark_session, near), [day]))
        assert_same_rows(alone, [r for r in together if r["date"] == day], ("brand", "event_id"))


def test_dates_of_copies_are_named(spark_session: SparkSession) -> None:
    """A better copy under another date takes the place of the stored row: that date is touched too."""
    rows = [
        bronze_event(1, at("10 12:00")),
        bronze_event(1, at("13 12:00")),
        bronze_event(1, at("18 12:00")),
        bronze_event(2, at("11 12:00")),
    ]
    found = transform.copied_dates(bronze_frame(spark_session, rows), [DAY]).collect()
    assert [row["date"] for row in found] == [date(2026, 3, 13)]


def test_copies_too_far_apart_to_be_found_are_counted_up_to_35_days(spark_session: SparkSession) -> None:
    """Both stand in silver.events; 7 days apart is a copy and 36 is out of the search."""
    first = at("10 12:00")
    arrived = [bronze_event(n, first) for n in range(5)]
    apart = {0: 7, 1: 8, 2: -35, 3: 36}
    standing = [bronze_event(n, first + timedelta(days=days)) for n, days in apart.items()]
    frame = bronze_frame(spark_session, standing)
    silver = transform.events(frame, days_of(standing))
    found = transform.far_copies(bronze_frame(spark_session, arrived), silver).collect()
    assert {(r["event_id"], r["date"], r["other_date"]) for r in found} == {
        (event_id(n), DAY, DAY + timedelta(days=apart[n])) for n in (1, 2)
    }
    searched = set(transform.far_dates([DAY]))
    assert {r["other_date"] for r in found} <= searched
    assert len(searched) == 2 * (transform.FAR_COPY_DAYS - transform.COPY_DAYS)


def test_smallest_received_at_wins_then_smallest_hash(spark_session: SparkSession) -> None:
    first = bronze_event(1, at("10 12:00"), title="late")
    second = bronze_event(1, at("10 12:00"), title="early", source_offset=2)
    second["received_at"] = first["received_at"] - timedelta(microseconds=1)
    (row,) = collected(transform.events(bronze_frame(spark_session, [first, second]), [DAY]))
    assert (row["title"], row["event_id"]) == ("early", event_id(1))


def test_columns_are_the_contract(spark_session: SparkSession) -> None:
    found = transform.events(bronze_frame(spark_session, []), [DAY]).schema
    expected = spark_schema(table("silver.events"))
    assert [(f.name, f.dataType) for f in found] == [(f.name, f.dataType) for f in expected]


class Replay:
    """The reader tables of one lake, recomputed date by date as batches arrive."""

    TABLES = (
        "silver.events",
        "silver.sessions",
        "gold.reader_sessions",
        "gold.reader_engagement",
        "gold.reader_sources",
    )

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.lake = Lake(settings, spark)
        self.arrived: list[dict[str, Any]] = []
        for name in self.TABLES:
            lake_tables.create(table(name), self.lake.path(table(name)))

    def arrive(self, batch: list[dict[str, Any]]) -> None:
        """Recompute exactly the touched dates."""
        self.arrived += batch
        bronze = bronze_frame(self.spark, self.arrived)
        dates = days_of(batch)
        dates = sorted({*dates, *(r["date"] for r in transform.copied_dates(bronze, dates).collect())})
        self._publish("silver.events", transform.events(bronze, dates), dates)
        silver = self.lake.read(table("silver.events"))
        touched = sorted({d for day in dates for d in session_transform.touched_dates(day, at("10 23:59"))})
        self._publish("silver.sessions", session_transform.sessions(silver, touched), touched)
        sessions = self.lake.read(table("silver.sessions"))
        self._publish("gold.reader_sessions", reader_gold.reader_sessions(sessions, touched), touched)
        self._publish("gold.reader_sources", reader_gold.reader_sources(sessions, touched), touched)
        self._publish("gold.reader_engagement", reader_gold.reader_engagement(silver, touched), touched)

    def _publish(self, name: str, frame: Any, dates: list[date]) -> None:
        contract = table(name)
        staged = self.lake.stage(contract, frame, "replay")
        self.lake.publish(contract, staged, [d.isoformat() for d in dates])
        self.lake.delete_staging(staged)

    def hashes(self) -> dict[str, str]:
        return {name: self.lake.row_hash(table(name)) for name in self.TABLES}


@pytest.mark.timeout(600)
def test_shuffled_duplicated_late_batches_equal_one_shot(
    spark_session: SparkSession, make_settings: Any, tmp_path: Path
) -> None:
    """Catches every order dependence: ties by arrival, float sums, dates that were touched and not recomputed."""
    # Each date costs each table a file a commit: copies within the search, at its end and beyond it, of few dates.
    rows = copies(3, 200, days=3, moves=(-8, 1, 7))
    one_shot = Replay(spark_session, make_settings(LAKE__URL=str(tmp_path / "one")))
    one_shot.arrive(rows)
    chance = random.Random(4)
    shuffled = chance.sample(rows, len(rows))
    # The second batch brings late events and copies for nearly every date of the first.
    batches = [shuffled[:180], shuffled[180:]]
    pieces = Replay(spark_session, make_settings(LAKE__URL=str(tmp_path / "pieces")))
    for batch in batches:
        pieces.arrive(batch)
    assert pieces.hashes() == one_shot.hashes()
