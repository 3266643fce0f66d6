"""Filters that pages of reports share; they stand in the address, so that a link opens the same numbers.

Belongs here: dates, brands, people or all, the reader's time zone. Does not belong here: numbers.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from media_analytics.dashboard.page import numbers

WHO = {"human": "People", "all": "All traffic"}


@dataclass(frozen=True)
class Chosen:
    """What a person wants to see. No brands: all of them."""

    first: date
    last: date
    brands: tuple[str, ...]
    who: str

    @property
    def parameters(self) -> dict[str, Any]:
        """As the API is asked."""
        return {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "brand": list(self.brands) or None,
            "who": self.who,
        }

    def months(self, count: int) -> "Chosen":
        """The same for so many months, the last of them that of the last date."""
        month = 12 * self.last.year + self.last.month - count
        return replace(self, first=date(month // 12, month % 12 + 1, 1))


def filters(
    known: dict[str, Any],
    key: str = "dates",
    label: str = "Dates (UTC)",
    days: int | None = None,
    earlier: int = 0,
) -> Chosen | None:
    """Show the filters; None while a person has not chosen both dates.

    Dates of another kind than a report's have a `key` in the address and a `label` of their own, and unless chosen the
    last so many `days`, ending so many days `earlier`.
    """
    left, middle, right = st.columns((2, 3, 2))
    first, last = (date.fromisoformat(known[name]) for name in ("first", "last"))
    last -= timedelta(days=earlier)
    if days:
        first = last - timedelta(days=days - 1)
    dates = left.date_input(label, (first, last), format="YYYY-MM-DD", key=key, bind="query-params")
    brands = middle.multiselect(
        "Publications",
        known["brands"],
        format_func=numbers.brand,
        placeholder="All",
        key="brand",
        bind="query-params",
    )
    who = right.segmented_control(
        "Readers",
        list(WHO),
        default="human",
        format_func=WHO.__getitem__,
        required=True,
        key="who",
        bind="query-params",
        help="People leaves out visits that look like a robot's.",
    )
    if len(dates) != 2:
        st.info("Choose the first date and the last.")
        return None
    return Chosen(dates[0], dates[1], tuple(brands), who)


def zone() -> tzinfo:
    """The time zone of the reader's browser; UTC where it does not say."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def days_are_utc() -> str:
    """When a date begins for this reader."""
    own = zone()
    begins = datetime.now(UTC).replace(hour=0, minute=0).astimezone(own)
    if begins.utcoffset() == datetime.now(UTC).utcoffset():
        return "Dates are UTC."
    return f"Dates are UTC: each begins at {begins:%H:%M} in {own}."
