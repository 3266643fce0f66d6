"""dbt models on the real gateway, compared with plain Python, date by date and after restatements."""

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from media_analytics.factory import CAUSE_TAG
from media_analytics.resources.dbt import Dbt, manifest
from media_analytics.warehouse.restating import Mart
from media_analytics.warehouse.restating import marts as all_marts
from media_analytics_tests.builders import reference_marts as reference
from media_analytics_tests.builders.reference import split_sessions
from media_analytics_tests.integration.warehouse.marts import Marts, same, stored_models
from media_analytics_tests.integration.warehouse.traffic import FIRST, Traffic
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# The traffic lies in the past: marts made of single events still make its dates.
VARIABLES = {"event_days": 100_000, "curve_days": 100_000}


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return Traffic.of(seed=6)


@pytest.fixture(scope="module")
def marts(
    clickhouse: Embedded, tmp_path_factory: pytest.TempPathFactory, traffic: Traffic
) -> Iterator[Marts]:
    with Marts.empty(clickhouse, tmp_path_factory.mktemp("marts").name, **VARIABLES) as made:
        made.hold(traffic, traffic.days)
        made.arrive(traffic.events())
        made.dbt("build", "--full-refresh")
        yield made


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


def test_subscriptions_of_brands_by_day_and_month(marts: Marts, traffic: Traffic) -> None:
    """Would catch robots among the people of the overview, and a month's subscriptions that are not its last day's."""
    expected = reference.brand_subscriptions(traffic.intervals(), traffic.days)
    nothing = dict.fromkeys(next(iter(expected.values())), 0)
    days = marts.rows("bi_brand_days")
    assert expected.keys() <= days.keys()
    wanted = {key: expected.get(key, nothing) for key in days}
    same(days, wanted)
    assert any(row["active_subscriptions_human"] < row["active_subscriptions"] for row in wanted.values())
    months = marts.rows("bi_brand_months")
    for (month, brand), row in months.items():
        own = {day: wanted[day, brand] for day, b in days if (reference.month_of(day), b) == (month, brand)}
        for name in nothing:
            values = [values[name] for values in own.values()]
            last = own[max(own)][name]
            assert row[name] == (last if name.startswith("active") else sum(values)), (month, brand, name)


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
    full = {model: marts.rows(model) for model in stored_models()}
    holes = [FIRST + timedelta(days=n) for n in (3, 4, 21)]
    early = traffic.without(holes)
    # The days around a hole change, too: a session reaches across midnight.
    touched = sorted({d + timedelta(days=n) for d in holes for n in (-1, 0, 1, 2)})
    marts.hold(early, touched)
    marts.by_date(touched)
    same(marts.rows("bi_acquisition"), expected_of(early)["bi_acquisition"])
    assert not {key[0] for key in marts.rows("bi_acquisition")} & set(holes)
    before = {model: marts.rows(model) for model in full}
    marts.hold(traffic, touched)
    assert marts.materialize("daily", touched, {CAUSE_TAG: "a file came late"}).success
    for model, rows in full.items():
        same(marts.rows(model), rows)
    _recorded(marts, before, full)


def _recorded(
    marts: Marts, before: Mapping[str, reference.Table], after: Mapping[str, reference.Table]
) -> None:
    """The ledger holds every total of a day that is another one now, and nothing else."""
    rows = marts.restatements()
    found = {
        (r["table"], r["date"], r["brand"], r["measure"]): (r["old_value"], r["new_value"]) for r in rows
    }
    expected = {}
    for mart in all_marts():
        old, new = (_totals(mart, tables[mart.name]) for tables in (before, after))
        for key in old.keys() | new.keys():
            values = old.get(key), new.get(key)
            # A date that did not stand has nothing to restate.
            stood = any(k[0] == key[0] for k in old)
            if stood and not _close(*values):
                expected[(f"warehouse.{mart.name}", *key)] = values
    assert found.keys() == expected.keys() and len(found) == len(rows) > 100
    assert all(_close(x, y) for key in found for x, y in zip(found[key], expected[key], strict=True))
    assert {r["cause"].split(", ")[0] for r in rows} == {"a file came late"}
    assert not [name for name in marts.tables() if "__" in name]


def _totals(mart: Mart, rows: reference.Table) -> Mapping[tuple[Any, ...], float]:
    """Each measure by date and brand, the first two columns of every key; null where every row has none."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for key, row in rows.items():
        for measure in mart.measures:
            if row[measure] is not None:
                found.setdefault((key[0], key[1], measure), []).append(row[measure])
    return {key: math.fsum(values) for key, values in found.items()}


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9)


def test_a_run_records_its_dates_and_the_verdict_of_every_test(marts: Marts) -> None:
    """Would catch models that are built and not recorded, and dbt tests that are no checks."""
    days = [FIRST + timedelta(days=n) for n in (30, 31)]
    model = dg.AssetKey(["warehouse", "bi_acquisition"])
    before = marts.instance.get_materialized_partitions(model)
    result = marts.materialize("daily", days)
    assert result.success
    assert marts.instance.get_materialized_partitions(model) - before == {str(day) for day in days}
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert len(checks) >= 3 and all(checks.values())
    # The profile held the store's password.
    assert list((marts.settings.home / "dbt").iterdir()) == []


def test_sources_tell_how_fresh_they_are(marts: Marts, traffic: Traffic) -> None:
    """Would catch a column or a query that the store does not have, and a table without rows that counts as fresh."""
    with Dbt(marts.settings).invocation(
        ["source", "freshness"], "freshness", raise_on_error=False
    ) as invocation:
        invocation.wait()
        results = invocation.get_artifact("sources.json")["results"]
    found = {result["unique_id"].split(".", 2)[2]: result["status"] for result in results}
    filled = {"realtime.user_events", *(f"warehouse.{name}" for name in traffic.tables())}
    sources = {".".join(node["fqn"][-2:]) for node in manifest()["sources"].values()}
    assert found == {name: "pass" if name in filled else "error" for name in sources}
