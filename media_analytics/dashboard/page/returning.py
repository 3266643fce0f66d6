"""The page of returning readers: who came back, by the week in which they came for the first time.

Belongs here: the heat table of first weeks, its averages. Does not belong here: how other reports look
(`report_parts.py`).
"""

from datetime import date, timedelta
from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.parts import Cell, lines_by_number, table
from media_analytics.dashboard.page.report_parts import (
    asked,
    caption_of_dates,
    catalogue,
    files,
    has_numbers,
    meanings,
    members,
    metrics,
    renewed_slowly,
)

REPORTS = ("cohorts",)
SHOWN_DAYS = 12 * 7
# From the first day of a first week to the last of the one after it, in the whole of which visitors may come back.
UNTIL_OVER_DAYS = 2 * 7 - 1
SHARE = "retention_rate"
_NOT_YET = "There are no numbers yet. The first ones stand here when two weeks are over, from Monday to Sunday (UTC)."


def show(client: Client) -> None:
    """The page."""
    st.title("Returning readers")
    known = catalogue(client)
    chosen = None
    if known:
        chosen = filters(known, "first_weeks", "First weeks that begin (UTC)", SHOWN_DAYS, UNTIL_OVER_DAYS)
    if known and chosen:
        renewed_slowly(lambda: _weeks(asked(client, "cohorts", chosen)))
        files(client, "cohorts", chosen)
        meanings(known, *REPORTS)


def _weeks(found: dict[str, Any]) -> None:
    if not has_numbers(found, _NOT_YET):
        return
    st.subheader("In the week after the first")
    metrics(found)
    caption_of_dates(found)
    st.subheader("Week by week")
    _heat(found)
    st.caption(
        "Weeks run from Monday to Sunday (UTC) and count once they are over. A reader of two brands counts twice."
    )
    _average(found)
    members(found, lambda week: f"Week {week}")


def _heat(found: dict[str, Any]) -> None:
    """A row for each first week, a column for each week since."""
    firsts: dict[str, dict[int, dict[str, Any]]] = {}
    for one in found["days"]:
        firsts.setdefault(one["date"], {})[int(one["name"])] = one["values"]
    last = max((max(weeks) for weeks in firsts.values()), default=0)
    most = max((w[SHARE] or 0 for weeks in firsts.values() for n, w in weeks.items() if n), default=0) or 1
    table(
        "Share of the new visitors of a week who came back, by weeks since",
        ("First week", "New visitors#", *(f"Week {n}#" for n in range(1, last + 1))),
        [
            [_week(first), numbers.count(weeks[0]["cohort_visitors"]) if 0 in weeks else numbers.NOTHING]
            + [_share(weeks[n][SHARE], most) if n in weeks else "" for n in range(1, last + 1)]
            for first, weeks in firsts.items()
        ],
    )


def _week(first: str) -> str:
    begin = date.fromisoformat(first)
    return numbers.days(first, (begin + timedelta(days=6)).isoformat())


def _share(value: float | None, most: float) -> Cell:
    return Cell(numbers.share(value), ground=(value or 0) / most)


def _average(found: dict[str, Any]) -> None:
    """The share of all first weeks together, beside those before."""
    points = [
        {"week": int(member["name"]), "of": name, "share": 100 * member["measures"][SHARE][time]}
        for member in found["members"]
        for time, name in (("value", "These first weeks"), ("before", "Those before"))
        if int(member["name"]) and member["measures"][SHARE][time] is not None
    ]
    if points:
        lines_by_number(
            points, x="week", y="share", series="of", x_title="Weeks since the first", y_title="Came back (%)"
        )
