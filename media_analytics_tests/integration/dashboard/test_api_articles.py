"""The API's articles, against marts with known rows in a real gateway."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from media_analytics.dashboard.reading.articles import TABLES
from media_analytics_tests.integration.dashboard.planted import NEWEST, Api, Planted
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("dates")]
DAY = timedelta(days=1)
LAST = NEWEST
FIRST = LAST - 3 * DAY
DATES: dict[str, Any] = {"first": str(FIRST), "last": str(LAST)}
OWN: dict[str, Any] = {"brand": "bild", "page_key": "a-1"}


def twins(**values: tuple[float, float]) -> dict[str, Any]:
    """Columns and their twins: of all traffic, of people."""
    return {
        f"{name}{twin}": value[n] for name, value in values.items() for n, twin in enumerate(("", "_human"))
    }


ARTICLES: list[dict[str, Any]] = [
    OWN | {"date": FIRST - DAY, "headline": "An older headline", "section": "politik"}
    | twins(page_views=(50, 40), visitors=(30, 20), sessions=(30, 25), engaged_seconds=(500, 400)),
    OWN | {"date": FIRST, "headline": "Wahl: das Ergebnis", "section": "politik"}
    | twins(page_views=(100, 80), visitors=(40, 30), sessions=(60, 50), engaged_seconds=(1000, 800),
            recirculation_ratio=(0.5, 0.4), shares=(3, 3)),
    OWN | {"date": LAST, "headline": "Wahl: das Ergebnis", "section": "wahl", "authors": ["A. Author"],
           "is_premium": True, "word_count": 400}
    | twins(page_views=(60, 40), visitors=(25, 20), sessions=(20, 10), engaged_seconds=(900, 800),
            recirculation_ratio=(0.25, 0.1), shares=(1, 1)),
    {"date": LAST, "brand": "welt", "page_key": "b-2", "headline": "Wetter", "section": "wetter"}
    | twins(page_views=(500, 10)),
    {"date": LAST, "brand": "bild", "page_key": "/sport", "section": "unknown"} | twins(page_views=(5, 5)),
]  # fmt: skip
READING: list[dict[str, Any]] = [
    # The live tables know a date before its articles are counted.
    OWN | {"date": FIRST + DAY} | twins(readers=(10, 10)),
    OWN | {"date": LAST} | twins(readers=(50, 40), read_through_readers=(25, 10), conversions=(2, 1)),
]
SOURCES: list[dict[str, Any]] = [
    OWN | {"date": date, "referrer_medium": medium} | twins(page_views=views)
    for date, medium, views in (
        (FIRST, "search", (30, 20)), (LAST, "search", (30, 10)), (LAST, "internal", (40, 50)),
        (LAST, "social", (9, 0)), (FIRST - DAY, "email", (7, 7)),
    )
]  # fmt: skip
HOURS: list[dict[str, Any]] = [
    OWN | {"date": FIRST, "hour_number": hour} | twins(page_views_so_far=so_far, median_of_section=median)
    for hour, so_far, median in ((1, (20, 16), (9, 7.5)), (0, (10, 8), (5, 4)))
]


def plant(planted: Planted) -> None:
    for name, rows in zip(TABLES, (ARTICLES, READING, SOURCES, HOURS), strict=True):
        planted.mart(name, rows)


@pytest.fixture(scope="module")
def marts(home: Embedded) -> Iterator[Planted]:
    planted = Planted(home.settings)
    plant(planted)
    yield planted
    for name in TABLES:
        planted.mart(name, exists=False)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [("a-1", 120), ("b-2", 10), ("/sport", 5)]),
        ({"who": "all"}, [("b-2", 500), ("a-1", 160), ("/sport", 5)]),
        ({"search": "wAHL"}, [("a-1", 120)]),
        ({"search": "SPORT"}, [("/sport", 5)]),
        ({"search": "%"}, []),
        ({"search": "x' OR '1' = '1"}, []),
        ({"search": "older"}, []),
        ({"brand": ["welt"]}, [("b-2", 10)]),
        ({"brand": ["welt", "bild"], "search": "e"}, [("a-1", 120), ("b-2", 10)]),
        ({"last": str(FIRST)}, [("a-1", 80)]),
    ],
)
def test_articles_are_found_by_their_words(
    api: Api, marts: Planted, asked: dict[str, Any], found: list[tuple[str, int]]
) -> None:
    """Catches words that are read as SQL or as a pattern, robots among people, an article of other dates or brands."""
    answer = api.get("/v1/articles", **DATES | asked)
    assert [(a["page_key"], a["page_views"]) for a in answer["items"]] == found


def test_a_file_of_articles_names_them(api: Api, marts: Planted) -> None:
    """Catches a file of ids that no editor knows, and robots among people."""
    lines = api.http.get("/v1/reports/articles/rows", params=DATES).text.splitlines()
    assert lines[0].startswith('"date","brand","page_key","headline","section","page_views","visitors"')
    assert lines[1].startswith(f'{FIRST},"bild","a-1","Wahl: das Ergebnis","politik",80,30')
    assert len(lines) == 1 + sum(article["date"] >= FIRST for article in ARTICLES)


def test_an_article_found_says_what_it_is(api: Api, marts: Planted) -> None:
    """Catches the section of an older date, a page without a headline that is refused."""
    own, _, page = api.get("/v1/articles", **DATES)["items"]
    assert (own["headline"], own["section"]) == ("Wahl: das Ergebnis", "wahl")
    assert own["engaged_seconds_per_page_view"] == pytest.approx(1600 / 120)
    assert (page["headline"], page["engaged_seconds_per_page_view"]) == (None, 0)


def test_the_life_of_an_article(api: Api, marts: Planted) -> None:
    """Catches visitors summed over days, a ratio of ratios, another article's numbers, a date out of place."""
    life = api.get("/v1/articles/one", **DATES | OWN)
    assert (life["headline"], life["section"], life["authors"]) == (
        "Wahl: das Ergebnis",
        "wahl",
        ["A. Author"],
    )
    assert (life["is_premium"], life["word_count"]) == (True, 400)
    total = {name: compared["value"] for name, compared in life["total"].items()}
    expected = {
        "page_views": 120, "visitors": 25, "engaged_seconds_per_page_view": 1600 / 120, "shares": 4,
        "recirculation_ratio": (0.4 * 50 + 0.1 * 10) / 60, "read_through_ratio": 10 / 50, "conversions": 1,
    }  # fmt: skip
    assert {name: total[name] for name in expected} == pytest.approx(expected)
    assert life["total"]["page_views"] == {"value": 120, "before": 40, "change": 2}
    assert [s["page_views"] for s in life["sources"]] == [50, 30]
    assert [s["referrer_medium"] for s in life["sources"]] == ["internal", "search"]
    assert [tuple(h.values()) for h in life["first_hours"]] == [(0, 8, 4), (1, 16, 7.5)]
    assert {m["name"] for m in life["measures"]} == set(life["total"])
    everybody = api.get("/v1/articles/one", **DATES | OWN, who="all")
    assert everybody["total"]["page_views"]["value"] == 160


