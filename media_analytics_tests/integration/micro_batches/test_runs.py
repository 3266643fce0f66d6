"""The sensor's ticks and the runs they start: what is requested, reported, repeated, refused."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from deltalake import DeltaTable

from media_analytics.assets.bronze import content_events, dead_letters
from media_analytics.contracts.rowhash import row_hash
from media_analytics.errors import DataLossError
from media_analytics.partitions import hour_key, hour_of
from media_analytics_tests.integration.micro_batches.world import (
    World,
    bounds_row,
    content_event,
    dead_letter,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

CONTENT, LETTERS = content_events.TABLE, dead_letters.TABLE
CONTENT_KEY, LETTERS_KEY = dg.AssetKey(["bronze", "content_events"]), dg.AssetKey(["bronze", "dead_letters"])
TEN = datetime(2026, 3, 10, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def reported(world: World, key: dg.AssetKey) -> dict[str, dict[str, Any]]:
    """Newest materialization by partition."""
    records = world.instance.fetch_materializations(key, limit=100).records
    found = [r.asset_materialization for r in reversed(records)]
    return {m.partition: {n: v.value for n, v in m.metadata.items()} for m in found if m is not None}


def materializations(result: dg.SensorResult, key: dg.AssetKey) -> list[dg.AssetMaterialization]:
    return [e for e in result.asset_events if isinstance(e, dg.AssetMaterialization) and e.asset_key == key]


def test_one_run_a_tick_holds_every_topic_with_new_data(world: World) -> None:
    """Would catch a run for each topic, a topic that is forgotten, a run when nothing is new."""
    assert not world.tick().run_requests
    world.send("content.events", [content_event(1), content_event(2)], 1)
    world.send("dead_letters", [dead_letter(1)])
    tick = world.tick()
    (request,) = tick.run_requests or []
    assert set(request.asset_selection or []) == {CONTENT_KEY, LETTERS_KEY}
    assert request.run_config["ops"]["bronze__content_events"]["config"]["ranges"]["1"] == [0, 2]
    assert world.run(request).success
    hour = hour_key(hour_of(world.rows(CONTENT.contract)[0]["appended_at"]))
    assert reported(world, CONTENT_KEY)[hour]["rows_added"] == 2
    assert len(world.rows(LETTERS.contract)) == 1
    assert not world.tick(tick.cursor).run_requests
    # The same run again, as a person may start it from the page.
    assert world.run(request).success
    assert len(world.rows(CONTENT.contract)) == 2


def test_a_batch_over_the_end_of_an_hour_is_in_both_hours(world: World) -> None:
    """Would catch rows in the hour of the run instead of the hour they arrived in."""
    world.create_topic("content.events", "CreateTime")
    world.now = lambda: TEN + 2 * HOUR
    world.send("content.events", [content_event(1)], 0, TEN)
    world.send("content.events", [content_event(2), content_event(3)], 1, TEN + HOUR)
    (due,) = world.tick().run_requests or []
    keys = (hour_key(hour_of(TEN)), hour_key(hour_of(TEN + HOUR)))
    assert (
        due.tags["dagster/asset_partition_range_start"],
        due.tags["dagster/asset_partition_range_end"],
    ) == keys
    world.run(due)
    assert {hour: facts["rows_added"] for hour, facts in reported(world, CONTENT_KEY).items()} == {
        keys[0]: 1,
        keys[1]: 2,
    }


def test_a_commit_without_report_is_reported_by_the_next_tick_and_not_repeated(world: World) -> None:
    """Would catch an hour whose rows nobody downstream ever hears of."""
    world.send("content.events", [content_event(1)])
    list(world.writer(CONTENT).catch_up(world.kafka.end_offsets("content.events")))
    tick = world.tick()
    assert not tick.run_requests
    (event,) = materializations(tick, CONTENT_KEY)
    assert event.metadata["found_without_report"].value is True
    assert event.metadata["rows_added"].value == 1
    world.instance.report_runless_asset_event(event)
    assert materializations(world.tick(tick.cursor), CONTENT_KEY) == []
    assert len(world.rows(CONTENT.contract)) == 1


def test_a_table_that_cannot_go_on_does_not_stop_the_others(world: World) -> None:
    """Would catch one lost topic that stops all families, a failing run at every tick, and a loss that nobody sees."""
    world.send("content.events", [content_event(1)])
    world.run((world.tick().run_requests or [])[0])
    world.create_topic("content.events")
    world.send("content.events", [content_event(n) for n in range(3)])
    world.send("dead_letters", [dead_letter(1)])
    tick = world.tick()
    (request,) = tick.run_requests or []
    assert request.asset_selection == [LETTERS_KEY]
    assert world.run(request).success
    assert len(world.rows(LETTERS.contract)) == 1
    assert len(world.rows(CONTENT.contract)) == 1
    (lag,) = [e for e in tick.asset_events if isinstance(e, dg.AssetCheckEvaluation) and not e.passed]
    assert (lag.asset_key, lag.check_name) == (CONTENT_KEY, "lag")
    assert "go_on_at" in str(lag.description)
    assert not world.tick(tick.cursor).run_requests


def test_a_backfill_of_an_hour_gives_the_same_rows(world: World) -> None:
    """Would catch a rebuild that loses, doubles or changes rows, or moves the place the table goes on from."""
    world.send("content.events", [content_event(n) for n in range(6)])
    world.send("content.events", [b"broken", content_event(9)], 2)
    world.run((world.tick().run_requests or [])[0])
    before, position = world.arrow(CONTENT.contract), world.store(CONTENT).position()
    hour = before["appended_hour"][0].as_py()
    bounds_row(world, CONTENT, hour)
    result = world.backfill(CONTENT, [hour_key(hour)])
    assert result.success
    after = world.arrow(CONTENT.contract)
    assert row_hash(CONTENT.contract, after) == row_hash(CONTENT.contract, before)
    assert set(after["batch_id"].to_pylist()) != set(before["batch_id"].to_pylist()), "it was written anew"
    assert world.store(CONTENT).position() == position
    world.send("content.events", [content_event(10)], 1)
    world.run((world.tick().run_requests or [])[0])
    assert len(world.rows(CONTENT.contract)) == 8


@pytest.mark.parametrize("why", ["no bounds", "another topic", "expired", "fewer"])
def test_an_hour_that_cannot_be_rebuilt_is_left_as_it_is(world: World, why: str) -> None:
    """Would catch a rebuild that replaces good rows by fewer."""
    world.send("content.events", [content_event(n) for n in range(6)])
    world.run((world.tick().run_requests or [])[0])
    before = world.arrow(CONTENT.contract)
    hour = before["appended_hour"][0].as_py()
    expected = "has no bounds"
    if why == "another topic":
        bounds_row(world, CONTENT, hour)
        world.create_topic("content.events")
        world.send("content.events", [content_event(n) for n in range(6)])
        expected = "offsets mean other records"
    if why == "expired":
        bounds_row(world, CONTENT, hour)
        world.delete_before("content.events", 0, 2)
        expected = r"no longer holds.*\[0\] offsets 0 to 6 \(it holds 2 to 6\)"
    if why == "fewer":
        bounds_row(world, CONTENT, hour)
        world.send("content.events", [content_event(7)])
        world.run((world.tick().run_requests or [])[0])
        before = world.arrow(CONTENT.contract)
        expected = r"holds 7 coordinates.*would hold 6.*\(0, 6\)"
    result = world.backfill(CONTENT, [hour_key(hour)])
    assert not result.success
    (failure,) = [e for e in result.all_node_events if e.is_step_failure]
    told = str(failure.step_failure_data.error)
    assert re.search(expected, told, re.DOTALL), told[:600]
    after = world.arrow(CONTENT.contract)
    assert row_hash(CONTENT.contract, after) == row_hash(CONTENT.contract, before)
    assert set(after["batch_id"].to_pylist()) == set(before["batch_id"].to_pylist())


def maintain(world: World, action: str, **more: Any) -> dg.ExecuteInProcessResult:
    job = world.defs.resolve_job_def("micro_batch_maintenance")
    config = {"ops": {"maintain_content_events": {"config": {"action": action, **more}}}}
    return job.execute_in_process(instance=world.instance, run_config=config)


def test_maintenance_keeps_rows_and_the_place_to_go_on_from(world: World) -> None:
    """Would catch a compaction that loses rows, and a commit after which the table does not say where it ends."""
    world.create_topic("content.events", "CreateTime")
    for n in range(3):
        world.send("content.events", [content_event(n)], 0, TEN)
        list(world.writer(CONTENT).catch_up(world.kafka.end_offsets("content.events")))
    before, position = world.arrow(CONTENT.contract), world.store(CONTENT).position()
    assert maintain(world, "compact").success
    assert len(DeltaTable(world.path(CONTENT.contract)).file_uris()) == 1
    assert maintain(world, "vacuum").success
    assert row_hash(CONTENT.contract, world.arrow(CONTENT.contract)) == row_hash(CONTENT.contract, before)
    assert world.store(CONTENT).position() == position
    assert [batch.bounds.number for batch in world.store(CONTENT).batches(0, 10)] == [1, 2, 3]


def test_a_person_decides_where_a_lost_table_goes_on(world: World) -> None:
    """Would catch a fix in an error message that does not work."""
    world.send("content.events", [content_event(1)])
    list(world.writer(CONTENT).catch_up(world.kafka.end_offsets("content.events")))
    world.create_topic("content.events")
    world.send("content.events", [content_event(n) for n in range(4)])
    with pytest.raises(DataLossError) as refusal:
        list(world.writer(CONTENT).catch_up(world.kafka.end_offsets("content.events")))
    told = re.search(r"with the config (\{.*\}) for the op `maintain_content_events`", str(refusal.value))
    assert told is not None
    config = json.loads(told.group(1))
    assert maintain(world, config.pop("action"), offsets=config["offsets"] | {"0": 1}).success
    list(world.writer(CONTENT).catch_up(world.kafka.end_offsets("content.events")))
    assert len(world.rows(CONTENT.contract)) == 1 + 3
