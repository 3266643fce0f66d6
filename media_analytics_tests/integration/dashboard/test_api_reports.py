"""The API's reports, against marts with known rows in a real gateway, compared with what the database says itself."""

import io
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from pyarrow import csv
from pyarrow import parquet as pq

from media_analytics_tests.integration.dashboard.planted import NEWEST, Api, Planted, cohort, monday
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("dates")]
LAST = NEWEST
FIRST = LAST - timedelta(days=6)
BRANDS = ("bild", "welt")


def brand_days() -> list[dict[str, Any]]:
    """Two weeks of two brands; the second week has more. welt has no videos and misses its last date."""
    rows = []
    for n in range(14):
        for b, brand in enumerate(BRANDS):
            if (n, brand) == (13, "welt"):
                continue
            people = 100 * (b + 1) + 10 * n
            row: dict[str, Any] = {"date": FIRST - timedelta(days=7 - n), "brand": brand}
            for twin, factor in (("", 2), ("_human", 1)):
                row |= {
                    f"sessions{twin}": people * factor, f"viewing_sessions{twin}": people * factor,
                    f"visitors{twin}": people * factor - n, f"page_views{twin}": 3 * people * factor + n,
                    f"bounces{twin}": 25 * factor, f"engaged_seconds{twin}": 12.5 * people * factor,
                    f"subscription_starts{twin}": n * factor, f"subscription_cancels{twin}": factor,
                    f"active_subscriptions{twin}": (50 + n) * factor,
                }  # fmt: skip
            if brand == "bild":
                row |= {"video_plays": 7, "ad_revenue_eur": 1.25}
            rows.append(row)
    return rows


@pytest.fixture(scope="module")
def marts(home: Embedded) -> Iterator[Planted]:
    planted = Planted(home.settings)
    planted.mart("bi_brand_days", brand_days())
    yield planted
    planted.mart("bi_brand_days", exists=False)


def of_database(marts: Planted, first: date, last: date, twin: str = "_human") -> dict[str, Any]:
    """The overview's measures by a query of its own."""
    (row,) = marts.asked(
        f"""SELECT toFloat64(sum(t.page_views{twin})) AS page_views, toFloat64(sum(t.sessions{twin})) AS sessions,
        sum(t.bounces{twin}) / sum(t.viewing_sessions{twin}) AS bounce_rate,
        sum(t.page_views{twin}) / sum(t.viewing_sessions{twin}) AS pages_per_session,
        sum(t.engaged_seconds{twin}) / sum(t.page_views{twin}) AS engaged_seconds_per_page_view,
        toFloat64(sum(t.subscription_starts{twin})) AS subscription_starts,
        sum(t.visitors{twin}) / uniqExact(t.date) AS visitors,
        toFloat64(sumIf(t.active_subscriptions{twin}, t.date = toDate32('{last}'))) AS active_subscriptions,
        toFloat64(sum(t.video_plays)) AS video_plays, sum(t.ad_revenue_eur) AS ad_revenue_eur
        FROM warehouse.bi_brand_days AS t WHERE t.date BETWEEN toDate32('{first}') AND toDate32('{last}')"""
    )
    return row


@pytest.mark.parametrize("who", ["human", "all"])
def test_totals_are_those_of_the_database_beside_the_time_before(api: Api, marts: Planted, who: str) -> None:
    """Catches a day too many or too few, robots among people, visitors summed over days, a ratio of ratios."""
    found = api.get("/v1/reports/overview", first=FIRST, last=LAST, who=who)
    twin = "_human" if who == "human" else ""
    now = of_database(marts, FIRST, LAST, twin)
    before = of_database(marts, FIRST - timedelta(days=7), FIRST - timedelta(days=1), twin)
    total = found["total"]
    assert {name: total[name]["value"] for name in now} == pytest.approx(now)
    assert {name: total[name]["before"] for name in before} == pytest.approx(before)
    assert total["page_views"]["change"] == pytest.approx(now["page_views"] / before["page_views"] - 1)
    assert (found["newest"], found["who"]) == (str(LAST), who)
    assert (found["before_first"], found["before_last"]) == (
        str(FIRST - timedelta(days=7)),
        str(FIRST - timedelta(days=1)),
    )


