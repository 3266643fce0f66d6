"""Reader traffic that is hard on session and copy rules.

Belongs here: hypothesis strategies and seeded generators of events around gaps of 30 minutes and midnights. Does not
belong here: traffic that looks real (`streaming.simulator`).
"""

import random
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from media_analytics_tests.builders.events import MIDNIGHT, silver_event

MICROSECOND = timedelta(microseconds=1)
LIMIT = timedelta(minutes=30)
# Gaps between events: none, at the limit and one microsecond to either side of it, ordinary, a pause.
GAPS = [
    timedelta(0),
    MICROSECOND,
    timedelta(minutes=7),
    timedelta(minutes=29, seconds=59),
    LIMIT - MICROSECOND,
    LIMIT,
    LIMIT + MICROSECOND,
    timedelta(hours=9),
    timedelta(hours=23, minutes=45),
]
EVENT_TYPES = (
    "page_view", "page_view", "page_view", "page_ping", "page_ping", "click", "share", "video_start",
    "video_complete", "newsletter_signup", "search", "resource_request",
)  # fmt: skip
# Chains of 25-minute steps cross three midnights within about 180 events.
segments = st.tuples(
    st.sampled_from(GAPS + [timedelta(minutes=25)] * 3), st.sampled_from([1, 1, 2, 5, 60, 180])
)
starts = st.sampled_from(
    [
        timedelta(hours=-24),
        timedelta(hours=-24, microseconds=1),
        timedelta(minutes=-31),
        timedelta(minutes=-30),
        timedelta(0),
        MICROSECOND,
        timedelta(hours=13, minutes=5),
        timedelta(hours=23, minutes=30),
        timedelta(hours=23, minutes=59, seconds=59.999999),
    ]
)
# One visitor's event times.
timelines = st.builds(
    lambda start, parts: _times(start, parts), starts, st.lists(segments, min_size=1, max_size=4)
)


def _times(start: timedelta, parts: list[tuple[timedelta, int]]) -> list[datetime]:
    now = MIDNIGHT + start
    times = [now]
    for gap, count in parts:
        for _ in range(count):
            now += gap
            times.append(now)
    return times[:400]


def events_of(timelines: list[list[datetime]], seed: int) -> list[dict[str, Any]]:
    """One visitor for each timeline; everything but the times is drawn from `seed`. Event ids do not follow time."""
    chance = random.Random(seed)
    total = sum(len(times) for times in timelines)
    numbers = chance.sample(range(10 * total + 1), total)
    events = []
    for visitor, times in enumerate(timelines):
        events += [varied_event(chance, numbers.pop(), when, visitor) for when in times]
    return events


def varied_event(chance: random.Random, number: int, when: datetime, visitor: int) -> dict[str, Any]:
    """An event with every field that the reader tables look at."""
    event_type = chance.choice(EVENT_TYPES)
    ping = event_type == "page_ping"
    return silver_event(
        number,
        when,
        event_type=event_type,
        brand=chance.choice(["bild", "welt"]) if visitor % 3 == 0 else "welt",
        visitor_id=None if chance.random() < 0.03 else f"a:{visitor}",
        page_key=chance.choice(["/a", "/b", "/c", None]),
        title=chance.choice(["A", "B", None]),
        engaged_seconds=round(chance.uniform(0, 60), chance.choice([0, 1, 3, 12])) if ping else None,
        scroll_pct=round(chance.uniform(0, 100), 2) if ping and chance.random() < 0.8 else None,
        is_bot=chance.random() < 0.2,
        country=chance.choice(["DE", "AT", None]),
        region=chance.choice(["BY", None]),
        device_type=chance.choice(["phone", "desktop"]),
        os=chance.choice(["iOS", None]),
        browser=chance.choice(["Firefox", None]),
        referrer_medium=chance.choice(["direct", "search"]),
        referrer_source=chance.choice(["Google", None]),
    )
