"""The live stream: in order, at about its rate, with sessions under way from the start."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from media_analytics_tests.builders import settings as builder
from streaming.simulator.live import stream
from streaming.simulator.others import Others

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


def test_other_families_follow_readers_and_newsrooms(tmp_path: Path) -> None:
    """Each caused item is sent once, at its time, and shown items are those of the stream without its faults."""
    brands = builder.make(tmp_path).brands
    others = Others(brands, "seed", START)
    sent: dict[str, list[dict[str, object]]] = {}
    for moment, _ in islice(stream(brands, "seed", START, 200.0, others.seen), 20_000):
        for family, items in others.due(moment).items():
            assert all(
                str(item["occurred_at"]) <= moment.isoformat(timespec="microseconds") for item in items
            )
            sent.setdefault(family, []).extend(items)
    assert 0.02 < len(sent["interactions"]) / 20_000 < 0.2
    # Newsrooms are slower than two minutes of readers.
    sent |= others.due(START + timedelta(hours=2))
    assert {"session", "security", "compliance", "interactions", "content"} == set(sent)
    for items in sent.values():
        assert len({item["event_id"] for item in items}) == len(items)
        assert all(str(item["occurred_at"]) >= START.isoformat() for item in items)
    read = {
        i["content_id"]: i["title"]
        for _, i in islice(stream(brands, "seed", START, 200.0), 20_000)
        if "title" in i
    }
    assert {
        str(i["content_id"]): i["title"] for i in sent["content"] if i["event_type"] == "headline_changed"
    }.items() <= read.items()
