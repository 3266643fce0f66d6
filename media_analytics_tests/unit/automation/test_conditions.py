"""Which dates become due: the real definitions, evaluated without running anything."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from media_analytics.build import build_defs
from media_analytics_tests.builders import settings as builder

DATES = dg.AssetKey(["ops", "user_events_dates"])
SESSION_DATES = dg.AssetKey(["ops", "session_dates"])
BRONZE = dg.AssetKey(["bronze", "user_events"])
EVENTS = dg.AssetKey(["silver", "events"])
SESSIONS = dg.AssetKey(["silver", "sessions"])
GOLD = [
    dg.AssetKey(["gold", f"reader_{name}"])
    for name in ("sessions", "engagement", "geography", "devices", "sources")
]
OLD = ("2015-05-17", "2015-05-18", "2015-05-20")
# Views were made again today.
RENEWED = time(3, 26, tzinfo=UTC)


class Daemon:
    """Evaluates the conditions tick by tick, as the automation sensor does."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.defs, self.instance = defs, instance
        self.cursor: Any = None
        self.tick()

    def tick(self) -> dict[dg.AssetKey, set[str]]:
        """Requested dates by table."""
        result = dg.evaluate_automation_conditions(
            self.defs, self.instance, cursor=self.cursor, evaluation_time=datetime.now(UTC)
        )
        self.cursor = result.cursor
        found = {key: set(result.get_requested_partitions(key)) for key in (EVENTS, SESSIONS, *GOLD)}
        return {key: dates for key, dates in found.items() if dates}

    def report(self, key: dg.AssetKey, *partitions: str) -> None:
        for partition in partitions:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(build_defs(builder.make(tmp_path)), instance)


def test_dates_of_ten_years_ago_are_due_and_no_other(daemon: Daemon) -> None:
    """`eager()` would take the newest date only."""
    daemon.report(DATES, *OLD)
    assert daemon.tick() == {EVENTS: set(OLD)}
    assert daemon.tick() == {}


def test_an_arrival_hour_alone_makes_nothing_due(daemon: Daemon) -> None:
    """Mapped by time or to all dates it would ask for a wrong date or for all 9,000."""
    daemon.report(BRONZE, "2026-03-01-10:00")
    assert daemon.tick() == {}


def test_an_update_after_the_request_is_not_lost(daemon: Daemon) -> None:
    """Rows that arrive while the run works must be computed by another run."""
    daemon.report(DATES, OLD[0])
    assert daemon.tick() == {EVENTS: {OLD[0]}}
    daemon.report(DATES, OLD[0])
    daemon.report(EVENTS, OLD[0])
    assert daemon.tick() == {EVENTS: {OLD[0]}}


def test_sessions_follow_touched_session_dates_not_events(daemon: Daemon) -> None:
    daemon.report(EVENTS, OLD[0])
    assert daemon.tick() == {}
    daemon.report(SESSION_DATES, OLD[0], OLD[1])
    assert daemon.tick() == {SESSIONS: {OLD[0], OLD[1]}}


def test_gold_follows_what_was_published_although_another_date_failed(daemon: Daemon) -> None:
    """Three dates requested, one fails its audit and is never materialized: gold of the two good ones is due."""
    daemon.report(SESSION_DATES, *OLD)
    assert daemon.tick() == {SESSIONS: set(OLD)}
    daemon.report(SESSIONS, OLD[0], OLD[2])
    assert daemon.tick() == {key: {OLD[0], OLD[2]} for key in GOLD}


def requested(daemon: Daemon, *names: str, minutes_later: int = 0) -> dict[str, set[str | None]]:
    """What a tick asks for of some tables; {None} is a table without partitions."""
    result = dg.evaluate_automation_conditions(
        daemon.defs,
        daemon.instance,
        cursor=daemon.cursor,
        evaluation_time=datetime.now(UTC) + timedelta(minutes=minutes_later),
    )
    daemon.cursor = result.cursor
    found = {name: result.get_requested_partitions(dg.AssetKey(name.split("."))) for name in names}
    return {name: set(partitions) for name, partitions in found.items() if partitions}


def test_tables_of_intervals_follow_the_touched_dates_of_their_bronze(daemon: Daemon) -> None:
    """Would catch a table that is replaced as a whole and never again, and one that follows every micro-batch."""
    whole = ("silver.content", "silver.consent", "silver.subscriptions")
    daemon.report(dg.AssetKey(["bronze", "content_events"]), "2026-03-01-10:00")
    assert requested(daemon, *whole) == {}
    daemon.report(dg.AssetKey(["ops", "content_events_dates"]), *OLD)
    assert requested(daemon, *whole) == {"silver.content": {None}}
    assert requested(daemon, *whole) == {}
    daemon.report(dg.AssetKey(["ops", "compliance_events_dates"]), OLD[0])
    daemon.report(SESSION_DATES, OLD[0])
    assert requested(daemon, *whole) == {"silver.consent": {None}, "silver.subscriptions": {None}}


