"""Marts by date made in any order, with late events, against one full refresh in an empty database."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from media_analytics.partitions import contiguous, days_between, session_dates
from media_analytics_tests.builders.reference_marts import Table
from media_analytics_tests.integration.warehouse.marts import Marts, same, stored_models
from media_analytics_tests.integration.warehouse.traffic import Row, Traffic
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1800)]

# All within the dates that marts of single events make (`event_days`), and over: an hour that ends during the test
# would change them.
COUNT, AGE = 24, 28
# Dates that arrive together.
BLOCK = 4
# Of the events of each date, those that come when everything was built, in this many batches.
LATE, LATE_BATCHES = 0.06, 2


def test_shuffled_and_late_batches_make_what_one_full_refresh_makes(
    clickhouse: Embedded, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Would catch a model that forgets late events, touches other dates than its own, or depends on the order."""
    traffic = Traffic.of(seed=14, first=datetime.now(UTC).date() - timedelta(days=AGE), count=COUNT)
    with Marts.empty(clickhouse, tmp_path_factory.mktemp("replay").name) as marts:
        batches = _batches(traffic, random.Random(14))
        before = traffic.only(())
        ids: set[str] = set()
        for number, batch in enumerate(batches):
            ids |= {e["event_id"] for e in batch}
            after = traffic.only(ids)
            marts.arrive(batch)
            _follow(marts, before, after, batch)
            if number in (len(batches) // 2, len(batches) - 1):
                # Once a day on the platform.
                assert marts.materialize("none").success
            before = after
        step_by_step = _everything(marts)
    with Marts.empty(clickhouse, tmp_path_factory.mktemp("at-once").name) as marts:
        marts.hold(traffic, traffic.days)
        marts.arrive(traffic.events())
        marts.dbt("build", "--full-refresh")
        at_once = _everything(marts)
    assert at_once.keys() == step_by_step.keys() == stored_models().keys()
    for model, rows in at_once.items():
        assert len(rows) >= 20 or model == "bi_brand_months", model
        assert rows, model
        same(step_by_step[model], rows)


def _batches(traffic: Traffic, chance: random.Random) -> list[list[Row]]:
    """Blocks of dates in any order; then what came late, when its date and all others were built."""
    on_time: dict[int, list[Row]] = {}
    late: list[list[Row]] = [[] for _ in range(LATE_BATCHES)]
    for event in traffic.events():
        block = (event["occurred_at"].date() - traffic.first).days // BLOCK
        own = (
            late[chance.randrange(LATE_BATCHES)] if chance.random() < LATE else on_time.setdefault(block, [])
        )
        own.append(event)
    blocks = list(on_time.values())
    chance.shuffle(blocks)
    assert all(late) and len(blocks) >= COUNT // BLOCK
    return [*blocks, *late]


def _follow(marts: Marts, before: Traffic, after: Traffic, batch: Iterable[Row]) -> None:
    """Publish and copy the dates that events touch, then run the models of exactly these, a run for each stretch."""
    touched = {
        day for event in batch for day in session_dates(event["occurred_at"].date(), event["occurred_at"])
    } | _changed(before.tables()["reader_subscriptions"], after.tables()["reader_subscriptions"])
    days = sorted(touched & set(after.days))
    marts.hold(after, days)
    for first, last in contiguous(days):
        assert marts.materialize("daily", days_between(first, last)).success


def _changed(before: Sequence[Row], after: Sequence[Row]) -> set[date]:
    """Dates with other rows: a subscription is active long after its event."""
    old, new = ({(r["date"], repr(sorted(r.items()))) for r in rows} for rows in (before, after))
    return {day for day, _ in old ^ new}


def _everything(marts: Marts) -> Mapping[str, Table]:
    return {model: marts.rows(model) for model in stored_models()}
