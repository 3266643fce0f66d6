"""A run of models may bring as many dates up to date as a Dagster run holds."""

import pytest

from media_analytics.partitions import PARTITIONS_PER_RUN
from media_analytics_tests.integration.warehouse.marts import Marts
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_a_backfill_of_a_year_is_one_statement(
    clickhouse: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The store refuses a statement that makes more than a hundred partitions, unless it is told otherwise."""
    with Marts.empty(clickhouse, tmp_path_factory.mktemp("year").name) as marts:
        marts.clickhouse.run(
            "INSERT INTO warehouse.sessions (date, brand, session_id, visitor_id) "
            "SELECT toDate32('2025-01-01') + number, 'bild', toString(number), toString(number) "
            f"FROM numbers({PARTITIONS_PER_RUN}) SETTINGS max_partitions_per_insert_block = 0"
        )
        marts.dbt("run", "--select", "bi_acquisition")
        found = marts.clickhouse.rows("SELECT uniqExact(date) FROM warehouse.bi_acquisition")
    assert found[0][0] == PARTITIONS_PER_RUN