def test_a_date_that_only_one_table_has_is_told(api: Api, marts: Planted) -> None:
    """Catches a page of an article that breaks on the date its articles are not counted for yet."""
    days = {d["date"]: d["values"] for d in api.get("/v1/articles/one", **DATES | OWN)["days"]}
    assert list(days) == [str(FIRST), str(FIRST + DAY), str(LAST)]
    assert {d: v["page_views"] for d, v in days.items()} == {
        str(FIRST): 80, str(FIRST + DAY): None, str(LAST): 40,
    }  # fmt: skip
    assert days[str(FIRST)]["read_through_ratio"] is None
    assert days[str(LAST)]["read_through_ratio"] == pytest.approx(0.25)


def test_an_article_nobody_read_has_no_numbers_and_no_brand_is_refused(api: Api, marts: Planted) -> None:
    life = api.get("/v1/articles/one", **DATES, brand="bild", page_key="b-2")
    assert {c["value"] for c in life["total"].values()} == {None}
    assert (life["headline"], life["days"], life["sources"], life["first_hours"]) == (None, [], [], [])
    answer = api.http.get("/v1/articles/one", params={"brand": "nobody", "page_key": "a-1"})
    assert (answer.status_code, "no brand nobody" in answer.text) == (422, True)


def test_without_marts_nothing_is_found_and_nothing_fails(api: Api, marts: Planted) -> None:
    """Catches a 503 for everybody who opens the page in a stack's first hour."""
    for name in TABLES:
        marts.mart(name, exists=False)
    try:
        # Answers are kept for some seconds: asked is what nobody asked before.
        assert api.get("/v1/articles", search="first hour")["items"] == []
        assert api.get("/v1/articles/one", brand="welt", page_key="first hour")["days"] == []
    finally:
        plant(marts)
