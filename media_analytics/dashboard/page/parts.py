"""What every page is made of.

Belongs here: a table that fits a phone, a line chart with units, the reader's time zone, a part that renews itself and
survives an API that is away. Does not belong here: one page's content.

Texts of events (titles, keys) come from strangers: they are escaped here, and never pass through Markdown.
"""

import html
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.errors import ServiceError

# A part asks again this often; with what the API keeps, a number is at most 2 s old.
RENEW_SECONDS = 1.0
_DAY = 24 * 3600 * 1000
_STYLE = """<style>
.ma { overflow-x: auto; }
.ma table { width: 100%; border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.ma caption { text-align: left; font-weight: 600; padding: 0.2rem 0; font-size: 1rem; }
.ma th { text-align: left; font-weight: 500; opacity: 0.7; white-space: nowrap; }
.ma th, .ma td { padding: 0.3rem 0.9rem 0.3rem 0; border-bottom: 1px solid rgba(128,128,128,0.25);
  vertical-align: top; white-space: nowrap; }
.ma .n { text-align: right; padding-right: 1.2rem; }
.ma .w { min-width: 9rem; white-space: normal; overflow-wrap: anywhere; }
.ma .red { color: #d7263d; font-weight: 600; }
.ma .green { color: #1b8a4b; }
.ma .amber { color: #b26a00; font-weight: 600; }
.ma a { color: inherit; text-decoration-color: rgba(128,128,128,0.6); }
.ma p.none { opacity: 0.7; }
</style>"""


class Cell(str):
    """A text for a table: with a colour (`red`, `amber`, `green`), on a ground from none (0) to full (1), or a link."""

    colour: str
    ground: float
    link: str

    def __new__(cls, text: str, colour: str = "", ground: float = 0.0, link: str = "") -> "Cell":
        """The text; `link` is an address below the dashboard's own."""
        made = super().__new__(cls, text)
        made.colour = colour
        made.ground = ground
        made.link = link
        return made


def zone() -> tzinfo:
    """The time zone of the reader's browser; UTC where it does not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def renewed(part: Callable[[], None], seconds: float = RENEW_SECONDS) -> None:
    """Show a part and renew it as long as the page is open; without the API it says so and goes on trying."""

    @st.fragment(run_every=seconds)
    def run() -> None:
        try:
            part()
        except ServiceError as error:
            st.error(f"No numbers now: {error}. This page tries again every {seconds:g} s.")

    run()


def come_back(is_there: Callable[[], bool]) -> None:
    """Show the whole page again once what it needs is there."""

    def look() -> None:
        if is_there():
            st.rerun()

    renewed(look)


def table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str = "Nothing yet."
) -> None:
    """A table. A column whose heading ends in `#` holds numbers; one that ends in `*` is wide."""
    heads = "".join(
        f'<th scope="col" class="{_kind(name)}">{html.escape(name.rstrip("#*"))}</th>' for name in columns
    )
    body = "".join(
        "<tr>" + "".join(_cell(name, cell) for name, cell in zip(columns, row, strict=True)) + "</tr>"
        for row in rows
    )
    inner = f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>"
    empty = "" if rows else f'<p class="none">{html.escape(nothing)}</p>'
    caption = f"<caption>{html.escape(caption)}</caption>"
    st.html(f'{_STYLE}<div class="ma"><table>{caption}{inner if rows else ""}</table>{empty}</div>')


def _cell(heading: str, text: str) -> str:
    cell = text if isinstance(text, Cell) else Cell(text)
    # Half transparent at most: the text stays readable on light and on dark pages.
    style = f' style="background: rgba(11, 110, 153, {cell.ground / 2:.2f})"' if cell.ground else ""
    said = html.escape(cell)
    if cell.link:
        said = f'<a href="{html.escape(cell.link)}">{said}</a>'
    return f'<td class="{_kind(heading)} {cell.colour}"{style}>{said}</td>'


def _kind(heading: str) -> str:
    return {"#": "n", "*": "w"}.get(heading[-1:], "")


def lines(rows: Sequence[dict[str, Any]], *, x: str, y: str, series: str, y_title: str) -> None:
    """Lines over time in the reader's zone, one a series; `rows` hold instants in ISO 8601."""
    own = zone()
    # The browser writes its own time, which is UTC only where it does not say which that is.
    time = {"type": "temporal", "title": f"Time ({own})", "scale": {"type": "utc" if own is UTC else "time"}}
    axis = {"format": "%H:%M", "tickCount": 6, "labelOverlap": True}
    said = [numbers.clock(row[x], own) for row in rows]
    _lines(rows, x, time | {"axis": axis}, said, y, series, y_title)


