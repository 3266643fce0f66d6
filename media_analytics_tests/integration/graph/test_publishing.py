"""Write, audit, publish on real Delta tables."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from media_analytics.contracts.registry import TABLES, table
from media_analytics.resources.spark import connect
from media_analytics_tests.builders.events import at, bronze_event
from media_analytics_tests.integration.graph.world import World
from media_analytics_tests.services.embedded import Embedded

pytestmark = pytest.mark.integration

D10, D11, D12 = date(2026, 3, 10), date(2026, 3, 11), date(2026, 3, 12)
COMPUTED = [c.full_name for c in TABLES.values() if c.layer in ("silver", "gold")]


@pytest.fixture
def world(spark: Embedded, tmp_path: Path) -> Iterator[World]:
    settings = spark.settings_with(LAKE__URL=str(tmp_path / "lake"))
    session = connect(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(settings, session, instance)
        made.create_tables()
        yield made
    session.stop()


def test_first_run(world: World) -> None:
    world.arrive([bronze_event(n, at(f"10 12:{n:02d}"), source_offset=n) for n in range(5)])
    import time

    t = time.time()
    result = world.run(D10 - timedelta(days=1), D12)
    print("run took", time.time() - t)
    assert result.success
    assert world.lake.row_counts(table("silver.events")) == {"2026-03-10": 5}
    assert world.lake.row_counts(table("silver.sessions")) == {"2026-03-10": 1}
    t = time.time()
    world.run(D10, automatic=True)
    print("unchanged run took", time.time() - t)
