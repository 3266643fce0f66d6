"""The page of sections and authors: what was read of whom.

Belongs here: which reports it shows. Does not belong here: how a report looks (`report_parts.py`).
"""

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.report_parts import catalogue, meanings, section

REPORTS = ("sections", "authors")


def show(client: Client) -> None:
    """The page."""
    st.title("Sections and authors")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if known and chosen:
        section(client, known, "sections", chosen, named=numbers.word, heading="Sections")
        # No total: an article of two authors counts for both.
        section(client, known, "authors", chosen, heading="Authors", shows_total=False)
        st.caption("An article of two authors counts for both; one without authors for none.")
        meanings(known, *REPORTS)
