"""Reports: their tables and words, their dates, their files, and the exposures of the pages."""

import io
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pyarrow as pa
import pytest
from pyarrow import csv
from pyarrow import parquet as pq

from media_analytics.contracts.registry import TABLES
from media_analytics.dashboard.api.files import file_of
from media_analytics.dashboard.page.filters import Chosen
from media_analytics.dashboard.page.script import PAGES
from media_analytics.dashboard.reading import articles
from media_analytics.dashboard.reading.catalogue import REPORTS
from media_analytics.dashboard.reading.measures import Measure
from media_analytics.dashboard.reading.recent import MARTS
from media_analytics.dashboard.reading.reports import compared
from media_analytics.dashboard.reading.spans import Span, SpanError, span
from media_analytics.dashboard.recent_answers import RecentBy, Window
from media_analytics.dashboard.report_answers import ReportName
from media_analytics.resources import dbt
from media_analytics.warehouse.measures import sentences

MANIFEST = dbt.manifest()
EXPOSURES = {e["name"]: e for e in MANIFEST["exposures"].values()}


def _columns(table: str) -> set[str]:
    """The columns of a mart or of a copy."""
    node = MANIFEST["nodes"].get(f"model.media_analytics.{table}")
    return set(node["columns"]) if node else set(TABLES[f"warehouse.{table}"].column_names)


def test_the_api_names_the_reports_of_the_catalogue() -> None:
    assert set(get_args(ReportName)) == set(REPORTS)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_reads_columns_that_are_there_and_has_words_for_them(name: ReportName) -> None:
    """Would catch a renamed column, a twin that is not there or is left unused, a measure without a meaning."""
    of = REPORTS[name]
    columns = _columns(of.table)
    assert {of.date, of.dimension} <= columns
    assert ("brand" in columns) == of.has_brands
    _check(of.measures, columns)


@pytest.mark.parametrize("table", articles.MEASURES)
def test_the_page_of_articles_reads_columns_that_are_there(table: str) -> None:
    _check(articles.MEASURES[table], _columns(table))


@pytest.mark.parametrize("by", MARTS)
def test_the_live_page_reads_columns_that_are_there_and_has_words_for_them(by: RecentBy) -> None:
    """Would catch a measure without one of its windows, or people's numbers that are all traffic's."""
    of, columns = MARTS[by], _columns(MARTS[by].table)
    for measure in of.measures:
        for column in (*(measure.above or (measure.name,)), *measure.below):
            for window in get_args(Window):
                assert f"{column}_{window}" in columns, column
                assert (f"{column}_{window}_human" in columns) == measure.has_twin, column
        assert all(name in sentences() for name in measure.sentences("human")), measure.name
    assert set(re.findall(r"rows\.(\w+)", f"{of.name} {of.title}")) <= columns


def _check(measures: Sequence[Measure], columns: set[str]) -> None:
    said = sentences()
    for measure in measures:
        for column in (*(measure.above or (measure.name,)), *measure.below):
            assert column in columns, column
            assert (f"{column}_human" in columns) == measure.has_twin, column
        assert (measure.fold == "ratio") == bool(measure.below), measure.name
        assert all(said[name].endswith(".") for name in measure.sentences("human")), measure.name


def test_every_page_is_an_exposure_and_names_the_tables_it_reads() -> None:
    """Would catch a page that lineage does not show, and a report that reads a mart its exposure does not name."""
    assert set(EXPOSURES) == {f"dashboard_{path.replace('-', '_')}" for _, _, path in PAGES}
    for page, title, path in PAGES:
        exposure: Any = EXPOSURES[f"dashboard_{path.replace('-', '_')}"]
        assert exposure["label"] == title
        reports: tuple[ReportName, ...] = getattr(page, "REPORTS", ())
        tables = {REPORTS[r].table for r in reports} | ({*articles.TABLES} if path == "articles" else set())
        if path == "live":
            tables = {mart.table for mart in MARTS.values()}
            tables |= {t.name for t in TABLES.values() if t.layer == "realtime"}
        if tables:
            assert {node.split(".")[-1] for node in exposure["depends_on"]["nodes"]} == tables


# Marts that no page reads, and why.
WITHOUT_PAGE = {"editorial_first_hours": "read through editorial_first_day"}


def test_every_mart_is_on_a_page_or_says_why_not() -> None:
    """Would catch a mart that is made every hour and seen by nobody."""
    models = (n for n in MANIFEST["nodes"].values() if n["resource_type"] == "model")
    marts = {n["name"] for n in models if "marts" in n["fqn"]}
    shown = {node.split(".")[-1] for e in EXPOSURES.values() for node in e["depends_on"]["nodes"]}
    assert marts - shown == set(WITHOUT_PAGE)


MORNING = datetime(2026, 3, 10, 3, tzinfo=UTC)


def test_without_dates_a_report_is_about_four_weeks_that_are_over() -> None:
    """Would catch a day that is still open beside whole ones, and a comparison of unlike weekdays."""
    found = span(None, None, MORNING)
    assert found == Span(date(2026, 2, 10), date(2026, 3, 9))
    assert span(None, None, MORNING - timedelta(seconds=1)).last == date(2026, 3, 8), "not published yet"
    assert found.growing_from(MORNING) is None
    assert found.before == Span(date(2026, 1, 13), date(2026, 2, 9))
    assert found.first.weekday() == found.before.first.weekday()


def test_one_date_is_enough() -> None:
    today = date(2026, 3, 10)
    assert span(date(2026, 3, 1), None, MORNING) == Span(date(2026, 3, 1), date(2026, 3, 9))
    assert span(today, None, MORNING) == Span(today, today)
    assert span(None, date(2026, 1, 28), MORNING) == Span(date(2026, 1, 1), date(2026, 1, 28))
    assert Span(today, today).before == Span(date(2026, 3, 9), date(2026, 3, 9))


