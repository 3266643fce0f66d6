"""The page of brands: the numbers a publication is steered by, by date and by month.

Belongs here: which report it shows, the table of months. Does not belong here: how a report looks (`report_parts.py`).
"""

from datetime import date
from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.parts import table
from media_analytics.dashboard.page.report_parts import (
    asked,
    catalogue,
    coloured,
    files,
    meanings,
    renewed_slowly,
    section,
)

REPORTS = ("overview", "months")
SHOWN_MONTHS = 12


def show(client: Client) -> None:
    """The page."""
    st.title("Brand overview")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if known and chosen:
        section(client, known, "overview", chosen, named=numbers.brand)
        st.subheader("By month")
        year = chosen.months(SHOWN_MONTHS)
        renewed_slowly(lambda: _months(asked(client, "months", year)))
        files(client, "months", year)
        meanings(known, *REPORTS)


def _months(found: dict[str, Any]) -> None:
    """A row for each month and brand, the newest month first, beside the month before."""
    measures = found["measures"]
    rows = {(row["date"], row["name"]): row["values"] for row in found["days"]}
    heads = ["Month", "Brand"]
    for one in measures:
        heads += [f"{one['title']}#", "Change#"]
    lines = []
    for month, brand in sorted(rows, key=lambda key: (-date.fromisoformat(key[0]).toordinal(), key[1])):
        grows = found["growing_from"] is not None and month >= found["growing_from"]
        cells: list[str] = [numbers.month(month) + (" so far" if grows else ""), numbers.brand(brand)]
        before = {} if grows else rows.get((numbers.month_before(month), brand), {})
        for one in measures:
            value = rows[month, brand][one["name"]]
            change = numbers.change_from(value, before.get(one["name"]))
            cells += [numbers.measure(value, one["unit"]), coloured(change, one["is_less_better"])]
        lines.append(cells)
    table("Month by month", heads, lines, nothing="No month has numbers yet.")
    st.caption(
        f"The {SHOWN_MONTHS} months up to the last date chosen. A visitor counts once a month. Each month stands "
        "beside the one before; one that is not over is not compared."
    )