def test_subscription_numbers_follow_the_dates_that_their_intervals_touch(daemon: Daemon) -> None:
    """Would catch a publication of all intervals that asks for all dates of the platform."""
    daemon.report(dg.AssetKey(["ops", "subscription_dates"]), OLD[0], OLD[2])
    assert requested(daemon, "gold.reader_subscriptions") == {"gold.reader_subscriptions": {OLD[0], OLD[2]}}


def test_copies_follow_what_the_lake_published_date_by_date(daemon: Daemon) -> None:
    """Would catch a copy of every date for one that changed, and a copy nobody asks for."""
    copies = ("warehouse.reader_sessions", "warehouse.reader_devices", "warehouse.subscriptions")
    daemon.report(dg.AssetKey(["gold", "reader_sessions"]), OLD[0], OLD[2])
    assert requested(daemon, *copies) == {"warehouse.reader_sessions": {OLD[0], OLD[2]}}
    assert requested(daemon, *copies) == {}
    daemon.instance.report_runless_asset_event(dg.AssetMaterialization(["silver", "subscriptions"]))
    assert requested(daemon, *copies) == {"warehouse.subscriptions": {None}}


def test_models_by_date_follow_once_an_hour_and_together(daemon: Daemon) -> None:
    """Would catch an invocation of dbt for every copy of the open date, or for each step of a chain of models."""
    chain = ("warehouse.int_brand_days", "warehouse.bi_brand_days", "warehouse.bi_brand_months")
    others = ("warehouse.editorial_articles", "warehouse.bi_acquisition")
    copy = dg.AssetKey(["warehouse", "reader_sessions"])
    daemon.report(copy, OLD[0], OLD[2])
    assert requested(daemon, *chain) == {}, "not at once"
    assert requested(daemon, *chain, *others, minutes_later=60) == {key: {OLD[0], OLD[2]} for key in chain}
    for key in chain:
        daemon.report(dg.AssetKey(key.split(".")), OLD[0], OLD[2])
    assert requested(daemon, *chain, minutes_later=120) == {}, "nothing changed"
    daemon.report(copy, OLD[0])
    assert requested(daemon, *chain, minutes_later=120) == {}, "not before the next hour"
    assert requested(daemon, *chain, *others, minutes_later=180) == {key: {OLD[0]} for key in chain}
    assert requested(daemon, *chain, minutes_later=240) == {}


def test_a_new_catalogue_means_the_newest_dates(daemon: Daemon) -> None:
    """Would catch a published article that makes marts of every date since 2000."""
    daemon.instance.report_runless_asset_event(dg.AssetMaterialization(["warehouse", "content"]))
    assert requested(daemon, "warehouse.editorial_articles") == {}
    found = requested(daemon, "warehouse.editorial_articles", minutes_later=60)[
        "warehouse.editorial_articles"
    ]
    today = datetime.now(UTC).date()
    possible = {(today + timedelta(days=n)).isoformat() for n in (-1, 0, 1)}
    assert len(found) == 2 and found <= possible


def test_live_models_are_made_when_there_is_something_to_see_and_not_with_every_batch(daemon: Daemon) -> None:
    """Would catch views over tables that do not exist yet, and a run of dbt for every report of the sink."""
    live, views = (
        dg.AssetKey(["realtime", "user_events"]),
        ("warehouse.realtime_brands", "warehouse.stg_live_events"),
    )
    # Whatever the hour at which the test runs, the next renewal is a day away.
    now = datetime.now(UTC)
    renewed = max(0, (datetime.combine(now, RENEWED) - now) // timedelta(minutes=1) + 1)
    requested(daemon, *views, minutes_later=renewed)
    assert requested(daemon, *views, minutes_later=renewed + 60) == {}
    daemon.report(live, "2026-03-01")
    assert requested(daemon, *views, minutes_later=renewed + 90) == {key: {None} for key in views}
    for key in views:
        daemon.instance.report_runless_asset_event(dg.AssetMaterialization(key.split(".")))
    daemon.report(live, "2026-03-01")
    assert requested(daemon, *views, minutes_later=renewed + 150) == {}
    assert requested(daemon, *views, minutes_later=renewed + 26 * 60) == {key: {None} for key in views}


def test_a_model_waits_for_the_model_it_reads_and_not_for_the_live_tables(daemon: Daemon) -> None:
    """Would catch a run of a model whose input was never made: it failed on a stack that had live rows only."""
    today = datetime.now(UTC).date().isoformat()
    pages = ("warehouse.editorial_articles", "warehouse.editorial_reading", "warehouse.editorial_sources")
    daemon.report(dg.AssetKey(["realtime", "user_events"]), today)
    assert requested(daemon, *pages, minutes_later=60) == {}
    daemon.report(dg.AssetKey(["warehouse", "sessions"]), OLD[0])
    months = ("warehouse.bi_brand_months", "warehouse.bi_acquisition")
    assert requested(daemon, *months, minutes_later=120) == {"warehouse.bi_acquisition": {OLD[0]}}
    daemon.report(dg.AssetKey(["warehouse", "reader_engagement"]), OLD[0])
    assert requested(daemon, *pages, minutes_later=180) == {key: {OLD[0]} for key in pages}
