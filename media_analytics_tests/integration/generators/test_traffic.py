"""Generated traffic: what the tables say is what plain Python makes of the events, and nothing else is touched."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from media_analytics.commands.generate import fill
from media_analytics.contracts.audit import audit_query, read_result
from media_analytics.contracts.registry import table
from media_analytics.errors import MediaAnalyticsError
from media_analytics.generators.traffic.generate import TABLES
from media_analytics.generators.traffic.options import Options
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.settings import Settings
from media_analytics_tests.builders import reference, reference_intervals, streams
from media_analytics_tests.builders import settings as builder
from media_analytics_tests.services import gateway as service

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BRANDS = {
    "bild": ("bild.de", ("politics", "sports")),
    "welt": ("welt.de", ("business",)),
    "politico": ("politico.eu", ("policy", "congress")),
}
# Of late: live tables drop what arrived 35 days ago.
YESTERDAY = datetime.now(UTC).replace(hour=17, minute=30, second=0, microsecond=0) - timedelta(days=1)
SMALL = Options(days=2, events=2_500, seed=3, until=YESTERDAY, brands=BRANDS)
KEYS: Mapping[str, tuple[str, ...]] = {
    "sessions": ("session_id",),
    "reader_sessions": ("date", "brand"),
    "reader_engagement": ("date", "brand", "page_key"),
    "reader_geography": ("date", "brand", "country", "region"),
    "reader_devices": ("date", "brand", "device_type", "os", "browser"),
    "reader_sources": ("date", "brand", "referrer_medium", "referrer_source"),
    "subscriptions": ("brand", "start_event_id"),
    "reader_subscriptions": ("date", "brand", "tier", "segment"),
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A gateway of its own: the tables must be empty."""
    folder = tmp_path_factory.mktemp("traffic")
    gateway = service.make(folder)
    gateway.start()
    made = builder.make(folder, CLICKHOUSE__URL=gateway.url)
    streams.create_tables(made)
    yield made
    gateway.stop()


def rows_of(settings: Settings, sql: str) -> list[dict[str, Any]]:
    names, rows = ClickHouse(settings).named_rows(sql)
    return [dict(zip(names, row, strict=True)) for row in rows]


def events_of(settings: Settings) -> list[dict[str, Any]]:
    """Every event once: of copies the one received first."""
    return rows_of(
        settings,
        "SELECT *, toDate32(occurred_at) AS date FROM realtime.user_events "
        "ORDER BY received_at, source_partition, source_offset LIMIT 1 BY (brand, event_id)",
    )


def expected(events: list[dict[str, Any]]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    days = sorted({e["date"] for e in events})
    return {
        "sessions": reference.sessions(events),
        "reader_sessions": reference.reader_sessions(events),
        "reader_engagement": reference.reader_engagement(events),
        **{
            name: reference.by_dimensions(events, KEYS[name][2:])
            for name in ("reader_geography", "reader_devices", "reader_sources")
        },
        "subscriptions": reference_intervals.subscriptions(events)[0],
        "reader_subscriptions": reference_intervals.reader_subscriptions(events, days),
    }


def fingerprint(settings: Settings) -> list[tuple[int, int]]:
    """Count and hash of the rows of every table; when copies were loaded does not matter."""
    found = []
    for name in TABLES:
        columns = ", ".join(f"`{c.name}`" for c in table(name).columns if c.name != "loaded_at")
        row = ClickHouse(settings).rows(f"SELECT count(), sum(sipHash64(tuple({columns}))) FROM {name}")[0]
        found.append((row[0], row[1]))
    return found


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(SMALL, id="small"),
        pytest.param(replace(SMALL, days=6, events=20_000, seed=11), id="20,000", marks=pytest.mark.slow),
    ],
)
def test_tables_say_what_plain_python_makes_of_the_events(settings: Settings, options: Options) -> None:
    """Would catch sessions that are drawn and not derived, a cut at midnight, copies that count twice."""
    made = fill(settings, options)
    events = events_of(settings)
    assert options.events <= made.events == len(events) < made.rows["realtime.user_events"]
    assert {e["date"] for e in events} == set(options.dates)
    assert max(e["occurred_at"] for e in events) < options.until
    # So many events have sessions across midnight.
    assert options is SMALL or any(s["date"] != s["ended_at"].date() for s in reference.sessions(events))
    for name, rows in expected(events).items():
        found = {
            tuple(r[k] for k in KEYS[name]): r for r in rows_of(settings, f"SELECT * FROM warehouse.{name}")
        }
        assert found.keys() == {tuple(r[k] for k in KEYS[name]) for r in rows}, name
        for row in rows:
            key = tuple(row[k] for k in KEYS[name])
            wanted = {c: pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for c, v in row.items()}
            assert {c: found[key][c] for c in row} == wanted, (name, key)


