"""Cohorts of runs between whose dates whole weeks lie, or that died, against one full refresh."""

from collections.abc import Iterator
from datetime import date

import pytest

from media_analytics_tests.builders.reference_marts import Table
from media_analytics_tests.integration.warehouse.marts import Marts, same
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# Mondays; five weeks without a single visit lie between the second and the third.
WEEKS = (date(2025, 1, 6), date(2025, 1, 13), date(2025, 2, 24))
MODELS = "+bi_cohorts"


@pytest.fixture(scope="module")
def marts(clickhouse: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marts]:
    """Two weeks of visits are built; those of the third are loaded, and no run has seen them."""
    with Marts.empty(clickhouse, tmp_path_factory.mktemp("cohorts").name) as made:
        _visit(made, WEEKS[0], "a", "b")
        _visit(made, WEEKS[1], "b", "c")
        made.dbt("run", "--select", MODELS)
        _visit(made, WEEKS[2], "a", "c", "d")
        yield made


def test_weeks_in_which_nobody_came_are_zero(marts: Marts) -> None:
    """No run has their dates, so a run behind them makes their cells."""
    _run(marts, WEEKS[2])
    found = marts.rows("bi_cohorts")
    row = found[date(2025, 2, 3), "bild", WEEKS[0]]
    assert (row["week_number"], row["cohort_visitors"], row["returned_visitors"]) == (4, 2, 0)
    assert found[WEEKS[2], "bild", WEEKS[0]]["returned_visitors"] == 1
    same(found, _at_once(marts))


def test_weeks_that_a_run_dropped_before_it_died_are_made_by_the_next(marts: Marts) -> None:
    """Visitors of the second week would be new in the third."""
    marts.dbt("run", "--full-refresh", "--select", MODELS)
    for week in WEEKS[1:]:
        marts.clickhouse.run(f"ALTER TABLE warehouse.int_first_weeks DROP PARTITION '{week}'")
    _run(marts, WEEKS[2])
    same(marts.rows("bi_cohorts"), _at_once(marts))


def _visit(marts: Marts, day: date, *visitors: str) -> None:
    for visitor in visitors:
        marts.clickhouse.run(
            "INSERT INTO warehouse.sessions (date, brand, session_id, visitor_id) "
            f"VALUES ('{day}', 'bild', '{day} {visitor}', '{visitor}')"
        )


def _run(marts: Marts, day: date) -> None:
    marts.dbt("run", "--select", MODELS, first_date=str(day), last_date=str(day))


def _at_once(marts: Marts) -> Table:
    marts.dbt("run", "--full-refresh", "--select", MODELS)
    return marts.rows("bi_cohorts")
