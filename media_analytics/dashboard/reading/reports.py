"""Numbers of days from the warehouse, as the reader user.

Belongs here: the queries of a report, the comparison with the time before, rows for a file. Does not belong here: which
reports there are (`catalogue.py`), how files are written (`api/files.py`).

A report reads rows of dates, never events, so its cost grows with the dates asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from heapq import nsmallest
from typing import Any

import pyarrow as pa

from media_analytics.dashboard.reading.absent import is_absent, rows_if_made
from media_analytics.dashboard.reading.catalogue import REPORTS, ReportOf
from media_analytics.dashboard.reading.folding import Folding
from media_analytics.dashboard.reading.kept import KeptByName
from media_analytics.dashboard.reading.measures import Measure
from media_analytics.dashboard.reading.spans import Span, span
from media_analytics.dashboard.report_answers import (
    Compared,
    DayOf,
    MeasureSaid,
    Member,
    Report,
    ReportName,
    Reports,
    ReportSaid,
    Who,
)
from media_analytics.errors import ServiceError
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.warehouse.measures import sentences

# Dates change once an hour.
KEPT_SECONDS = 10.0
MOST_MEMBERS = 50
# Lines of a chart that can be told apart.
MOST_LINES = 8
MOST_ROWS = 100_000
_COMMENT = "dashboard report"
Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Asked:
    """What a report is asked for. No brands: all of them. `order` is a measure; empty: the report's first."""

    report: ReportName
    span: Span
    brands: tuple[str, ...]
    who: Who
    order: str = ""

    @property
    def of(self) -> ReportOf:
        """The report's entry in the catalogue."""
        return REPORTS[self.report]


