"""What was read in the last half hour and the last day, from the live marts.

Belongs here: which marts there are, the queries over them, as the reader user. Does not belong here: the last five
minutes (`live.py`), what a mart counts (`dbt_project/models/marts/realtime`).

A mart is a view over the rows that arrived in the last day, so a query costs as much however long the history is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from media_analytics.dashboard.reading.absent import rows_if_made
from media_analytics.dashboard.reading.kept import KeptByName
from media_analytics.dashboard.reading.measures import Measure
from media_analytics.dashboard.reading.reports import said
from media_analytics.dashboard.recent_answers import Recent, RecentBy, RecentMember, Window
from media_analytics.dashboard.report_answers import Who
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.warehouse.measures import sentences

KEPT_SECONDS = 5.0
MOST_MEMBERS = 10
_COMMENT = "dashboard recent"
_NONE = "CAST(NULL, 'Nullable(String)')"
_WINDOWS: Mapping[Window, str] = {"30m": "last_30m", "24h": "last_24h"}
_READ = (
    Measure("visitors", "Visitors"),
    Measure("page_views", "Page views"),
)
_PLAYED = (
    Measure("starts", "Videos started", said="video_starts"),
    Measure("calls", "Tries to play", said="video_calls", has_twin=False),
    Measure("errors", "Failed tries", said="video_errors", has_twin=False, is_less_better=True),
    Measure("error_rate", "Share that failed", "share", "ratio", ("errors",), ("calls",),
            said="video_error_rate", has_twin=False, is_less_better=True),
)  # fmt: skip


@dataclass(frozen=True)
class RecentOf:
    """A live mart; `name` is what a member is called, `title` what people read in its place, both over `rows`."""

    table: str
    name: str
    measures: tuple[Measure, ...] = _READ
    # Members of two brands are two.
    is_of_brand: bool = False
    title: str = _NONE


MARTS: Mapping[RecentBy, RecentOf] = {
    "brands": RecentOf("realtime_brands", "rows.brand"),
    "articles": RecentOf("realtime_articles", "rows.page_key", is_of_brand=True, title="any(rows.title)"),
    "sections": RecentOf("realtime_sections", "rows.section", is_of_brand=True),
    "sources": RecentOf(
        "realtime_sources",
        "if(rows.referrer_source = 'unknown', rows.referrer_medium, "
        "concat(rows.referrer_medium, ', ', rows.referrer_source))",
    ),
    "countries": RecentOf("realtime_countries", "rows.country"),
    "videos": RecentOf("realtime_videos", "rows.brand", _PLAYED),
}


@dataclass(frozen=True)
class RecentAsked:
    """What is asked of a live mart. No brands: all of them."""

    by: RecentBy
    window: Window
    brands: tuple[str, ...]
    who: Who


class RecentReader:
    """Answers about the last half hour and day, each asked at most every five seconds."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        """Ask nothing yet."""
        self._clickhouse = clickhouse
        self._sentences = sentences()
        self._kept = KeptByName(self._ask, KEPT_SECONDS)

    def recent(self, asked: RecentAsked) -> Recent:
        """The members with most of the first measure, at most ten.

        Raises:
            ServiceError: the store does not answer.
        """
        return self._kept.get(asked)

    def _ask(self, asked: RecentAsked) -> Recent:
        of = MARTS[asked.by]
        return Recent(
            by=asked.by,
            window=asked.window,
            who=asked.who,
            measures=[said(m, asked.who, self._sentences, _WINDOWS[asked.window]) for m in of.measures],
            members=[_member(of, row) for row in self._rows(asked, of)],
        )

    def _rows(self, asked: RecentAsked, of: RecentOf) -> Sequence[Sequence[Any]]:
        brand = "rows.brand" if of.is_of_brand else _NONE
        columns = [f"v{n}" for n, _ in enumerate(of.measures)]
        values = (f"{_sum(m, asked)} AS {column}" for m, column in zip(of.measures, columns, strict=True))
        # A member of no measure was there in the other window, or is a robot.
        sql = (
            f"SELECT {brand} AS of_brand, {of.name} AS member, {of.title} AS title, {', '.join(values)} "
            f"FROM warehouse.{of.table} AS rows {'WHERE rows.brand IN {brands:Array(String)}' if asked.brands else ''} "
            f"GROUP BY of_brand, member HAVING {' + '.join(f'ifNull({c}, 0)' for c in columns)} > 0 "
            f"ORDER BY {', '.join(f'{c} DESC' for c in columns)}, of_brand, member LIMIT {MOST_MEMBERS}"
        )
        parameters = {"brands": list(asked.brands)} if asked.brands else {}
        return rows_if_made(self._clickhouse, sql, parameters, _COMMENT)


def _sum(measure: Measure, asked: RecentAsked) -> str:
    """A measure over the rows of a member: those of several brands, or several sources."""
    twin = "_human" if measure.is_human(asked.who) else ""

    def of(column: str) -> str:
        return f"sum(rows.{column}_{asked.window}{twin})"

    if measure.below:
        return f"{of(measure.above[0])} / nullIf({of(measure.below[0])}, 0)"
    return of(measure.name)


def _member(of: RecentOf, row: Sequence[Any]) -> RecentMember:
    brand, name, title, *values = row
    names = (m.name for m in of.measures)
    return RecentMember(brand=brand, name=name, title=title, values=dict(zip(names, values, strict=True)))
