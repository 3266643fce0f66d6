"""A home whose Dagster runs, with the Kafka sensor as the only thing that starts runs by itself."""

from collections.abc import Iterator

import dagster as dg
import pytest

from media_analytics.build import MICRO_BATCHED
from media_analytics.contracts.registry import table
from media_analytics.local import dagster_home
from media_analytics_tests.e2e.dagster_page import DagsterPage
from media_analytics_tests.integration.collector.process import TOPICS, Collector
from media_analytics_tests.integration.runs.world import DagsterWorld
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded

SENSOR = "micro_batches"
# They import the definitions; on a busy machine that takes minutes.
READY_SECONDS = 240.0
SERVICES = ("dagster-code", "dagster-webserver", "dagster-daemon")


@pytest.fixture(scope="module")
def world(
    kafka: Embedded, registry: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DagsterWorld]:
    folder = tmp_path_factory.mktemp("runs")
    assert kafka is registry
    prefix = "MEDIA_ANALYTICS_"
    elsewhere = {
        name.removeprefix(prefix): value
        for name, value in kafka.environment.items()
        if name.startswith((f"{prefix}KAFKA__", f"{prefix}REGISTRY__"))
    }
    # Commits of about a hundred rows, so that there are many to be killed between.
    often = {"MICRO_BATCHES__INTERVAL_SECONDS": "5", "MICRO_BATCHES__MAX_BYTES": "15000"}
    home = embedded.make(folder / "home", **elsewhere, **often)
    dagster_home.write(home.home, max_concurrent_runs=2)
    collector = Collector(home, folder / "collector.log")
    try:
        with dg.DagsterInstance.from_config(str(dagster_home.folder(home.home))) as instance:
            # Makes the instance's files before three processes do.
            assert instance.get_runs(limit=1) == []
            for name in SERVICES[:2]:
                home.begin(name)
            made = DagsterWorld(collector.settings, instance)
            made.collector, made.home = collector, home
            for name in TOPICS:
                made.create_topic(name)
            for module in MICRO_BATCHED:
                made.create_table(module.TABLE.contract)
                if module.TABLE.dates is not None:
                    made.create_table(module.TABLE.dates)
            made.create_table(table("ops.dead_letter_replays"))
            collector.start()
            for name in SERVICES[:2]:
                home.wait_ready(name, READY_SECONDS)
            with DagsterPage(home.settings) as page:
                page.leave_on({SENSOR})
            home.start(SERVICES[2], READY_SECONDS)
            yield made
    finally:
        if collector.process is not None:
            collector.stop()
        home.stop_all()
