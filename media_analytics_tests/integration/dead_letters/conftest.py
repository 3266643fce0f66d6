"""One collector, one lake, real Kafka and registry for all tests of dead letters."""

from collections.abc import Iterator

import dagster as dg
import pytest

from media_analytics.build import MICRO_BATCHED
from media_analytics.contracts.registry import table
from media_analytics_tests.integration.collector.process import TOPICS, Collector
from media_analytics_tests.integration.dead_letters.world import LetterWorld
from media_analytics_tests.services.embedded import Embedded


@pytest.fixture(scope="module")
def world(
    kafka: Embedded, registry: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LetterWorld]:
    folder = tmp_path_factory.mktemp("letters")
    collector = Collector(
        kafka, folder / "log", LAKE__URL=str(folder / "lake"), COLLECTOR__TRUSTED_PROXIES='["127.0.0.1/32"]'
    )
    with dg.DagsterInstance.ephemeral() as instance:
        made = LetterWorld(collector.settings, instance)
        made.collector, made.home = collector, kafka
        for name in (*TOPICS, "user.latest"):
            made.create_topic(name)
        for module in MICRO_BATCHED:
            made.create_table(module.TABLE.contract)
            if module.TABLE.dates is not None:
                made.create_table(module.TABLE.dates)
        made.create_table(table("ops.offset_bounds"))
        made.create_table(table("ops.dead_letter_replays"))
        collector.start()
        with made.enricher(folder / "enricher.log"):
            yield made
        collector.stop()