class ReportReader:
    """Reports of the catalogue; each answer is kept for some seconds."""

    def __init__(self, clickhouse: ClickHouse, brands: Iterable[str]) -> None:
        """Ask nothing yet."""
        self._clickhouse = clickhouse
        self._sentences = sentences()
        self.brands = tuple(brands)
        self._kept = KeptByName(self._ask, KEPT_SECONDS)

    def all(self) -> Reports:
        """Every report, with the default dates."""
        default = span(None, None)
        return Reports(
            brands=list(self.brands),
            first=default.first,
            last=default.last,
            reports=[
                ReportSaid(
                    name=name,
                    dimension=of.dimension,
                    has_brands=of.has_brands,
                    measures=[said(m, "human", self._sentences) for m in of.measures],
                )
                for name, of in REPORTS.items()
            ],
        )

    def report(self, asked: Asked) -> Report:
        """The report.

        Raises:
            ServiceError: the store does not answer.
        """
        return self._kept.get(asked)

    def rows(self, asked: Asked) -> tuple[pa.Table, bool]:
        """Rows by date, brand and member, at most 100,000, and whether there are more.

        What else is said of a member stands behind it.

        Raises:
            ServiceError: the store does not answer.
        """
        of = asked.of
        keys = [of.date, *(["brand"] if of.has_brands else []), of.dimension]
        keys = list(dict.fromkeys(keys))
        measures = of.measures
        values = [f"{m.of_day(n)} AS {m.name}" for n, m in enumerate(measures)]
        parts = ", ".join(
            [
                *(f"any(rows.{c}) AS c_{c}" for c in of.also),
                *(m.of_rows(n, asked.who) for n, m in enumerate(measures)),
            ]
        )
        columns = [*(f"k_{k}" for k in keys), *(f"c_{c}" for c in of.also)]
        names = [*keys, *of.also, *(m.name for m in measures)]
        where = (f"rows.{of.date} >= {{first:Date32}}", f"rows.{of.date} <= {{last:Date32}}", *_where(asked))
        sql = (
            f"SELECT {', '.join(columns)}, {', '.join(values)} FROM (SELECT "
            f"{', '.join(f'rows.{k} AS k_{k}' for k in keys)}, {parts} FROM warehouse.{of.table} AS rows "
            f"WHERE {' AND '.join(where)} GROUP BY {', '.join(f'k_{k}' for k in keys)}) "
            f"ORDER BY {', '.join(f'k_{k}' for k in keys)} LIMIT {MOST_ROWS + 1}"
        )
        try:
            found, is_more = self._clickhouse.first_rows(sql, MOST_ROWS, _parameters(asked))
        except ServiceError as error:
            if is_absent(error):
                return pa.table({name: [] for name in names}), False
            raise
        return found.rename_columns(names), is_more

    def _ask(self, asked: Asked) -> Report:
        of, before = asked.of, asked.span.before
        growing_from = asked.span.growing_from(datetime.now(UTC))
        comparing = growing_from is None
        members = self._members(asked, comparing)
        shown = [m.name for m in (members[:MOST_LINES] if of.total_of is None else members)]
        daily = _folding(asked).days(_member(of), "member IN {members:Array(String)}")
        days = self._rows(daily, _parameters(asked) | {"members": shown}) if shown else []
        return Report(
            report=asked.report,
            dimension=of.dimension,
            first=asked.span.first,
            last=asked.span.last,
            before_first=before.first,
            before_last=before.last,
            growing_from=growing_from,
            newest=self._newest(of),
            brands=list(asked.brands or self.brands) if of.has_brands else [],
            who=asked.who,
            measures=[said(m, asked.who, self._sentences) for m in of.measures],
            total=self._total(asked, members, comparing),
            members=members,
            days=[
                DayOf(date=day, name=name, values=dict(zip(_names(of), values, strict=True)))
                for day, name, *values in days
            ],
        )

    def _total(self, asked: Asked, members: Sequence[Member], comparing: bool) -> dict[str, Compared]:
        if asked.of.total_of is not None:
            of_one = (m.measures for m in members if m.name == str(asked.of.total_of))
            return next(of_one, _compared(asked.of, {}, {}, comparing))
        totals = {
            bool(row[0]): dict(zip(_names(asked.of), row[2:], strict=True))
            for row in self._rows(_folding(asked).totals(), _parameters(asked))
        }
        return _compared(asked.of, totals.get(False, {}), totals.get(True, {}), comparing)

    def _members(self, asked: Asked, comparing: bool) -> list[Member]:
        of = asked.of
        now: dict[str, dict[str, Any]] = {}
        before: dict[str, dict[str, Any]] = {}
        by_member = _folding(asked).totals(_member(of))
        for is_before, name, *values in self._rows(by_member, _parameters(asked)):
            (before if is_before else now)[str(name)] = dict(zip(_names(of), values, strict=True))
        names = list({**now, **before})
        if of.total_of is not None:
            chosen = sorted(names, key=int)
        else:
            first = of.measures[0].name
            # There may be a hundred thousand articles: those that are shown are found before any is compared.
            chosen = nsmallest(MOST_MEMBERS, names, key=lambda name: _most_first(name, now, first))
            chosen.sort(key=lambda name: _most_first(name, now, asked.order or first))
        return [
            Member(name=name, measures=_compared(of, now.get(name, {}), before.get(name, {}), comparing))
            for name in chosen
        ]

    def _newest(self, of: ReportOf) -> date | None:
        where = [*of.where, "1" if of.total_of is None else f"rows.{of.dimension} = {of.total_of}"]
        sql = f"SELECT count(), max(rows.{of.date}) FROM warehouse.{of.table} AS rows WHERE {' AND '.join(where)}"
        rows = self._rows(sql, {})
        return rows[0][1] if rows and rows[0][0] else None

    def _rows(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        return rows_if_made(self._clickhouse, sql, parameters, _COMMENT)


def _names(of: ReportOf) -> list[str]:
    return [m.name for m in of.measures]


def _folding(asked: Asked) -> Folding:
    return Folding(asked.of.table, asked.of.measures, asked.who, _where(asked), asked.of.date)


def _member(of: ReportOf) -> str:
    return f"toString(rows.{of.dimension})"


def _most_first(
    name: str, now: Mapping[str, Mapping[str, float | None]], measure: str
) -> tuple[bool, float, str]:
    """A key to sort members by; one without the number is last."""
    value = now.get(name, {}).get(measure)
    return value is None, -(value or 0.0), name


def _where(asked: Asked) -> tuple[str, ...]:
    of_brands = ("rows.brand IN {brands:Array(String)}",) if _has_brands(asked) else ()
    return (*asked.of.where, *of_brands)


def _has_brands(asked: Asked) -> bool:
    return asked.of.has_brands and bool(asked.brands)


def _parameters(asked: Asked) -> dict[str, Any]:
    dates = {"before": asked.span.before.first, "first": asked.span.first, "last": asked.span.last}
    return dates | ({"brands": list(asked.brands)} if _has_brands(asked) else {})


def _compared(
    of: ReportOf, now: Mapping[str, float | None], before: Mapping[str, float | None], comparing: bool
) -> dict[str, Compared]:
    return {name: compared(now.get(name), before.get(name), comparing) for name in _names(of)}


def compared(value: float | None, before: float | None, comparing: bool = True) -> Compared:
    """A value beside the one before; not `comparing`: the value still grows, so its change would be none."""
    change = value / before - 1 if comparing and value is not None and before else None
    return Compared(value=value, before=before, change=change)


def said(measure: Measure, who: Who, sentences_by_name: Mapping[str, str], *also: str) -> MeasureSaid:
    """A measure and what it means in an answer about `who`; `also` are names of sentences to add."""
    return MeasureSaid(
        name=measure.name,
        title=measure.title,
        means=" ".join(sentences_by_name[name] for name in (*measure.sentences(who), *also)),
        unit=measure.unit,
        is_human=measure.is_human(who),
        is_less_better=measure.is_less_better,
    )
