"""kill -9 of the stream between every two effects: each record is one row, whatever happened."""

import pytest

from media_analytics_tests.integration.stream.world import World, expected, latest_event

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
EFFECTS = ("read", "letters", "dates", "rows")


@pytest.mark.slow
def test_kill_after_each_effect_loses_and_repeats_nothing(world: World) -> None:
    """Every process dies in its second batch, after another effect; records arrive while it is dead."""
    events = [latest_event(n) for n in range(50 * (len(EFFECTS) + 1))]
    broken = world.header + b"\x02x"
    for number, effect in enumerate(EFFECTS):
        world.send(events[50 * number : 50 * number + 25])
        world.send_bytes([(broken, number)])
        world.start(effect, "1")
        assert world.wait_for_end() == -9
        # More arrives before the next start: a repetition must not read other bounds.
        world.send(events[50 * number + 25 : 50 * (number + 1)])
    world.send(events[-50:])
    world.start()
    world.wait_for_rows(len(events))
    assert world.coordinates() == expected(events)
    batches = {row["batch_id"] for row in world.rows()}
    assert batches <= {row["batch_id"] for row in world.rows("ops.user_events_dates")}
    assert any(row["batch_id"].endswith("-repeated") for row in world.rows("ops.user_events_dates"))
    assert world.stop() == 0
