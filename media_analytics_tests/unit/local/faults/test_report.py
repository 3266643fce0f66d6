"""When a run of faults counts as good, and that its page says so."""

import json
from dataclasses import replace
from typing import Any

import pytest

from media_analytics.local.faults.proof import Held
from media_analytics.local.faults.report import Minutes, Outcome, Report, Request

REQUEST = Request(20_000, 1, 1, 500.0, 50, 15.0, "media-analytics faults")
BRONZE = Held("bronze.user_events", 20_050, 0, 0, 0, 50, 0, is_unique=False)
SILVER = Held("silver.events", 20_000, None, 0, 0, 0, 0, is_unique=True)
KILL = Outcome(1, "kill kafka", 3.0, 1500, 0.0, 7.1, 8.2)
STALL = Outcome(2, "stall sink", 5.0, 2500, 4.0, 4.5, 5.0, (1,))
GOOD = Report(
    request=REQUEST,
    started_at="2026-03-10 12:00 UTC",
    load_seconds=60.0,
    drain_seconds=5.0,
    outcomes=(KILL, STALL),
    refused={"503": 2},
    collected=20_050,
    acknowledged=20_000,
    dead_letters=0,
    stores=(BRONZE, SILVER),
    minutes=Minutes(12, 0, 20_050),
    machine="2 cores",
)


def test_a_run_without_loss_is_good_and_says_so() -> None:
    assert GOOD.is_good
    assert "**Nothing lost, nothing doubled.**" in GOOD.as_markdown()
    assert json.loads(GOOD.as_json())["is_good"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"acknowledged": 19_999},
        {"dead_letters": 1},
        {"outcomes": (replace(KILL, progress_seconds=None),)},
        {"outcomes": (replace(KILL, is_noticed=False),)},
        {"stores": (replace(BRONZE, coordinates_missing=1), SILVER)},
        {"stores": (replace(BRONZE, coordinates_duplicated=1), SILVER)},
        {"stores": (BRONZE, replace(SILVER, events_again=1))},
        {"stores": (BRONZE, replace(SILVER, events_missing=1))},
        {"minutes": Minutes(12, 1, 20_050)},
    ],
    ids=str,
)
def test_anything_wrong_makes_it_bad(change: dict[str, Any]) -> None:
    """Would catch a verdict that does not look at one of the numbers."""
    bad = replace(GOOD, **change)
    assert not bad.is_good
    assert "NOT whole" in bad.as_markdown()


def test_what_a_stall_lasts_is_not_recovery() -> None:
    page = GOOD.as_markdown()
    assert "| stall sink | 1 | 1.0 | 1.0 |" in page
    assert "| kill kafka | 1 | 8.2 | 8.2 |" in page
