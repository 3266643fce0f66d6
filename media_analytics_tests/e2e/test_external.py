"""The whole platform on a broker, a registry, a Spark server and a ClickHouse that it did not start.

Would catch: a service started although its address is set, an address or a credential that some process takes from the
embedded stack, a lake whose place the Spark server does not share.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media_analytics_tests.benchmarks.path import Platform, callers_environment
from media_analytics_tests.services.embedded import Embedded

ELSEWHERE = ("kafka", "registry", "spark", "clickhouse")
SETTINGS = ("KAFKA__", "REGISTRY__", "SPARK__", "CLICKHOUSE__", "LAKE__")
LINES = 500

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def platform(make_embedded: Callable[..., Embedded], tmp_path: Path) -> Iterator[Platform]:
    elsewhere = make_embedded("elsewhere")
    for name in ELSEWHERE:
        elsewhere.start(name)
    wanted = tuple(f"MEDIA_ANALYTICS_{prefix}" for prefix in SETTINGS)
    named = {k: v for k, v in elsewhere.environment.items() if k.startswith(wanted)}
    started = Platform(tmp_path, callers_environment() | named, lines=LINES)
    started.command("up", "--ports", "free")
    yield started
    started.command("down")


def test_the_main_job_runs_on_services_elsewhere(platform: Platform) -> None:
    states = {row["name"]: row["state"] for row in json.loads(platform.command("status", "--json"))}
    assert {name for name, state in states.items() if state == "external"} == set(ELSEWHERE)
    assert {state for name, state in states.items() if name not in ELSEWHERE} == {"ready"}
    report = platform.run()
    figures = {figure.name: figure.value for figure in report.figures}
    accepted = f"{report.sent['accepted']:,}"
    stores = ("user.raw", "user.latest", "realtime.user_events", "bronze.user_events", "silver.events")
    assert {store: figures[store] for store in stores} == dict.fromkeys(stores, accepted)
    assert (figures["missing, both stores"], figures["duplicates, both stores"]) == ("0", "0")
    assert not (platform.folder / "home" / "kafka").exists()
