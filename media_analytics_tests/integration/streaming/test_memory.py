"""Bad and good input for long: neither process grows."""

import uuid

import psutil
import pytest

from media_analytics_tests.builders.streams import Placed, raw_event
from media_analytics_tests.integration.streaming.conftest import Pipeline

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROUND = 10_000
MEBIBYTE = 1024 * 1024


def test_memory_stays_while_good_and_bad_records_flow(pipeline: Pipeline) -> None:
    """Caches fill in the first rounds; a list of everything seen would add tens of MiB in the later ones."""
    enricher, sink = pipeline.start("enricher"), pipeline.start("sink")
    letters: list[Placed] = []
    sizes = []
    for number in range(6):
        first = number * ROUND + 1
        pipeline.raw.send(
            [
                raw_event(n, user_agent=f"Browser/{uuid.uuid4()}", ip=f"10.{n % 250}.{n // 250 % 250}.1")
                for n in range(first, first + ROUND)
            ]
        )
        for _ in range(500):
            pipeline.raw.send_bytes(b"\x00" + uuid.uuid4().bytes * 60, number % 6, None, letters)
        pipeline.raw.flush()
        pipeline.wait_stored((number + 1) * ROUND, 120)
        sizes.append([psutil.Process(p.pid).memory_info().rss // MEBIBYTE for p in (enricher, sink)])
    pipeline.stop(enricher, sink)
    grown = [late - early for early, late in zip(sizes[2], sizes[5], strict=True)]
    assert max(grown) < 25, sizes
    assert len(pipeline.letters("enricher")) == len(letters)
