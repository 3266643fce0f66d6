"""Articles from the warehouse, as the reader user.

Belongs here: the search, one article's life. Does not belong here: numbers of publications (`reports.py`), what is read
now (`live.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from media_analytics.dashboard.article_answers import (
    ArticleFound,
    ArticleLife,
    DayOfArticle,
    HourOfArticle,
    SourceOfArticle,
)
from media_analytics.dashboard.reading.absent import rows_if_made
from media_analytics.dashboard.reading.catalogue import REPORTS
from media_analytics.dashboard.reading.folding import Folding
from media_analytics.dashboard.reading.kept import KeptByName
from media_analytics.dashboard.reading.measures import Measure
from media_analytics.dashboard.reading.reports import KEPT_SECONDS, compared, said
from media_analytics.dashboard.reading.spans import Span
from media_analytics.dashboard.report_answers import Who
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.warehouse.measures import sentences

MOST_FOUND = 200
# The tables that the page reads.
TABLES = ("editorial_articles", "editorial_reading", "editorial_sources", "editorial_first_day")
MEASURES: dict[str, tuple[Measure, ...]] = {
    "editorial_articles": REPORTS["articles"].measures,
    "editorial_reading": (
        Measure("read_through_ratio", "Read through", "share", "ratio", ("read_through_readers",), ("readers",)),
        Measure("conversions", "Subscriptions after it"),
        Measure("premium_conversions", "As a premium article"),
    ),
}  # fmt: skip
_UNREAD: Sequence[Any] = (None, None, (), False, None)
_COMMENT = "dashboard article"
_OF_ARTICLE = ("rows.brand = {brand:String}", "rows.page_key = {page_key:String}")
_DATES = ("rows.date >= {first:Date32}", "rows.date <= {last:Date32}")
_READ = " AND ".join((*_OF_ARTICLE, *_DATES))


@dataclass(frozen=True)
class Search:
    """A search in headlines and keys, without regard to case; empty for all."""

    words: str
    span: Span
    brands: tuple[str, ...]
    who: Who


@dataclass(frozen=True)
class OneArticle:
    """An article and the dates it is asked for."""

    brand: str
    page_key: str
    span: Span
    who: Who


class Articles:
    """Searches and single articles; each answer is kept for some seconds."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Ask nothing yet."""
        self._clickhouse = clickhouse
        self._sentences = sentences()
        self._found = KeptByName(self._search, KEPT_SECONDS)
        self._lives = KeptByName(self._life, KEPT_SECONDS)

    def search(self, asked: Search) -> list[ArticleFound]:
        """The articles with most page views, at most 200.

        Raises:
            ServiceError: the store does not answer.
        """
        return self._found.get(asked)

    def life(self, asked: OneArticle) -> ArticleLife:
        """One article. Of one that nobody read the numbers are null.

        Raises:
            ServiceError: as `search`.
        """
        return self._lives.get(asked)

    def _search(self, asked: Search) -> list[ArticleFound]:
        twin = _twin(asked.who)
        has_words = (
            "(positionCaseInsensitiveUTF8(ifNull(rows.headline, ''), {words:String}) > 0 "
            "OR positionCaseInsensitiveUTF8(rows.page_key, {words:String}) > 0)"
        )
        where = [*_DATES]
        where += ["rows.brand IN {brands:Array(String)}"] if asked.brands else []
        where += [has_words] if asked.words else []
        rows = self._rows(
            "SELECT rows.brand, rows.page_key, argMax(rows.headline, rows.date), argMax(rows.section, rows.date), "
            f"sum(rows.page_views{twin}) AS views, sum(rows.engaged_seconds{twin}) / nullIf(views, 0) "
            f"FROM warehouse.editorial_articles AS rows WHERE {' AND '.join(where)} "
            f"GROUP BY rows.brand, rows.page_key ORDER BY views DESC, rows.brand, rows.page_key LIMIT {MOST_FOUND}",
            {"first": asked.span.first, "last": asked.span.last}
            | ({"brands": list(asked.brands)} if asked.brands else {})
            | ({"words": asked.words} if asked.words else {}),
        )
        names = ("brand", "page_key", "headline", "section", "page_views", "engaged_seconds_per_page_view")
        return [ArticleFound(**dict(zip(names, row, strict=True))) for row in rows]

    def _life(self, asked: OneArticle) -> ArticleLife:
        parameters: dict[str, Any] = {
            "brand": asked.brand,
            "page_key": asked.page_key,
            "before": asked.span.before.first,
            "first": asked.span.first,
            "last": asked.span.last,
        }
        found = self._rows(
            "SELECT rows.headline, rows.section, rows.authors, rows.is_premium, rows.word_count "
            f"FROM warehouse.editorial_articles AS rows WHERE {_READ} "
            "ORDER BY rows.date DESC LIMIT 1",
            parameters,
        )
        headline, section, authors, is_premium, word_count = found[0] if found else _UNREAD
        total: dict[bool, dict[str, float | None]] = {True: {}, False: {}}
        days: dict[Any, dict[str, float | None]] = {}
        for table, measures in MEASURES.items():
            folding = Folding(table, measures, asked.who, _OF_ARTICLE)
            for is_before, _, *values in self._rows(folding.totals(), parameters):
                total[bool(is_before)] |= _named(measures, values)
            for day, _, *values in self._rows(folding.days(), parameters):
                days.setdefault(day, {}).update(_named(measures, values))
        every = [m for measures in MEASURES.values() for m in measures]
        growing_from = asked.span.growing_from(datetime.now(UTC))
        comparing = growing_from is None
        return ArticleLife(
            brand=asked.brand,
            page_key=asked.page_key,
            who=asked.who,
            first=asked.span.first,
            last=asked.span.last,
            before_first=asked.span.before.first,
            before_last=asked.span.before.last,
            growing_from=growing_from,
            headline=headline,
            section=section,
            authors=list(authors),
            is_premium=bool(is_premium),
            word_count=word_count,
            measures=[said(m, asked.who, self._sentences) for m in every],
            total={
                m.name: compared(total[False].get(m.name), total[True].get(m.name), comparing) for m in every
            },
            # A date that one of the tables does not have yet has nothing of its measures.
            days=[
                DayOfArticle(date=day, values={m.name: days[day].get(m.name) for m in every})
                for day in sorted(days)
            ],
            sources=self._sources(asked, parameters),
            first_hours=self._first_hours(asked, parameters),
        )

    def _sources(self, asked: OneArticle, parameters: Mapping[str, Any]) -> list[SourceOfArticle]:
        rows = self._rows(
            f"SELECT rows.referrer_medium, sum(rows.page_views{_twin(asked.who)}) AS views "
            f"FROM warehouse.editorial_sources AS rows WHERE {_READ} "
            "GROUP BY rows.referrer_medium HAVING views > 0 ORDER BY views DESC, rows.referrer_medium",
            parameters,
        )
        return [SourceOfArticle(referrer_medium=medium, page_views=views) for medium, views in rows]

    def _first_hours(self, asked: OneArticle, parameters: Mapping[str, Any]) -> list[HourOfArticle]:
        twin = _twin(asked.who)
        rows = self._rows(
            f"SELECT rows.hour_number, rows.page_views_so_far{twin}, rows.median_of_section{twin} "
            f"FROM warehouse.editorial_first_day AS rows WHERE {' AND '.join(_OF_ARTICLE)} ORDER BY rows.hour_number",
            parameters,
        )
        return [
            HourOfArticle(hour_number=hour, page_views_so_far=views, median_of_section=median)
            for hour, views, median in rows
        ]

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        return rows_if_made(self._clickhouse, sql, parameters, _COMMENT)


def _twin(who: Who) -> str:
    return "_human" if who == "human" else ""


def _named(measures: Sequence[Measure], values: Sequence[Any]) -> dict[str, float | None]:
    return dict(zip((m.name for m in measures), values, strict=True))
