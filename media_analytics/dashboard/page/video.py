"""The page of videos: plays, slow starts, failed requests, and what advertising brought.

Belongs here: which reports it shows. Does not belong here: how a report looks (`report_parts.py`).
"""

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import filters
from media_analytics.dashboard.page.report_parts import catalogue, meanings, section

REPORTS = ("videos", "video_sections", "video_revenue", "video_networks", "video_devices", "video_countries")
_EVERY_BRAND = {"video_networks": "Networks", "video_devices": "Devices", "video_countries": "Countries"}


def show(client: Client) -> None:
    """The page."""
    st.title("Video quality")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if known and chosen:
        section(client, known, "videos", chosen, named=numbers.brand)
        section(
            client, known, "video_sections", chosen, named=numbers.word, heading="Sections", shows_total=False
        )
        section(client, known, "video_revenue", chosen, named=numbers.brand, heading="Advertising")
        for report, heading in _EVERY_BRAND.items():
            section(
                client,
                known,
                report,
                chosen,
                named=numbers.country if report == "video_countries" else numbers.word,
                heading=f"{heading}, all brands",
                shows_total=False,
            )
        meanings(known, *REPORTS)