def test_members_and_days_add_up(api: Api, marts: Planted) -> None:
    """Catches a brand that lends another its numbers, a day twice, a member sorted out of place."""
    found = api.get("/v1/reports/overview", first=FIRST, last=LAST)
    assert [m["name"] for m in found["members"]] == ["welt", "bild"]
    views = found["total"]["page_views"]["value"]
    assert sum(m["measures"]["page_views"]["value"] for m in found["members"]) == views
    assert len(found["days"]) == 13
    assert sum(d["values"]["page_views"] for d in found["days"]) == views
    welt = found["members"][0]["measures"]
    assert (welt["video_plays"]["value"], welt["video_plays"]["change"]) == (None, None)
    # Its newest date is the one before the last.
    assert welt["active_subscriptions"]["value"] == 62


def test_brands_are_filtered_and_a_typo_is_named(api: Api, marts: Planted) -> None:
    found = api.get("/v1/reports/overview", first=FIRST, last=LAST, brand=["bild"])
    assert [m["name"] for m in found["members"]] == ["bild"]
    (own,) = marts.asked(
        f"SELECT sum(page_views_human) AS n FROM warehouse.bi_brand_days WHERE brand = 'bild' AND date >= '{FIRST}'"
    )
    assert found["total"]["page_views"]["value"] == float(own["n"])
    for parameters, said in (
        ({"brand": "bld"}, "no brand bld; there are "),
        ({"first": LAST, "last": FIRST}, "after last"),
        ({"who": "robots"}, "human"),
    ):
        answer = api.http.get("/v1/reports/overview", params=parameters)
        assert answer.status_code == 422
        assert said in answer.text
    assert api.http.get("/v1/reports/nothing").status_code == 422


def test_each_measure_says_what_it_means(api: Api, marts: Planted) -> None:
    """Catches a sentence that says people only where all are counted."""
    human = {m["name"]: m for m in api.get("/v1/reports/overview", who="human")["measures"]}
    everybody = {m["name"]: m for m in api.get("/v1/reports/overview", who="all")["measures"]}
    # Not the page views of articles, which count those without consent, too.
    said = "How often pages were opened in visits; page views without consent belong to none."
    assert human["page_views"]["means"].startswith(f"{said} People only")
    assert everybody["page_views"]["means"] == said
    assert (human["video_plays"]["is_human"], human["page_views"]["is_human"]) == (False, True)
    assert "On an average day" in human["visitors"]["means"]


def test_files_hold_the_same_numbers(api: Api, marts: Planted) -> None:
    """Catches a file of other dates, another unit, a text in place of a number."""
    path, asked = "/v1/reports/overview/rows", {"first": FIRST, "last": LAST}
    answer = api.http.get(path, params=asked | {"kind": "parquet"})
    assert f'filename="overview_{FIRST}_{LAST}_human.parquet"' in answer.headers["content-disposition"]
    parquet = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    assert csv.read_csv(io.BytesIO(api.http.get(path, params=asked).content)).to_pylist() == parquet
    assert [(r["date"], r["brand"]) for r in parquet][:2] == [(FIRST, "bild"), (FIRST, "welt")]
    report = api.get("/v1/reports/overview", **asked)
    days = {(d["date"], d["name"]): d["values"] for d in report["days"]}
    assert {
        (str(r["date"]), r["brand"]): {n: r[n] for n in r if n not in ("date", "brand")} for r in parquet
    } == days


