"""Filters that pages of reports share; they stand in the address, so that a link opens the same numbers.

Belongs here: dates, brands, people or all. Does not belong here: numbers.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.parts import zone

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
    """Show the filters; None while there is no date.

    Dates of another kind than a report's have a `key` in the address and a `label` of their own, and unless chosen the
    last so many `days`, ending so many days `earlier`.
    """
    left, right = st.columns((2, 5))
    first, last = (date.fromisoformat(known[name]) for name in ("first", "last"))
    last -= timedelta(days=earlier)
    if days:
        first = last - timedelta(days=days - 1)
    dates = left.date_input(label, (first, last), format="YYYY-MM-DD", key=key, bind="query-params")
    with right:
        brands, who = of_readers(known)
    if not dates:
        st.info("Choose the first date and the last.")
        return None
    # One date alone: the first of two that a person is choosing, or a link to one day, which names it once.
    return Chosen(dates[0], dates[-1], brands, who)


def of_readers(known: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Show the filters of brands and of people or all; the brands that were chosen (none: all of them), and who."""
    left, right = st.columns((3, 2))
    brands = left.multiselect(
        "Brands",
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
    return tuple(brands), str(who)


def days_are_utc() -> str:
    """When a date begins for this reader."""
    own = zone()
    begins = datetime.now(UTC).replace(hour=0, minute=0).astimezone(own)
    if begins.utcoffset() == datetime.now(UTC).utcoffset():
        return "Dates are UTC."
    return f"Dates are UTC: each begins at {begins:%H:%M} in {own}."
