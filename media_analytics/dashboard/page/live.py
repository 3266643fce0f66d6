"""The live page: what is read now, in the last half hour and the last day.

Belongs here: what the newsroom sees first. Does not belong here: closed minutes (`interactions.py`), dates that are
over (`overview.py`).
"""

from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.articles import link
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.filters import of_readers
from media_analytics.dashboard.page.parts import Cell, bars, lines, renewed, table, zone
from media_analytics.dashboard.page.report_parts import catalogue

# The last half hour and the last day move slowly.
RENEW_SECONDS = 10.0
WINDOWS = {"30m": "30 minutes", "24h": "24 hours"}
# In the order they are shown: title, what a row is.
_TABLES = {
    "articles": ("Articles", "Article"),
    "sections": ("Sections", "Section"),
    "sources": ("Sources", "Source"),
    "countries": ("Countries", "Country"),
    "brands": ("Brands", "Brand"),
    "videos": ("Videos", "Brand"),
}


def show(client: Client) -> None:
    """The page."""
    st.title("Live")
    known = catalogue(client)
    if not known:
        return
    brands, who = of_readers(known)
    asked = {"brand": list(brands) or None, "who": who}
    renewed(lambda: _now(client, asked))
    window = st.segmented_control(
        "In the last",
        list(WINDOWS),
        default="30m",
        format_func=WINDOWS.__getitem__,
        required=True,
        key="window",
        bind="query-params",
    )
    renewed(lambda: _recent(client, asked | {"window": window}), RENEW_SECONDS)


def _now(client: Client, asked: dict[str, Any]) -> None:
    live = client.get("/v1/live", **asked)
    latency = live["latency"]
    minutes = live["window_seconds"] // 60
    first, second, third, fourth = st.columns(4)
    first.metric(f"Readers in the last {minutes} min", numbers.count(live["readers"]))
    events = sum(f["events_per_second"] for f in live["families"])
    second.metric("Events per second", numbers.rate(events))
    third.metric("Received to visible, median", numbers.milliseconds(latency["p50_ms"]))
    fourth.metric("Received to visible, 99 of 100", numbers.milliseconds(latency["p99_ms"]))
    left, right = st.columns(2)
    with left:
        st.subheader("Readers by brand")
        shown = sorted(live["brands"], key=lambda b: (-b["readers"], b["brand"]))
        bars(
            [{"Brand": numbers.brand(b["brand"]), "readers": b["readers"]} for b in shown],
            x="readers",
            y="Brand",
            x_title=f"Readers in the last {minutes} min",
        )
    with right:
        st.subheader("Events by family")
        lines(live["rates"], x="at", y="events_per_second", series="family", y_title="Events per second")
    table(
        "Top articles now",
        ("Article*", "Brand", "Readers#", "Page views#"),
        [
            (
                Cell(a["title"] or a["page_key"], link=link(a["brand"], a["page_key"])),
                numbers.brand(a["brand"]),
                numbers.count(a["readers"]),
                numbers.count(a["page_views"]),
            )
            for a in live["articles"]
        ],
        nothing=f"Nobody has opened a page in the last {minutes} minutes.",
    )
    own = zone()
    left_out = "bots, log imports" if live["who"] == "human" else "log imports"
    st.caption(
        f"At {numbers.clock(live['at'], own)} ({own}). Readers are distinct visitors of a brand with an event of a "
        f"page; {left_out} and late events are left out. Events per second and latency are those of all brands; "
        "latency runs from the collector's receipt to the row in ClickHouse, over "
        f"{numbers.count(latency['events'])} events."
    )


def _recent(client: Client, asked: dict[str, Any]) -> None:
    """Each live mart as a table, two beside each other where there is room."""
    places: list[Any] = [st.container(), *st.columns(2), *st.columns(2), st.container()]
    for place, by in zip(places, _TABLES, strict=True):
        with place:
            _members(client.get(f"/v1/live/{by}", **asked))
    st.caption(
        "The first ten of each. A visitor of two brands or sections counts for both; page views without consent have "
        "no visitor."
    )


def _members(found: dict[str, Any]) -> None:
    by, measures = found["by"], found["measures"]
    has_brands = any(member["brand"] for member in found["members"])
    title, row = _TABLES[by]
    table(
        f"{title} in the last {WINDOWS[found['window']]}",
        (f"{row}*", *(["Brand"] if has_brands else []), *(f"{m['title']}#" for m in measures)),
        [
            (
                _name(by, member),
                *([numbers.brand(member["brand"])] if has_brands else []),
                *(numbers.measure(member["values"][m["name"]], m["unit"]) for m in measures),
            )
            for member in found["members"]
        ],
        nothing="Nothing in this time.",
    )


def _name(by: str, member: dict[str, Any]) -> str:
    name: str = member["name"]
    match by:
        case "articles":
            return Cell(member["title"] or name, link=link(member["brand"], name))
        case "brands" | "videos":
            return numbers.brand(name)
        case "countries":
            return numbers.country(name)
        case _:
            return numbers.word(name)
