"""The query form of an event says what its JSON form says."""

from pathlib import Path

import msgspec
import pytest

from media_analytics_tests.unit.collector.support import BROWSER, context, mapper
from streaming.collector import pixel
from streaming.collector.answers import Rejection

NUMBERS = frozenset({"position", "engaged_seconds"})


def test_a_query_is_the_event_it_names(tmp_path: Path) -> None:
    query = {
        "key": "k", "brand": "welt", "_": "123", "event_type": "page_ping", "page_url": "https://www.bild.de/a?b=c",
        "position": "3", "engaged_seconds": "1.5", "consent": "analytics,advertising", "p.theme": "dark",
        "anonymous_id": "a1",
    }  # fmt: skip
    made = mapper(tmp_path)
    shared = context(BROWSER)
    record = made.user(msgspec.Raw(pixel.item(query, made.numbers, shared)), shared)
    assert {n: record[n] for n in ("event_type", "brand", "position", "engaged_seconds", "visitor_id")} == {
        "event_type": "page_ping", "brand": "bild", "position": 3, "engaged_seconds": 1.5, "visitor_id": "a:a1",
    }  # fmt: skip
    assert record["consent"] == ["analytics", "advertising"]
    assert record["properties"] == {"theme": "dark"}
    assert record["occurred_at"] == shared.received_us


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"position": "three"}, "position"),
        ({"engaged_seconds": "nan"}, "engaged_seconds"),
        ({"engaged_seconds": "1e999"}, "engaged_seconds"),
        ({"colour": "red"}, "colour"),
        ({"event_type": "looked"}, "event_type"),
    ],
)
def test_a_query_that_breaks_a_rule_is_refused(tmp_path: Path, query: dict[str, str], field: str) -> None:
    made = mapper(tmp_path)
    shared = context(BROWSER)
    with pytest.raises(Rejection) as caught:
        made.user(msgspec.Raw(pixel.item(query, made.numbers, shared)), shared)
    assert caught.value.field == field


def test_the_image_is_a_gif_of_one_pixel() -> None:
    assert pixel.GIF[:6] == b"GIF89a"
    assert pixel.GIF[6:10] == b"\x01\x00\x01\x00"
    assert pixel.GIF[-1:] == b";"
