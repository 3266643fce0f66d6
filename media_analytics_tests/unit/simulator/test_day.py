"""A simulated day is a function of its arguments, and says exactly what is in it."""

from collections import Counter
from datetime import date
from pathlib import Path

import msgspec
import pytest

from media_analytics_tests.builders import settings as builder
from media_analytics_tests.unit.collector import support
from streaming.collector.answers import Rejection
from streaming.simulator.chance import Chance
from streaming.simulator.day import Day, make_day

EVENTS = 5_000
DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return make_day(1, DAY, EVENTS, builder.make(tmp_path_factory.mktemp("settings")).brands)


def test_the_same_arguments_give_the_same_day(made: Day, tmp_path: Path) -> None:
    brands = builder.make(tmp_path).brands
    assert make_day(1, DAY, EVENTS, brands) == made
    assert make_day(2, DAY, EVENTS, brands).items != made.items
    other_day = make_day(1, date(2026, 11, 19), EVENTS, brands)
    assert not {i["event_id"] for i in other_day.items} & {
        i["event_id"] for i in made.items if len(i["event_id"]) == 36
    }


def test_chance_is_the_same_on_every_machine() -> None:
    """Catches a change of the random stream: progress files and expected numbers would no longer fit."""
    chance = Chance("1|2026-11-20|bild")
    assert [chance.below(1000) for _ in range(6)] == [371, 990, 594, 718, 244, 911]
    assert Chance("x").uuid() == "a17b4dca-15c0-47bc-b0d4-98cfafd33556"


def test_counts_are_what_the_collector_will_answer(made: Day, tmp_path: Path) -> None:
    mapper = support.mapper(tmp_path)
    accepted: list[str] = []
    refused = 0
    for item in made.items:
        try:
            accepted.append(
                mapper.user(msgspec.Raw(msgspec.json.encode(item)), support.context())["event_id"]
            )
        except Rejection:
            refused += 1
    assert refused == made.malformed > 0
    assert len(accepted) == made.events + made.copies
    assert len(set(accepted)) == made.events == EVENTS
    assert made.copies > 0


def test_all_brands_have_their_share(made: Day) -> None:
    counted = Counter(item["brand"] for item in _unique(made))
    assert dict(counted) == made.events_by_brand
    assert sum(made.events_by_brand.values()) == EVENTS
    assert set(counted) == {"bild", "welt", "business_insider", "politico", "sport_bild"}
    assert counted["bild"] > counted["welt"] > counted["politico"]


def test_late_events_happened_earlier_all_others_on_the_day(made: Day) -> None:
    days = Counter(item["occurred_at"][:10] for item in _unique(made))
    assert made.late > 0
    assert set(days) <= {"2026-11-20", "2026-11-19", "2026-11-18"}
    assert EVENTS - days["2026-11-20"] == made.late


def test_traffic_has_the_shape_of_a_news_site(made: Day) -> None:
    unique = _unique(made)
    types = Counter(item["event_type"] for item in unique)
    assert types["page_ping"] > types["page_view"] > types["click"] > types["share"] > 0
    assert types["video_start"] >= types["video_complete"] > 0
    hours = Counter(item["occurred_at"][11:13] for item in unique)
    assert hours["19"] > 3 * hours["03"]
    pages = Counter(item.get("content_id") for item in unique if item["event_type"] == "page_view")
    assert pages.most_common(1)[0][1] > 5 * sorted(pages.values())[len(pages) // 2]
    assert any("Googlebot" in item["user_agent"] for item in unique)
    assert any(item.get("consent") == [] for item in unique)


def _unique(made: Day) -> list[dict[str, str]]:
    """Valid events, each once."""
    known = {"bild", "welt", "business_insider", "politico", "sport_bild"}
    seen: dict[str, dict[str, str]] = {}
    copies = Counter(i["event_id"] for i in made.items)
    for item in made.items:
        good = (
            item["brand"] in known
            and item["event_type"] != "page_viewed"
            and item["occurred_at"].startswith("2026-11-")
            and not str(item["ip"]).startswith("999")
            and item.get("position") != "first"
            and len(item["user_agent"]) < 2048
            and item.get("scroll_pct") != 250.0
            and item.get("consent") != ["everything"]
            and len(item["event_id"]) == 36
        )
        if good:
            seen[item["event_id"]] = item
    assert max(copies[e] for e in seen) <= 2
    return list(seen.values())
