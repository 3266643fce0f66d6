"""What of a mart's published numbers a run changes is recorded once, wherever the run dies: a real store and ledger."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from media_analytics.resources.delta_log import DeltaLog
from media_analytics.warehouse.restating import ASIDE, FILLING, Mart, Restating
from media_analytics_tests.integration.warehouse.world import Warehouse

pytestmark = pytest.mark.integration

MART = Mart("some_mart", "date", ("sessions", "rate"))
FIRST, SECOND = date(2026, 3, 10), date(2026, 3, 11)
# The first date is published, the second is not.
NOW = datetime(2026, 3, 12, 2, 59, tzinfo=UTC)


class Run(Warehouse):
    """A mart of two dates that stands in for dbt's, and runs over both."""

    def restating(self, *marts: Mart) -> Restating:
        return Restating(self.settings, self.clickhouse, DeltaLog(self.settings), marts or (MART,))

    def begins(self, now: datetime = NOW, cause: str = "late") -> Restating:
        restating = self.restating()
        # Other models of the run: a view, and one that is not made yet.
        restating.put_aside([MART.name, "some_view", "new_mart"], FIRST, SECOND, now, cause)
        return restating

    def builds(self, day: date, *rows: tuple[str, str, int | None, float | None]) -> None:
        """Replace a date by rows of brand, section, sessions, rate."""
        self.clickhouse.run(f"ALTER TABLE warehouse.{MART.name} DROP PARTITION '{day}'")
        for brand, section, sessions, rate in rows:
            values = ", ".join("NULL" if v is None else str(v) for v in (sessions, rate))
            self.clickhouse.run(
                f"INSERT INTO warehouse.{MART.name} VALUES ('{day}', '{brand}', '{section}', {values})"
            )

    def recorded(self) -> set[tuple[object, ...]]:
        rows = self.restatements()
        assert {r["table"] for r in rows} <= {f"warehouse.{MART.name}"}
        names = ("date", "brand", "measure", "old_value", "new_value", "cause")
        found = {tuple(r[name] for name in names) for r in rows}
        assert len(found) == len(rows), "a change is there twice"
        return found

    def left(self) -> set[str]:
        return {name for name in self.tables() if name.startswith((ASIDE, FILLING))}


@pytest.fixture
def run(warehouse: Warehouse) -> Iterator[Run]:
    made = Run(warehouse.settings, warehouse.instance)
    made.create()
    made.clickhouse.run("CREATE DATABASE IF NOT EXISTS warehouse")
    made.clickhouse.run(
        f"CREATE OR REPLACE TABLE warehouse.{MART.name} (date Date32, brand String, section String, "
        "sessions Nullable(UInt64), rate Nullable(Float64)) ENGINE = MergeTree PARTITION BY date ORDER BY brand"
    )
    made.clickhouse.run("CREATE OR REPLACE VIEW warehouse.some_view AS SELECT 1 AS sessions")
    made.builds(FIRST, ("bild", "a", 3, 0.1), ("bild", "b", 4, 0.2), ("welt", "a", 1, None))
    made.builds(SECOND, ("bild", "a", 5, 0.5))
    yield made
    made.clickhouse.run("DROP VIEW warehouse.some_view")
    made.clickhouse.run(f"DROP TABLE warehouse.{MART.name} SYNC")


LATE = {
    (FIRST, "bild", "sessions", 7.0, 9.0, "late"),
    (FIRST, "welt", "rate", None, 0.5, "late"),
    (FIRST, "faz", "sessions", None, 2.0, "late"),
}


def late_events(run: Run) -> None:
    """Both dates change; a rate whose sum only differs in its last digit does not count."""
    late = [("bild", "a", 3, 0.3), ("bild", "b", 6, 1e-17), ("welt", "a", 1, 0.5), ("faz", "a", 2, None)]
    run.builds(FIRST, *late)
    run.builds(SECOND, ("bild", "a", 50, 0.6))


def test_totals_of_a_published_date_are_recorded_and_those_of_an_open_one_are_not(run: Run) -> None:
    """Would catch a part of a day's sum, an open date, a brand that came, noise of floats told as a change."""
    restating = run.begins()
    late_events(run)
    assert restating.record(NOW) == len(LATE)
    assert run.recorded() == LATE
    assert run.left() == set()
    again = run.begins()
    assert again.record(NOW) == 0
    assert run.recorded() == LATE


def test_a_date_that_is_gone_and_one_that_was_not_there(run: Run) -> None:
    later = NOW + timedelta(minutes=1)
    run.builds(SECOND)
    restating = run.begins(later)
    run.builds(FIRST, ("bild", "a", 7, 0.3))
    run.builds(SECOND, ("bild", "a", 5, 0.5))
    restating.record(later)
    assert run.recorded() == {(FIRST, "welt", "sessions", 1.0, None, "late")}


def test_a_run_that_dies_before_dbt_began_leaves_nothing_to_record(run: Run) -> None:
    run.begins()
    assert len(run.left()) == 1
    run.clickhouse.run(
        f"CREATE TABLE warehouse.{FILLING}7 ENGINE = MergeTree ORDER BY tuple() AS SELECT 1 AS date"
    )
    restating = run.restating()
    restating.put_aside([], FIRST, SECOND, NOW, "next")
    assert run.left() == set() and run.recorded() == set()


def test_the_next_run_records_what_a_run_changed_that_died(run: Run) -> None:
    """Whatever its dates, with the cause of the one that died; would catch numbers that changed and nobody knows."""
    run.begins(cause="the one that died")
    late_events(run)
    died = {(*row[:-1], "the one that died") for row in LATE}
    restating = run.restating()
    restating.put_aside([], SECOND, SECOND, NOW, "next")
    assert run.recorded() == died and run.left() == set()
    # And its own changes beside them.
    restating = run.begins(NOW + timedelta(seconds=1), "next")
    run.builds(FIRST, ("bild", "a", 9, 0.3), ("welt", "a", 1, 0.5), ("faz", "a", 3, None))
    restating.record(NOW)
    assert run.recorded() == died | {(FIRST, "faz", "sessions", 2.0, 3.0, "next")}


def test_a_run_that_dies_after_recording_is_not_recorded_twice(run: Run) -> None:
    restating = run.begins()
    (aside,) = run.left()
    late_events(run)
    run.clickhouse.run(
        f"CREATE TABLE warehouse.kept ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM warehouse.{aside}"
    )
    restating.record(NOW)
    run.clickhouse.run(f"RENAME TABLE warehouse.kept TO warehouse.{aside}")
    assert run.restating().record(NOW) == 0
    assert run.recorded() == LATE and run.left() == set()


def test_a_clock_that_went_back_loses_nothing(run: Run) -> None:
    """Would catch a number below one that the ledger knows: its changes would be taken for recorded ones."""
    first = run.begins(NOW + timedelta(minutes=30))
    late_events(run)
    first.record(NOW)
    second = run.begins(NOW, "later")
    run.builds(FIRST, ("bild", "a", 10, 0.3), ("welt", "a", 1, 0.5), ("faz", "a", 2, None))
    second.record(NOW)
    assert (FIRST, "bild", "sessions", 9.0, 10.0, "later") in run.recorded()


def test_a_measure_that_a_model_got_or_lost_meanwhile_is_no_change(run: Run) -> None:
    run.begins()
    run.clickhouse.run(
        f"ALTER TABLE warehouse.{MART.name} DROP COLUMN rate, ADD COLUMN clicks UInt64 DEFAULT 1"
    )
    newer = Mart(MART.name, "date", ("sessions", "clicks"))
    assert run.restating(newer).record(NOW) == 0
