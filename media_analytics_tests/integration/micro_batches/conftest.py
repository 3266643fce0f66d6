"""The world of a micro-batch test: fresh topics, a fresh lake, real Kafka and registry."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from media_analytics.build import MICRO_BATCHED
from media_analytics.contracts.registry import table
from media_analytics_tests.integration.micro_batches.world import World
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture
def world(kafka: Embedded, registry: Embedded, tmp_path: Path) -> Iterator[World]:
    settings = kafka.settings_with(LAKE__URL=str(tmp_path / "lake"))
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(settings, instance)
        for module in MICRO_BATCHED:
            made.create_topic(module.TABLE.topic.name)
            made.create_table(module.TABLE.contract)
            if module.TABLE.dates is not None:
                made.create_table(module.TABLE.dates)
        made.create_table(table("ops.offset_bounds"))
        yield made
