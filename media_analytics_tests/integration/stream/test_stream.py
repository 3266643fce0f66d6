"""The stream in ordinary life."""

import pytest

from media_analytics_tests.integration.stream.world import World, expected, latest_event

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_committed_records_become_rows_and_aborted_ones_do_not(world: World) -> None:
    events = [latest_event(n) for n in range(300)]
    world.start()
    world.send(events[:100])
    world.send([latest_event(n) for n in range(9000, 9010)], commit=False)
    world.wait_for_rows(100)
    world.send(events[100:])
    world.wait_for_rows(300)
    assert world.coordinates() == expected(events)
    assert world.stop() == 0
