"""What Streamlit runs for each session: the navigation and the page that was chosen.

Belongs here: the list of pages. Does not belong here: serving it (`__main__.py`), pages.
"""

import os
from functools import partial

import streamlit as st

from media_analytics.dashboard.page import (
    articles,
    audience,
    health,
    interactions,
    letters,
    live,
    overview,
    proofs,
    returning,
    sections,
    streams,
    subscriptions,
    video,
)
from media_analytics.dashboard.page.client import Client
from media_analytics.settings import load_settings

NEWSROOM = (
    (live, "Live", "live"),
    (overview, "Brand overview", "overview"),
    (articles, "Articles", "articles"),
    (sections, "Sections and authors", "sections"),
    (audience, "Audience", "audience"),
    (returning, "Returning readers", "returning"),
    (subscriptions, "Subscriptions", "subscriptions"),
    (video, "Video quality", "video"),
)
PLATFORM = (
    (interactions, "Interactions", "interactions"),
    (streams, "Streams", "streams"),
    (letters, "Dead letters", "dead-letters"),
    (proofs, "Completeness", "completeness"),
    (health, "Data health", "data-health"),
)
PAGES = (*NEWSROOM, *PLATFORM)
# Streamlit leaves a sixth of a phone's screen empty above the title, and cuts a label off where two stand on a phone.
_STYLE = """<style>
.stMainBlockContainer { padding-top: 3.75rem; }
[data-testid="stMetricLabel"] p { font-size: 0.8rem; }
</style>"""


@st.cache_resource
def client() -> Client:
    """The way to the API that the settings name; one for all sessions."""
    dashboard = load_settings(os.environ).dashboard
    token = dashboard.token.get_secret_value() if dashboard.token else ""
    return Client(dashboard.url or "", token)


def main() -> None:
    """Show the chosen page."""
    st.set_page_config(page_title="media-analytics", layout="wide", initial_sidebar_state="auto")
    st.html(_STYLE)
    chosen = st.navigation(
        {
            heading: [
                # Without icons: the browser would fetch them from another host.
                st.Page(partial(page.show, client()), title=title, url_path=path, default=page is live)
                for page, title, path in pages
            ]
            for heading, pages in (("Newsroom", NEWSROOM), ("Platform", PLATFORM))
        }
    )
    chosen.run()


if __name__ == "__main__":
    main()
