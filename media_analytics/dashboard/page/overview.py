"""The page of brands: the numbers a publication is steered by.

Belongs here: which report it shows. Does not belong here: how a report looks (`report_parts.py`).
"""

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.report_parts import catalogue, meanings, section

REPORTS = ("overview",)


def show(client: Client) -> None:
    """The page."""
    st.title("Brand overview")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if known and chosen:
        section(client, known, "overview", chosen, named=numbers.brand)
        meanings(known, *REPORTS)