@pytest.mark.parametrize(
    ("span_of", "expected"),
    [
        (Span(date(2026, 3, 1), date(2026, 3, 9)), None),
        (Span(date(2026, 3, 1), date(2026, 3, 12)), date(2026, 3, 10)),
        (Span(date(2026, 3, 11), date(2026, 3, 12)), date(2026, 3, 11)),
        # The 9th is a Monday. Visitors of the week from 23 February on came back, or not, until the 8th.
        (Span(date(2026, 1, 1), date(2026, 3, 1), "first_week"), None),
        (Span(date(2026, 1, 1), date(2026, 3, 2), "first_week"), date(2026, 3, 2)),
        (Span(date(2026, 1, 1), date(2026, 2, 28), "month"), None),
        (Span(date(2026, 1, 1), date(2026, 3, 31), "month"), date(2026, 3, 1)),
    ],
)
def test_numbers_that_still_grow_are_known(span_of: Span, expected: date | None) -> None:
    """Would catch half a day, a week in which people may still come back or half a month compared as a whole one."""
    assert span_of.growing_from(MORNING) == expected
    # Before 03:00 the 9th is not published, nor what ends with it.
    assert Span(date(2026, 3, 9), date(2026, 3, 9)).growing_from(MORNING - timedelta(hours=1)) == date(
        2026, 3, 9
    )


def test_months_are_whole_and_stand_beside_as_many_before() -> None:
    found = Span(date(2026, 1, 31), date(2026, 2, 1)).of("month")
    assert found == Span(date(2026, 1, 1), date(2026, 2, 28), "month")
    assert found.before == Span(date(2025, 11, 1), date(2025, 12, 31), "month")
    year = Span(date(2025, 12, 5), date(2025, 12, 31)).of("month")
    assert (year.first, year.last) == (date(2025, 12, 1), date(2025, 12, 31))
    assert year.before == Span(date(2025, 11, 1), date(2025, 11, 30), "month")
    assert year.growing_from(datetime(2026, 1, 1, 2, 59, tzinfo=UTC)) == date(2025, 12, 1)


def test_a_page_asks_for_whole_months_up_to_its_last_date() -> None:
    chosen = Chosen(date(2026, 2, 20), date(2026, 3, 9), (), "human")
    assert chosen.months(12).first == date(2025, 4, 1)
    assert chosen.months(3).first == date(2026, 1, 1)
    assert chosen.months(4).first == date(2025, 12, 1)
    assert (date(2026, 3, 9) - chosen.months(12).first).days < 366


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), "after last"),
        (date(2025, 1, 1), date(2026, 1, 2), "367 days; ask for 366"),
        (date.min, date(2026, 1, 1), "no numbers of 0001-01-01"),
        (None, date.min, "no numbers of 0001-01-01"),
        (date.max, date.max, "no numbers of 9999-12-31"),
    ],
)
def test_dates_that_no_report_is_about_are_refused(first: date | None, last: date, said: str) -> None:
    """Would catch an error of the API, or of the store, in place of one of whoever asks."""
    with pytest.raises(SpanError, match=said):
        span(first, last, MORNING)


def test_a_change_needs_something_to_compare_with() -> None:
    """Would catch an endless change from nothing, and nothing now told as a fall by all."""
    assert compared(12.0, 10.0).change == pytest.approx(0.2)
    assert compared(0.0, 10.0).change == -1
    assert compared(12.0, 10.0, comparing=False).model_dump() == {
        "value": 12.0,
        "before": 10.0,
        "change": None,
    }
    assert (compared(12.0, 0.0).change, compared(12.0, None).change, compared(None, 3.0).change) == (
        None,
    ) * 3


ROWS = [
    {"date": date(2026, 1, 1), "brand": "=cmd()", "page_views": 12, "bounce_rate": 0.25},
    {"date": date(2026, 1, 2), "brand": "welt", "page_views": 7, "bounce_rate": None},
]


def test_parquet_holds_dates_and_numbers() -> None:
    table = pq.read_table(io.BytesIO(file_of(pa.Table.from_pylist(ROWS), "parquet")))
    assert [str(f.type) for f in table.schema] == ["date32[day]", "string", "int64", "double"]
    assert table.to_pylist() == ROWS


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_csv_holds_the_same_and_runs_nothing_in_a_spreadsheet(first: str) -> None:
    """Would catch a formula from a stranger's text, and null written as a word or as 0."""
    rows = [ROWS[0] | {"brand": f"{first}cmd()"}, ROWS[1]]
    found = file_of(pa.Table.from_pylist(rows), "csv")
    assert found.decode().splitlines()[-1] == '2026-01-02,"welt",7,'
    options = csv.ParseOptions(newlines_in_values=True)
    read = csv.read_csv(io.BytesIO(found), parse_options=options).to_pylist()
    assert (read[0]["brand"], read[1]["bounce_rate"]) == (f"'{first}cmd()", None)


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string())], ids=str
)
def test_a_formula_is_one_however_the_store_writes_texts(kind: pa.DataType) -> None:
    texts = pa.array(["=cmd()", None, "welt"]).cast(kind)
    found = file_of(pa.table({"brand": texts}), "csv").decode().splitlines()
    assert found == ['"brand"', '"\'=cmd()"', "", '"welt"']


def test_a_file_without_rows_has_its_heading() -> None:
    nothing = pa.table({name: [] for name in ROWS[0]})
    assert file_of(nothing, "csv").decode().strip() == '"date","brand","page_views","bounce_rate"'
    assert pq.read_table(io.BytesIO(file_of(nothing, "parquet"))).column_names == [*ROWS[0]]
