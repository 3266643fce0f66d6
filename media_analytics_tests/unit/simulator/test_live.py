"""The live stream: in order, at about its rate, with sessions under way from the start."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from media_analytics_tests.builders import settings as builder
from streaming.simulator.live import stream

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_stream_is_in_order_and_near_its_rate(tmp_path: Path) -> None:
    items = list(islice(stream(builder.make(tmp_path).brands, "seed", START, 50.0), 3_000))
    moments = [moment for moment, _ in items]
    assert moments == sorted(moments)
    assert moments[0] >= START
    assert 30 < (moments[-1] - START).total_seconds() < 120
    # Sessions that began before the start go on: the stream does not open with landings only.
    assert any(item["event_type"] == "page_ping" for _, item in items[:50])
    assert {item["event_type"] for _, item in items} >= {"page_view", "page_ping", "click", "video_start"}


def test_the_stream_is_a_function_of_its_arguments(tmp_path: Path) -> None:
    brands = builder.make(tmp_path).brands
    first, again, other = (list(islice(stream(brands, seed, START, 20.0), 200)) for seed in ("a", "a", "b"))
    assert first == again
    assert first != other