def test_an_answer_that_did_not_change_is_not_sent_again(api: Api, marts: Planted) -> None:
    asked = {"first": FIRST, "last": LAST}
    first = api.http.get("/v1/reports/overview", params=asked)
    again = api.http.get(
        "/v1/reports/overview", params=asked, headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_marts_that_nobody_made_yet_are_empty_and_no_error(api: Api, marts: Planted) -> None:
    """Catches a 503 for everybody who opens the dashboard in a stack's first hour."""
    marts.mart("bi_brand_days", exists=False)
    try:
        found = api.get("/v1/reports/overview", first=FIRST, last=LAST, who="all", brand=["politico"])
        assert (found["newest"], found["members"], found["total"]["sessions"]["value"]) == (None, [], None)
        assert (
            api.http.get("/v1/reports/overview/rows", params={"brand": "politico"}).content.count(b"\n") == 1
        )
    finally:
        marts.mart("bi_brand_days", brand_days())


def test_a_date_that_is_not_over_is_not_compared_with_whole_ones(api: Api, marts: Planted) -> None:
    """Catches a fall by half every noon: today's hours beside a whole day."""
    today = LAST + timedelta(days=1)
    found = api.get("/v1/reports/overview", first=FIRST, last=today)
    assert found["growing_from"] == str(today)
    assert found["total"]["page_views"]["value"] == of_database(marts, FIRST, today)["page_views"]
    told = [found["total"], *(m["measures"] for m in found["members"])]
    assert all(measure["change"] is None for measures in told for measure in measures.values())
    whole = api.get("/v1/reports/overview", first=FIRST, last=LAST)
    assert whole["growing_from"] is None
    assert whole["total"]["page_views"]["change"] > 0
    known = api.get("/v1/reports")
    assert known["last"] == str(LAST)


def test_months_are_whole_and_only_those_that_are_over_are_compared(api: Api, marts: Planted) -> None:
    """Catches visitors of a month added up over days or months, half a month beside a whole one, months cut short."""
    this = (LAST + timedelta(days=1)).replace(day=1)
    last = (this - timedelta(days=1)).replace(day=1)
    before = (last - timedelta(days=1)).replace(day=1)
    views = {this: 50, last: 300, before: 200}
    rows = [
        {"month_date": month, "brand": brand}
        | {f"{name}{twin}": n * factor for twin, factor in (("", 2), ("_human", 1))
           for name in ("page_views", "sessions", "visitors", "subscription_starts")}
        for month, n in views.items() for brand in BRANDS
    ]  # fmt: skip
    marts.mart("bi_brand_months", rows)
    try:
        asked = {"first": last + timedelta(days=20), "last": last + timedelta(days=21)}
        found = api.get("/v1/reports/months", **asked)
        assert (found["first"], found["last"]) == (str(last), str(this - timedelta(days=1)))
        assert (found["before_first"], found["growing_from"]) == (str(before), None)
        assert found["total"]["page_views"] == {"value": 600, "before": 400, "change": 0.5}
        assert [(d["date"], d["name"], d["values"]["visitors"]) for d in found["days"]] == [
            (str(last), brand, 300) for brand in BRANDS
        ]
        both = api.get("/v1/reports/months", first=last, last=this)
        assert both["growing_from"] == str(this)
        assert both["total"]["visitors"] == {"value": (600 + 100) / 2, "before": 400, "change": None}
        assert both["total"]["subscription_starts"]["value"] == 700
        said = {m["name"]: m["means"] for m in both["measures"]}["visitors"]
        assert "In an average month" in said and "People only" in said
        file = api.http.get("/v1/reports/months/rows", params=asked).text.splitlines()
        assert file[0].startswith('"month_date","brand","page_views","sessions","visitors"')
        assert len(file) == 3
    finally:
        marts.mart("bi_brand_months", exists=False)


def author_days() -> list[dict[str, Any]]:
    """Sixty authors of one date; the one read least held attention longest."""
    rows = []
    for n in range(60):
        row: dict[str, Any] = {
            "date": LAST,
            "brand": BRANDS[n % 2],
            "author": f"Author {n:02}",
            "articles": 1,
        }
        for twin, factor in (("", 2), ("_human", 1)):
            row |= {f"page_views{twin}": (100 - n) * factor, f"engaged_seconds{twin}": n * 100.0 * factor}
        rows.append(row)
    return rows


def test_authors_are_the_most_read_in_the_order_asked_for(api: Api, marts: Planted) -> None:
    """Catches an author of three page views on top, and lines of others than the first of the table."""
    marts.mart("editorial_authors", author_days())
    try:
        asked = {"first": FIRST, "last": LAST}
        by_views = api.get("/v1/reports/authors", **asked)
        assert [m["name"] for m in by_views["members"]] == [f"Author {n:02}" for n in range(50)]
        by_time = api.get("/v1/reports/authors", **asked, order="engaged_seconds_per_page_view")
        assert [m["name"] for m in by_time["members"]] == [f"Author {n:02}" for n in reversed(range(50))]
        assert [d["name"] for d in by_time["days"]] == [f"Author {n}" for n in range(42, 50)]
        assert by_time["total"] == by_views["total"]
        answer = api.http.get("/v1/reports/authors", params={"order": "nothing"})
        assert (answer.status_code, "no measure nothing; there are page_views" in answer.text) == (422, True)
    finally:
        marts.mart("editorial_authors", exists=False)


def test_cohorts_are_of_weeks_that_are_over_beside_those_before(api: Api, marts: Planted) -> None:
    """Catches a week that is not over told as a loss, an average of shares of unlike weeks, 10 before 2."""
    rows = [
        *cohort(1, "bild", 1000, 7),
        *cohort(2, "bild", 100, 30, 3),
        *cohort(3, "bild", 300, 60, 30, 2),
        *cohort(3, "welt", 100, 10, 0, 5),
        *cohort(14, "bild", 200, 100, *(50,) * 12, 1),
    ]
    marts.mart("bi_cohorts", rows)
    try:
        asked = {"first": monday(8), "last": monday(1) - timedelta(days=1)}
        found = api.get("/v1/reports/cohorts", **asked)
        assert found["growing_from"] is None
        assert found["total"]["cohort_visitors"] == {"value": 500, "before": 200, "change": 1.5}
        asked["last"] = monday(0) - timedelta(days=1)
        found = api.get("/v1/reports/cohorts", **asked)
        # The newest first week has no second one that is over: seven weeks are not compared with eight.
        assert found["growing_from"] == str(monday(1))
        assert found["total"]["cohort_visitors"] == {"value": 500, "before": 200, "change": None}
        assert found["total"]["returned_visitors"]["value"] == 30 + 60 + 10
        assert found["total"]["retention_rate"]["value"] == pytest.approx(100 / 500)
        assert found["newest"] == str(monday(2))
        assert [m["name"] for m in found["members"]] == [str(n) for n in range(14)]
        cells = {(d["date"], d["name"]): d["values"]["retention_rate"] for d in found["days"]}
        assert cells == {
            (str(monday(1)), "0"): 1,
            (str(monday(2)), "0"): 1, (str(monday(2)), "1"): pytest.approx(0.3),
            (str(monday(3)), "0"): 1, (str(monday(3)), "1"): pytest.approx(70 / 400),
            (str(monday(3)), "2"): pytest.approx(30 / 400),
        }  # fmt: skip
        one = api.get("/v1/reports/cohorts", **asked, brand="welt", who="all")
        assert one["total"]["retention_rate"]["value"] == pytest.approx(0.1)
        assert one["total"]["cohort_visitors"]["value"] == 200
        file = api.http.get("/v1/reports/cohorts/rows", params=asked).text.splitlines()
        assert (
            file[0]
            == '"cohort_date","brand","week_number","cohort_visitors","returned_visitors","retention_rate"'
        )
        assert file[1] == f'{monday(3)},"bild",0,300,300,1'
        assert len(file) == 1 + 1 + 2 + 3 + 3
    finally:
        marts.mart("bi_cohorts", exists=False)
