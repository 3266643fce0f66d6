"""A micro-batch that is killed, and a replay of dead letters, as runs that Dagster's own processes start and watch.

Slow, because three processes of Dagster start and each run goes through its queue. `micro_batches/test_batches.py` and
`dead_letters/test_replay.py` stop the same work at every effect within seconds.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from media_analytics.assets.bronze import content_events, dead_letters
from media_analytics.automation.jobs import DEAD_LETTER_REPLAYS, MICRO_BATCHES
from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.library import DeadLetters
from media_analytics_tests.integration.collector.test_bad_input import event
from media_analytics_tests.integration.micro_batches.world import content_event
from media_analytics_tests.integration.runs.world import WAIT_SECONDS, DagsterWorld
from media_analytics_tests.services.embedded import wait_until
from streaming.dead_letters.patches import read

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

CONTENT, LETTERS = content_events.TABLE, dead_letters.TABLE
EVENTS = 4_000
PATCH = '[[change]]\ncast = "position"\nto = "integer"\n'


def test_a_run_killed_between_two_commits_is_retried_and_every_record_is_one_row(world: DagsterWorld) -> None:
    """Would catch a retry that starts where the killed run was told to, and one that skips what it was working on."""
    for partition in range(2):
        numbers = range(partition * EVENTS // 2, (partition + 1) * EVENTS // 2)
        world.send("content.events", [content_event(n) for n in numbers], partition)
    store = world.store(CONTENT)

    def is_in_the_middle() -> bool:
        last = store.position()
        return last is not None and last.number >= 3 and world.run_processes() != []

    wait_until(is_in_the_middle, WAIT_SECONDS, world.said)
    killed = world.runs(MICRO_BATCHES)[0]
    for process in world.run_processes():
        process.kill()
    psutil.wait_procs(world.run_processes(), 10)
    begun = len(world.rows(CONTENT.contract))
    assert 0 < begun < EVENTS, "it was killed in the middle"
    assert world.wait_ended(killed.run_id) == "FAILURE"

    # Nobody does anything: the sensor's next run begins where the table ends.
    wait_until(lambda: len(world.rows(CONTENT.contract)) >= EVENTS, WAIT_SECONDS, world.said)
    retried = world.runs(MICRO_BATCHES)[0]
    assert retried.run_id != killed.run_id
    assert world.wait_ended(retried.run_id) == "SUCCESS"
    rows = world.rows(CONTENT.contract)
    places = Counter((row["source_partition"], row["source_offset"]) for row in rows)
    assert set(places.values()) == {1}
    assert set(places) == {(p, offset) for p in range(2) for offset in range(EVENTS // 2)}
    assert {row["event_id"] for row in rows} == {content_event(n)["event_id"] for n in range(EVENTS)}
    assert CONTENT.dates is not None
    announced = world.rows(CONTENT.dates)
    assert sum(d["rows"] for d in announced if not d["batch_id"].endswith("-repeated")) == EVENTS

    # A person may start the killed run again, too: its ranges are in the table.
    version = world.version(CONTENT.contract)
    assert world.repeat(killed) == "SUCCESS"
    assert world.version(CONTENT.contract) == version
    assert world.letters() == []


def test_a_replay_is_a_run_of_the_asset_and_twice_is_once(world: DagsterWorld, tmp_path: Path) -> None:
    """Would catch a replay that works in a test's own process only: its config, its user, its way through the queue."""
    began = datetime.now(UTC)
    bad = event(position="4")
    assert world.post("/v1/events/user", bad)["rejected"] == 1
    wait_until(lambda: world.rows(LETTERS.contract) != [], WAIT_SECONDS, world.said)
    (letter,) = world.rows(LETTERS.contract)
    path = tmp_path / "patch.toml"
    path.write_text(PATCH, "utf-8")

    said = world.answer("replay", "--patch", str(path))
    assert (said["letters"], said["passed"], said["recovered"]) == (1, 1, 1)
    (run,) = world.runs(DEAD_LETTER_REPLAYS)
    assert run.run_id == said["run_id"]
    (record,) = world.events("user.raw")
    assert (record["event_id"], record["position"]) == (bad["event_id"], 4)
    assert datetime.fromtimestamp(record["occurred_at"] / 1e6, UTC) == datetime.fromisoformat(
        bad["occurred_at"]
    )
    assert datetime.fromtimestamp(record["received_at"] / 1e6, UTC) == letter["received_at"]
    (group,) = world.answer("list")
    assert (group["letters"], group["recovered"]) == (1, 1)

    # The command sees that nothing is left and starts no run; a run that is started all the same sends nothing.
    again = world.answer("replay", "--patch", str(path))
    assert (again["passed"], again["recovered_before"], "run_id" in again) == (0, 1, False)
    letters = DeadLetters(world.settings)
    run_id = letters.start_replay(Selection(began - timedelta(minutes=1)), read(PATCH), "test")
    assert letters.follow(run_id, WAIT_SECONDS, lambda _: None) == 0
    assert len(world.events("user.raw")) == 1
    (group,) = world.answer("list")
    assert (group["letters"], group["recovered"]) == (1, 1)
