"""The page of subscriptions: how many run, begin and end, and who becomes a subscriber.

Belongs here: which reports it shows. Does not belong here: how a report looks (`report_parts.py`).
"""

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.report_parts import catalogue, meanings, section

REPORTS = ("subscriptions", "conversions")


def show(client: Client) -> None:
    """The page."""
    st.title("Subscriptions")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if known and chosen:
        section(client, known, "subscriptions", chosen, named=numbers.word, heading="By kind")
        section(client, known, "conversions", chosen, named=numbers.brand, heading="New subscribers")
        meanings(known, *REPORTS)
