"""Tables of intervals in the graph: replaced as a whole, and the dates that a changed interval touches."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from media_analytics.contracts.registry import table
from media_analytics.resources.spark import connect
from media_analytics_tests.builders.events import at, bronze_event
from media_analytics_tests.integration.graph.world import World
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

D10, D11, D12, D13 = (date(2026, 3, day) for day in (10, 11, 12, 13))
DATES, GOLD = table("ops.subscription_dates"), table("gold.reader_subscriptions")
CHAIN = ("silver.events", "silver.sessions", "silver.subscriptions", GOLD.full_name)


@pytest.fixture
def world(spark: Embedded, tmp_path: Path) -> Iterator[World]:
    settings = spark.settings_with(LAKE__URL=str(tmp_path / "lake"))
    session = connect(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        made = World(settings, session, instance, now=at("13 12:00"))
        made.create_tables()
        yield made
    session.stop()
    shutil.rmtree(tmp_path / "lake", ignore_errors=True)


def event(number: int, when: str, event_type: str, customer: str = "k") -> dict[str, Any]:
    fields = {"customer_id": customer, "visitor_id": f"c:{customer}", "tier": "basic", "segment": "a"}
    return bronze_event(number, at(when), event_type=event_type, **fields)


def touched(world: World) -> dict[int, set[date]]:
    found: dict[int, set[date]] = {}
    for row in world.lake.read(DATES).collect():
        found.setdefault(row["session_dates_version"], set()).add(row["date"])
    return found


def test_a_changed_interval_touches_every_date_from_its_begin_to_its_end(world: World) -> None:
    """Would catch dates whose active subscriptions change although no event of theirs did."""
    world.arrive([event(1, "10 09:00", "subscription_start"), event(2, "12 09:00", "page_view", "other")])
    assert world.run(D10, D12, only=CHAIN).success
    (first,) = touched(world).values()
    assert {D10, D11, D12, D13} <= first
    rows = {r["date"]: r for r in world.lake.read(GOLD).collect()}
    assert [(d.day, rows[d]["starts"], rows[d]["active"]) for d in sorted(rows)] == [
        (10, 1, 1),
        (11, 0, 1),
        (12, 0, 1),
    ]
    assert (rows[D10]["conversion_rate"], rows[D12]["conversion_rate"]) == (1.0, 0.0)
    # A late cancel on the 11th: the 12th had no new event, and its numbers change all the same.
    world.arrive([event(3, "11 10:00", "subscription_cancel")])
    assert world.run(D11, only=CHAIN).success
    newest = touched(world)[max(touched(world))]
    assert {D11, D12, D13} <= newest
    rows = {r["date"]: r for r in world.lake.read(GOLD).collect()}
    assert (rows[D11]["cancels"], rows[D11]["active"], rows[D11]["churn_rate"]) == (1, 0, 1.0)
    assert world.run(D12, only=[GOLD.full_name]).success
    assert D12 not in {r["date"] for r in world.lake.read(GOLD).collect()}
    assert world.run(D13, only=[GOLD.full_name]).success, "nothing replaces nothing"
    restated = world.lake.read(table("ops.restatements")).collect()
    changed = {(r["date"], r["measure"]) for r in restated if r["table"] == GOLD.full_name}
    assert changed >= {(D12, "active"), (D11, "cancels")}
