"""Routes of reports: numbers of days.

Belongs here: paths, parameters, which kind of file. Does not belong here: numbers (`reading/`), how a file is written
(`files.py`).
"""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response

from media_analytics.dashboard.api.files import MEDIA_TYPES, file_of
from media_analytics.dashboard.reading.catalogue import REPORTS
from media_analytics.dashboard.reading.reports import MOST_ROWS, Asked, ReportReader
from media_analytics.dashboard.reading.spans import Span, SpanError, span
from media_analytics.dashboard.report_answers import FileKind, Report, ReportName, Reports, Who

First = Annotated[date | None, Query(description="First date, UTC; 28 dates when left out.")]
Last = Annotated[
    date | None, Query(description="Last date, UTC; the newest that is published when left out.")
]
Brands = Annotated[list[str] | None, Query(alias="brand", description="A brand; several: give it again.")]
People = Annotated[Who, Query(description="People only, or all traffic.")]
Order = Annotated[str, Query(description="Most of this measure first; the report's first when left out.")]
_FILE = {"type": "string", "format": "binary"}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {"schema": _FILE} for media_type in MEDIA_TYPES.values()}}
}


def router(reports: ReportReader) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter(prefix="/v1/reports", tags=["reports"])

    def asked(
        report: ReportName,
        first: First = None,
        last: Last = None,
        brands: Brands = None,
        who: People = "human",
        order: Order = "",
    ) -> Asked:
        measures = [m.name for m in REPORTS[report].measures]
        if order and order not in measures:
            raise HTTPException(422, f"{report} has no measure {order}; there are {', '.join(measures)}")
        return Asked(
            report, dates(first, last).of(REPORTS[report].unit), known(reports.brands, brands), who, order
        )

    @routes.get("")
    def list_reports() -> Reports:
        """Every report with its measures and what they mean, the brands and the default dates."""
        return reports.all()

    @routes.get("/{report}")
    def one_report(wanted: Annotated[Asked, Depends(asked)]) -> Report:
        """Measures of some dates, in total, by member and by date, beside those of as many dates before."""
        return reports.report(wanted)

    @routes.get("/{report}/rows", response_class=Response, responses=_FILES)
    def rows_of_report(wanted: Annotated[Asked, Depends(asked)], kind: FileKind = "csv") -> Response:
        """The same measures by date, brand and member, as a file; a share is a number from 0 to 1."""
        rows, is_more = reports.rows(wanted)
        if is_more:
            raise HTTPException(422, f"these are more than {MOST_ROWS:,} rows; ask for fewer dates or brands")
        name = f"{wanted.report}_{wanted.span.first}_{wanted.span.last}_{wanted.who}.{kind}"
        return Response(
            file_of(rows, kind),
            media_type=MEDIA_TYPES[kind],
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return routes


def dates(first: date | None, last: date | None) -> Span:
    """The span that was asked for.

    Raises:
        HTTPException: 422, no report is about it.
    """
    try:
        return span(first, last)
    except SpanError as error:
        raise HTTPException(422, str(error)) from error


def known(brands: tuple[str, ...], asked: list[str] | None) -> tuple[str, ...]:
    """The brands that were asked for, in order, each once.

    Raises:
        HTTPException: 422, one of them is none.
    """
    unknown = sorted({*(asked or ())} - {*brands})
    if unknown:
        raise HTTPException(422, f"no brand {', '.join(unknown)}; there are {', '.join(brands)}")
    return tuple(sorted({*(asked or ())}))
