"""The world of a stream test: fresh topics, fresh lake, real Kafka and registry."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media_analytics.contracts.registry import table
from media_analytics.migrations import lake_tables
from media_analytics_tests.builders import streams
from media_analytics_tests.integration.stream.world import World
from media_analytics_tests.services.embedded import Embedded

TABLES = (
    "bronze.user_events",
    "ops.user_events_dates",
    "ops.offset_bounds",
    "ops.maintenance_requests",
    "ops.maintenance_results",
)


@pytest.fixture
def make_world(kafka: Embedded, registry: Embedded, tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**extra: str) -> World:
        streams.delete_topics(kafka.settings)
        streams.create_topics(kafka.settings)
        folder = tmp_path / f"home{len(made)}"
        folder.mkdir()
        world = World(kafka, folder, extra={f"MEDIA_ANALYTICS_{k}": v for k, v in extra.items()})
        for name in TABLES:
            lake_tables.create(table(name), world.table(name))
        made.append(world)
        return world

    yield make
    for world in made:
        world.end()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
