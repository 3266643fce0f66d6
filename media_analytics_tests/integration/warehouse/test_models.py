"""dbt models on the real gateway, compared with plain Python, date by date and after restatements."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import dagster as dg
import pyarrow as pa
import pytest

from media_analytics.build import build_defs
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.clickhouse import create_database_sql, create_table_sql
from media_analytics.contracts.registry import TABLES, table
from media_analytics.resources.dbt import Dbt
from media_analytics_tests.builders import reference_marts as reference
from media_analytics_tests.builders.reference import split_sessions
from media_analytics_tests.integration.warehouse.traffic import FIRST, Row, Traffic, as_arrow
from media_analytics_tests.integration.warehouse.world import RANGE, Warehouse
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# The traffic lies in the past: marts made of single events still make its dates.
VARIABLES = {"event_days": 100_000, "curve_days": 100_000}
KEYS = {
    "bi_brand_days": ("date", "brand"),
    "bi_brand_months": ("month_date", "brand"),
    "bi_acquisition": ("date", "brand", "referrer_medium", "referrer_source"),
    "bi_subscriptions": ("date", "brand", "tier"),
    "bi_cohorts": ("cohort_date", "brand", "week_number"),
    "bi_conversions": ("date", "brand"),
    "editorial_articles": ("date", "brand", "page_key"),
    "editorial_sections": ("date", "brand", "section"),
    "editorial_authors": ("date", "brand", "author"),
    "editorial_sources": ("date", "brand", "page_key", "referrer_medium", "referrer_source"),
    "editorial_reading": ("date", "brand", "page_key"),
    "editorial_first_hours": ("date", "brand", "page_key", "hour_number"),
}


class Marts(Warehouse):
    """A warehouse whose copies hold traffic, and dbt."""

    def hold(self, traffic: Traffic, days: Sequence[date]) -> None:
        """Publish and copy what the lake holds of days; tables without dates as a whole."""
        for name, rows in traffic.tables().items():
            copy = table(f"warehouse.{name}")
            own = [r for r in rows if copy.partition_column is None or r["date"] in set(days)]
            self.publish(copy, as_arrow(copy, own), days if copy.partition_column else ())
            loaded = self.load(copy, *days)
            assert (loaded.differences, loaded.failed) == ({}, {})

    def arrive(self, events: Sequence[Row]) -> None:
        """Put events into the live table, every third one twice; they happened long ago and arrive now."""
        now = datetime.now(UTC)
        names = [n for n in table("realtime.user_events").column_names if any(n in e for e in events)]
        rows = [e | {"appended_at": now} for e in events]
        rows += [
            r | {"received_at": now, "referrer_medium": "copy", "source_offset": -n}
            for n, r in enumerate(rows[::3])
        ]
        schema = pa.schema([f for f in arrow_schema(table("realtime.user_events")) if f.name in names])
        stored = pa.Table.from_pylist([{n: r.get(n) for n in names} for r in rows], schema=schema)
        own = self.settings.clickhouse
        client = clickhouse_connect.get_client(
            dsn=own.url, username=own.user, password=own.password.get_secret_value()
        )
        client.command("TRUNCATE TABLE realtime.user_events")
        client.insert_arrow("realtime.user_events", stored)

    def by_date(self, days: Sequence[date]) -> None:
        """Models of some days, as a run makes them; their tests took part in the first build."""
        dates = {"first_date": str(days[0]), "last_date": str(days[-1])}
        self.dbt("run", "--select", "config.meta.partitions:daily", **dates)

    def dbt(self, *arguments: str, **variables: str) -> None:
        """One invocation; variables are those of a run."""
        chosen = ["--vars", json.dumps(VARIABLES | variables)]
        with Dbt(self.settings).invocation([*arguments, *chosen], "test") as invocation:
            invocation.wait()
            assert invocation.is_successful()

    def rows(self, model: str) -> reference.Table:
        """A model's rows by key."""
        names, rows = self.clickhouse.named_rows(f"SELECT * FROM warehouse.{model}")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return {tuple(row.pop(name) for name in KEYS[model]): row for row in found}


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return Traffic.of(seed=6)


@pytest.fixture(scope="module")
def marts(
    clickhouse: Embedded, tmp_path_factory: pytest.TempPathFactory, traffic: Traffic
) -> Iterator[Marts]:
    folder = tmp_path_factory.mktemp("marts")
    lake = Path(clickhouse.settings.lake.url) / folder.name
    settings = clickhouse.settings_with(LAKE__URL=str(lake))
    with dg.DagsterInstance.ephemeral() as instance:
        made = Marts(settings, instance)
        made.create(*(c for c in TABLES.values() if c.copy_of is not None))
        for contract in (c for c in TABLES.values() if c.layer == "realtime"):
            made.clickhouse.run(create_database_sql(contract))
            made.clickhouse.run(create_table_sql(contract))
        made.hold(traffic, traffic.days)
        made.arrive(traffic.events())
        made.dbt("build", "--full-refresh")
        yield made


