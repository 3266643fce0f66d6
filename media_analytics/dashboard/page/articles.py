"""The page of articles: search, and one article's life.

Belongs here: what an editor asks of an article. Does not belong here: what is read now (`live.py`).
"""

from typing import Any
from urllib.parse import urlencode

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import Chosen, filters
from media_analytics.dashboard.page.parts import Cell, bars, lines_by_number, table
from media_analytics.dashboard.page.report_parts import (
    NO_NUMBERS,
    caption_of_dates,
    catalogue,
    course,
    files,
    metrics,
    renewed_slowly,
)
from media_analytics.errors import ServiceError

REPORTS = ("articles",)
SHOWN = 20
_FILTERS = ("dates", "brand", "who", "search")


def show(client: Client) -> None:
    """The page."""
    st.title("Articles")
    known = catalogue(client)
    chosen = filters(known) if known else None
    if not chosen:
        return
    words = st.text_input(
        "Search", placeholder="Part of a headline, an id or a path", key="search", bind="query-params"
    )
    try:
        found = client.get("/v1/articles", search=words, limit=SHOWN, **chosen.parameters)["items"]
    except ServiceError as error:
        st.error(f"No articles now: {error}.")
        return
    _found(found, words)
    files(client, REPORTS[0], chosen)
    is_new_search = st.session_state.setdefault("searched", words) != words
    st.session_state["searched"] = words
    _choice(client, chosen, found, "" if is_new_search else str(st.query_params.get("article", "")))


def link(brand: str, page_key: str) -> str:
    """The address of one article's life, with the filters that this page's address has."""
    kept = [(name, value) for name in _FILTERS for value in st.query_params.get_all(name)]
    return "articles?" + urlencode([*kept, ("article", f"{brand} {page_key}")])


def _found(found: list[dict[str, Any]], words: str) -> None:
    table(
        "Most read",
        ("Article*", "Brand", "Section", "Page views#", "Engaged time for each#"),
        [
            (
                Cell(_name(a), link=link(a["brand"], a["page_key"])),
                numbers.brand(a["brand"]),
                numbers.word(a["section"]),
                numbers.count(a["page_views"]),
                numbers.measure(a["engaged_seconds_per_page_view"], "seconds"),
            )
            for a in found
        ],
        nothing=f"No article has {words!r} in its headline, id or path on these dates."
        if words
        else NO_NUMBERS,
    )
    if len(found) == SHOWN:
        st.caption(
            f"Shown are the {SHOWN} most read; a search finds the others, a file holds all of them by date."
        )


def _name(article: dict[str, Any]) -> str:
    return str(article["headline"] or article["page_key"])


def _choice(client: Client, chosen: Chosen, found: list[dict[str, Any]], linked: str) -> None:
    """One article: that of the link, else the one most read; after another search its first."""
    titles = {f"{a['brand']} {a['page_key']}": f"{_name(a)} ({numbers.brand(a['brand'])})" for a in found}
    if linked and linked not in titles and " " in linked:
        titles = {linked: _of_link(client, chosen, linked)} | titles
    if not titles:
        return
    keys = list(titles)
    article = st.selectbox(
        "Article", keys, format_func=titles.__getitem__, index=keys.index(linked) if linked in keys else 0
    )
    st.query_params["article"] = str(article)
    brand, _, page_key = str(article).partition(" ")
    renewed_slowly(lambda: _life(client, chosen, brand, page_key))


def _of_link(client: Client, chosen: Chosen, linked: str) -> str:
    """What the article of a link is called, also where it is none of those found."""
    brand, _, page_key = linked.partition(" ")
    try:
        headline = _asked(client, chosen, brand, page_key)["headline"]
    except ServiceError:
        # Its part of the page says why, and tries again.
        headline = None
    return f"{headline or page_key} ({numbers.brand(brand)})"


def _asked(client: Client, chosen: Chosen, brand: str, page_key: str) -> dict[str, Any]:
    asked = chosen.parameters | {"brand": brand, "page_key": page_key}
    life: dict[str, Any] = client.get("/v1/articles/one", **asked)
    return life


def _life(client: Client, chosen: Chosen, brand: str, page_key: str) -> None:
    life = _asked(client, chosen, brand, page_key)
    table(
        "What it is",
        ("Headline*", "Section", "Authors", "Words#", "For subscribers"),
        [
            (
                life["headline"] or page_key,
                numbers.word(life["section"]) if life["section"] else numbers.NOTHING,
                ", ".join(life["authors"]) or numbers.NOTHING,
                numbers.count(life["word_count"]),
                "yes" if life["is_premium"] else "no",
            )
        ],
    )
    metrics(life)
    caption_of_dates(life)
    st.subheader("Page views by date")
    days = [{"date": d["date"], "name": "page views", "values": d["values"]} for d in life["days"]]
    course(life | {"days": days}, "page_views", str)
    st.subheader("The first 24 hours")
    _first_hours(life["first_hours"])
    st.subheader("Where its readers came from")
    if life["sources"]:
        rows = [
            {"Source": numbers.word(s["referrer_medium"]), "views": s["page_views"]} for s in life["sources"]
        ]
        bars(rows, x="views", y="Source", x_title="Page views")
    else:
        st.caption("Nothing is known of them on these dates.")
    with st.expander("What these numbers mean"):
        for one in life["measures"]:
            st.markdown(f"**{one['title']}**: {one['means']}")


def _first_hours(hours: list[dict[str, Any]]) -> None:
    if not hours:
        st.caption("Shown for articles of the last four weeks, from one hour after publication.")
        return
    own = [
        {"hour": h["hour_number"] + 1, "of": "This article", "views": h["page_views_so_far"]} for h in hours
    ]
    usual = [
        {"hour": h["hour_number"] + 1, "of": "Median of its section", "views": h["median_of_section"]}
        for h in hours
    ]
    lines_by_number(
        own + usual,
        x="hour",
        y="views",
        series="of",
        x_title="Hours since publication",
        y_title="Page views so far",
    )
