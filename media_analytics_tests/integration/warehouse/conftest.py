"""The warehouse of a test: a fresh lake, the session's gateway."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from media_analytics_tests.integration.warehouse.world import Warehouse
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture
def warehouse(clickhouse: Embedded, tmp_path: Path) -> Iterator[Warehouse]:
    # The gateway reads below its home's lake only.
    lake = Path(clickhouse.settings.lake.url) / tmp_path.name
    settings = clickhouse.settings_with(LAKE__URL=str(lake))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Warehouse(settings, instance)