@pytest.mark.slow
def test_rows_keep_the_contracts_and_the_same_seed_makes_them_again(settings: Settings) -> None:
    fill(settings, SMALL)
    first = fingerprint(settings)
    for name in TABLES:
        query = audit_query(table(name), name, "clickhouse")
        names, rows = ClickHouse(settings).named_rows(query.sql)
        row = dict(zip(names, rows[0], strict=True))
        assert [str(rule) for rule in read_result(query, row) if rule.failed] == [], name
    fill(settings, SMALL)
    assert fingerprint(settings) == first
    fill(settings, replace(SMALL, seed=4))
    assert fingerprint(settings) != first


@pytest.mark.slow
def test_video_tables_agree_with_each_other(settings: Settings) -> None:
    fill(settings, SMALL)
    by_date = {
        name: rows_of(
            settings, f"SELECT date, sum({measure}) AS n FROM warehouse.{name} GROUP BY date ORDER BY date"
        )
        for name, measure in (
            ("executive_summary", "plays"),
            ("content_performance", "plays"),
            ("device_analytics", "plays"),
            ("geographic_analytics", "plays"),
        )
    }
    requests = [
        rows_of(settings, f"SELECT sum(requests) AS n FROM warehouse.{name}")
        for name in ("executive_summary", "delivery_quality", "device_analytics", "geographic_analytics")
    ]
    assert by_date["executive_summary"]
    assert all(rows == by_date["executive_summary"] for rows in by_date.values())
    assert requests[0][0]["n"] == 250
    assert all(rows == requests[0] for rows in requests)


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO realtime.interactions SELECT * REPLACE ('interactions.events' AS source_topic) "
        "FROM realtime.interactions LIMIT 1",
        "INSERT INTO warehouse.sessions SELECT * REPLACE ('other' AS session_id) FROM warehouse.sessions LIMIT 1",
    ],
)
def test_rows_of_others_are_never_replaced(settings: Settings, statement: str) -> None:
    streams.create_tables(settings)
    fill(settings, SMALL)
    ClickHouse(settings).run(statement)
    before = fingerprint(settings)
    with pytest.raises(MediaAnalyticsError, match=r"hold rows that were not generated.*use a new home"):
        fill(settings, SMALL)
    assert fingerprint(settings) == before
    streams.create_tables(settings)


def test_dates_that_live_tables_no_longer_keep_are_refused(settings: Settings) -> None:
    with pytest.raises(MediaAnalyticsError, match="live tables keep 35 days"):
        fill(settings, replace(SMALL, until=SMALL.until - timedelta(days=40)))


def test_a_store_without_tables_says_how_they_are_made(settings: Settings) -> None:
    ClickHouse(settings).run("DROP TABLE warehouse.sessions SYNC")
    with pytest.raises(
        MediaAnalyticsError, match=r"warehouse.sessions are not in ClickHouse yet.*media-analytics up"
    ):
        fill(settings, SMALL)
    streams.create_tables(settings)
