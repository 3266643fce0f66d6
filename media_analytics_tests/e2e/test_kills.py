"""kill -9 of each service, one after the other: it comes back, and nothing acknowledged is lost or doubled.

Would catch what `test_faults.py` would, for the services of Dagster, too, and with the other services well.
"""

import time
from collections.abc import Iterator
from contextlib import suppress

import dagster as dg
import psutil
import pytest
from dagster._core.storage.tags import PARENT_RUN_ID_TAG

from media_analytics.local import dagster_home, services, supervision
from media_analytics.local.faults.harm import Harm
from media_analytics.local.faults.load import Load
from media_analytics.local.faults.proof import held
from media_analytics.local.faults.recovery import Stores, await_back
from media_analytics.local.home import Home, open_home
from media_analytics.local.stack import settings_of
from media_analytics_tests.integration.local.command import Stack
from media_analytics_tests.services.embedded import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

WANTED_PER_SECOND = 200
STORES = ("realtime.user_events", "bronze.user_events")
# A stream that was killed reads what has piled up.
STORED_WITHIN_SECONDS = 150


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Stack(tmp_path_factory.mktemp("kills") / "home")
    try:
        made.up(MEDIA_ANALYTICS_STREAM__TRIGGER_SECONDS="2")
        yield open_home(made.home)
    finally:
        made.run("down")


@pytest.fixture(scope="module")
def load(home: Home) -> Iterator[Load]:
    started = Load(settings_of(home), rate=500)
    started.start()
    yield started
    started.end()


@pytest.fixture(scope="module")
def stores(home: Home, load: Load) -> Stores:
    return Stores(settings_of(home), load)


@pytest.mark.parametrize("name", services.CORE)
def test_a_killed_service_loses_and_doubles_nothing(
    home: Home, load: Load, stores: Stores, name: str
) -> None:
    wait_until(lambda: load.rate() > WANTED_PER_SECOND, 60, lambda: "events are not acknowledged")
    began = time.monotonic()
    back = await_back(home, stores, name, began, Harm(home).kill(name))
    assert back.progress_seconds is not None, back
    wait_until(lambda: load.rate() > WANTED_PER_SECOND, 60, lambda: f"nothing flows since {name} came back")
    acknowledged = load.acknowledged_ids()

    def has_them() -> bool:
        found = held(settings_of(home), acknowledged, {}, STORES)
        assert [one.coordinates_duplicated for one in found] == [0, 0]
        return [one.events_missing for one in found] == [0, 0]

    wait_until(has_them, STORED_WITHIN_SECONDS, lambda: f"acknowledged events are missing after {name}")


def _kill_with_its_runs(home: Home) -> None:
    """End the code server, the process that runs are forked from, and every run, as a power cut does."""
    server = psutil.Process((supervision.programs(home) or {})["dagster-code"].pid)
    for process in [server, *server.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_a_run_that_was_killed_with_its_server_is_repeated(home: Home, load: Load) -> None:
    """Would catch a run that stays started for ever and holds its tables, and one that nobody repeats."""
    with dg.DagsterInstance.from_config(str(dagster_home.folder(home))) as instance:

        def started() -> list[dg.DagsterRun]:
            return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))

        wait_until(lambda: bool(started()), 360, lambda: "no run starts")
        _kill_with_its_runs(home)
        killed = [one.run_id for one in started()]
        assert killed, "the runs ended before they were killed"

        def repeated(run_id: str) -> bool:
            runs = instance.get_runs(dg.RunsFilter(tags={PARENT_RUN_ID_TAG: run_id}))
            return any(one.status is dg.DagsterRunStatus.SUCCESS for one in runs)

        wait_until(lambda: all(map(repeated, killed)), 180, lambda: str(instance.get_runs(limit=10)))
