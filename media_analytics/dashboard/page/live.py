"""The live page: what is read now.

Belongs here: what the newsroom sees first. Does not belong here: closed minutes (`interactions.py`).
"""

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.parts import bars, lines, renewed, table


def show(client: Client) -> None:
    """The page."""
    st.title("Live")
    renewed(lambda: _now(client))


def _now(client: Client) -> None:
    live = client.get("/v1/live")
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
                a["title"] or a["page_key"],
                numbers.brand(a["brand"]),
                numbers.count(a["readers"]),
                numbers.count(a["page_views"]),
            )
            for a in live["articles"]
        ],
        nothing=f"Nobody has opened a page in the last {minutes} minutes.",
    )
    st.caption(
        f"At {numbers.clock(live['at'])} UTC. Readers are distinct visitors of a brand with an event of a page; bots, "
        "log imports and late events are left out. Latency runs from the collector's receipt to the row in ClickHouse, "
        f"over {numbers.count(latency['events'])} events."
    )