def same(found: reference.Table, expected: reference.Table) -> None:
    assert found.keys() == expected.keys()
    wrong = {
        (key, name): (found[key][name], value)
        for key, row in expected.items()
        for name, value in row.items()
        if not _equal(found[key][name], value)
    }
    assert wrong == {}


def _equal(found: Any, expected: Any) -> bool:
    if isinstance(expected, float) and found is not None:
        return math.isclose(found, expected, rel_tol=1e-9)
    return bool(found == expected)


def expected_of(traffic: Traffic) -> Mapping[str, reference.Table]:
    tables = traffic.tables()
    pages, catalogue = tables["reader_engagement"], tables["content"]
    return {
        "bi_acquisition": reference.acquisition(traffic.sessions()),
        "bi_cohorts": reference.cohorts(traffic.sessions(), last_week=26),
        "bi_subscriptions": reference.subscriptions(traffic.intervals(), traffic.days),
        "editorial_articles": reference.articles(traffic.readers, split_sessions(traffic.readers), catalogue),
        "editorial_sections": reference.sections(pages, catalogue),
        "editorial_authors": reference.sections(pages, catalogue, author=True),
        "editorial_sources": reference.article_sources(traffic.events()),
        "editorial_reading": reference.reading(traffic.events(), catalogue),
        "editorial_first_hours": reference.first_hours(traffic.events(), catalogue),
    }


COMPARED = (
    "bi_acquisition",
    "bi_cohorts",
    "bi_subscriptions",
    "editorial_articles",
    "editorial_sections",
    "editorial_authors",
    "editorial_sources",
    "editorial_reading",
    "editorial_first_hours",
)


@pytest.mark.parametrize("model", COMPARED)
def test_a_mart_is_what_plain_python_makes_of_the_events(model: str, marts: Marts, traffic: Traffic) -> None:
    """Would catch a join that loses or doubles rows, a wrong midnight, week or interval, bots among people."""
    expected = expected_of(traffic)[model]
    assert len(expected) > 20
    same(marts.rows(model), expected)


@pytest.mark.parametrize(
    ("model", "recompute"),
    [("bi_brand_days", reference.brand_days), ("bi_brand_months", reference.brand_months)],
)
def test_brands_by_day_and_month(model: str, recompute: Any, marts: Marts, traffic: Traffic) -> None:
    """Would catch visitors of a month summed over its days, and days without readers that get lost."""
    found, expected = marts.rows(model), recompute(traffic.sessions())
    assert expected.keys() <= found.keys()
    same({key: found[key] for key in expected}, expected)
    without_readers = {key: row for key, row in found.items() if key not in expected}
    assert all(row["sessions"] == 0 for row in without_readers.values())
    starts = sum(row["subscription_starts"] for row in found.values())
    assert starts == sum(interval["valid_from"] is not None for interval in traffic.intervals())


def test_new_subscribers_for_each_customer_without_a_subscription(marts: Marts, traffic: Traffic) -> None:
    """Would catch a rate that is summed over tiers, and another day's customers below the line."""
    found = marts.rows("bi_conversions")
    expected = reference.conversions(traffic.subscribers, traffic.intervals(), traffic.days)
    same(found, {key: expected[key] for key in found})
    missing = [key for key, row in expected.items() if row["new_subscribers"] and key not in found]
    assert missing == [] and sum(row["new_subscribers"] for row in found.values()) > 20


def test_dates_in_any_order_with_late_ones_make_what_a_full_build_makes(
    marts: Marts, traffic: Traffic
) -> None:
    """Would catch a run that touches other dates than its own, a date that cannot be emptied, and a stale month."""
    full = {model: marts.rows(model) for model in KEYS}
    holes = [FIRST + timedelta(days=n) for n in (3, 4, 21)]
    early = traffic.without(holes)
    # The days around a hole change, too: a session reaches across midnight.
    touched = sorted({d + timedelta(days=n) for d in holes for n in (-1, 0, 1, 2)})
    marts.hold(early, touched)
    marts.by_date(touched)
    same(marts.rows("bi_acquisition"), expected_of(early)["bi_acquisition"])
    assert not {key[0] for key in marts.rows("bi_acquisition")} & set(holes)
    marts.hold(traffic, touched)
    marts.by_date(touched)
    for model, rows in full.items():
        same(marts.rows(model), rows)


def test_a_run_records_its_dates_and_the_verdict_of_every_test(marts: Marts) -> None:
    """Would catch models that are built and not recorded, and dbt tests that are no checks."""
    day = FIRST + timedelta(days=9)
    model = dg.AssetKey(["warehouse", "bi_acquisition"])
    result = (
        build_defs(marts.settings)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=marts.instance,
            asset_selection=[model],
            tags=dict(zip(RANGE, (day.isoformat(), (day + timedelta(days=1)).isoformat()), strict=True)),
        )
    )
    assert result.success
    days = {day.isoformat(), (day + timedelta(days=1)).isoformat()}
    assert marts.instance.get_materialized_partitions(model) == days
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert len(checks) >= 3 and all(checks.values())
    # The profile held the store's password.
    assert list((marts.settings.home / "dbt").iterdir()) == []
