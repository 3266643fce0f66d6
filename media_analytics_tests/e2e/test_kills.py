"""kill -9 of each service, one after the other: it comes back, and nothing acknowledged is lost or doubled.

Would catch what `test_faults.py` would, for the services of Dagster, too, and with the other services well.
"""

import time
from collections.abc import Iterator

import pytest

from media_analytics.local import services
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
