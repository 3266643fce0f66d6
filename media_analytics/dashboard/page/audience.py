"""The page of the audience: where readers are, on what they read, where they came from.

Belongs here: which reports it shows. Does not belong here: how a report looks (`report_parts.py`).
"""

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.report_parts import catalogue, meanings, section

REPORTS = ("sources", "referrers", "countries", "devices")
_HEADINGS = {
    "sources": "Where they came from",
    "referrers": "Sources by name",
    "countries": "Countries",
    "devices": "Devices",
}


def show(client: Client) -> None:
    """The page."""
    st.title("Audience")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if known and chosen:
        for report in REPORTS:
            is_first = report == REPORTS[0]
            section(
                client,
                known,
                report,
                chosen,
                named=numbers.country if report == "countries" else numbers.word,
                heading=_HEADINGS[report],
                shows_total=is_first,
            )
            if report == "referrers":
                st.caption(
                    "Visits whose source has no name, those that came by themselves for example, are left out."
                )
        meanings(known, *REPORTS)