def lines_by_day(rows: Sequence[dict[str, Any]], *, x: str, y: str, series: str, y_title: str) -> None:
    """Lines over dates (UTC), one a series; `rows` hold dates in ISO 8601."""
    dates = len({row[x] for row in rows})
    time = {"type": "temporal", "title": "Date (UTC)", "scale": {"type": "utc"}}
    axis = {"format": "%-d %b", "tickCount": min(6, max(1, dates)), "tickMinStep": _DAY, "labelOverlap": True}
    said = [numbers.days(row[x], row[x]) for row in rows]
    _lines(rows, x, time | {"axis": axis}, said, y, series, y_title)


def lines_by_number(
    rows: Sequence[dict[str, Any]], *, x: str, y: str, series: str, x_title: str, y_title: str
) -> None:
    """Lines over whole numbers, one a series."""
    axis = {"tickMinStep": 1, "tickCount": 8}
    place = {"type": "quantitative", "title": x_title, "axis": axis}
    _lines(rows, x, place, [str(row[x]) for row in rows], y, series, y_title)


def _lines(
    rows: Sequence[dict[str, Any]],
    x: str,
    place: dict[str, Any],
    said: Sequence[str],
    y: str,
    series: str,
    y_title: str,
) -> None:
    _chart(
        # A hint over a point shows the place in our words: the browser would write a date in its own zone.
        [row | {"said": text} for row, text in zip(rows, said, strict=True)],
        height=340,
        mark={"type": "line", "clip": True, "point": {"size": 15}},
        encoding={
            "x": {"field": x, **place},
            "y": {
                "field": y,
                "type": "quantitative",
                "title": y_title,
                "axis": {"format": ",.2~f", "tickCount": 5},
                # Up to a whole tick: no line runs along the upper edge.
                "scale": {"domainMin": 0, "nice": True},
            },
            "color": {
                "field": series,
                "type": "nominal",
                "title": None,
                "legend": {"orient": "bottom", "columns": 3, "offset": 0},
            },
            "tooltip": [
                {"field": "said", "type": "nominal", "title": place["title"]},
                {"field": series, "type": "nominal"},
                {"field": y, "type": "quantitative", "title": y_title, "format": ",.3~f"},
            ],
        },
    )


def bars(rows: Sequence[dict[str, Any]], *, x: str, y: str, x_title: str) -> None:
    """Horizontal bars with their value beside them, in the order of the rows."""
    _chart(
        rows,
        height=38 * max(1, len(rows)) + 50,
        encoding={
            "x": {
                "field": x,
                "type": "quantitative",
                "title": x_title,
                "axis": {"format": ",.2~f", "tickMinStep": 1, "tickCount": 5},
                # Room for the value beside the longest bar.
                "scale": {"domainMax": 1.15 * max((row[x] for row in rows), default=0) or 1},
            },
            "y": {"field": y, "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 120}},
        },
        layer=[
            {"mark": {"type": "bar", "height": {"band": 0.7}}},
            {
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {"text": {"field": x, "type": "quantitative", "format": ","}},
            },
        ],
    )


def _chart(rows: Sequence[dict[str, Any]], **spec: Any) -> None:
    """A Vega-Lite chart as SVG: sharp on a phone, and its labels are text."""
    st.vega_lite_chart(
        {"data": {"values": list(rows)}, "usermeta": {"embedOptions": {"renderer": "svg"}}, **spec}
    )
