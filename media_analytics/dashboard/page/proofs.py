"""The page of completeness and freshness.

Belongs here: whether anything is missing or twice, and how old each table is. Does not belong here: how it is proven
(`docs/runbooks/completeness.md`).
"""

from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.parts import Cell, renewed, table, zone

HOURS = {"1 hour": 1, "24 hours": 24, "7 days": 168}
_STORES = {"realtime": "ClickHouse", "lake": "lake"}
_COLOURS = {"fresh": "green", "late": "amber", "stale": "red", "empty": ""}


def show(client: Client) -> None:
    """The page."""
    st.title("Completeness and freshness")
    chosen = st.radio("Minutes of the last", list(HOURS), index=1, horizontal=True)
    renewed(lambda: _complete(client, HOURS[chosen or "24 hours"]))
    renewed(lambda: _fresh(client))


def _complete(client: Client, hours: int) -> None:
    found = client.get("/v1/completeness", hours=hours)
    proofs, own = found["proofs"], zone()
    first, second, third, fourth = st.columns(4)
    verdict = {None: numbers.NOTHING, True: "complete", False: "red"}[found["is_complete"]]
    first.metric("Verdict", verdict)
    second.metric("Messages judged", numbers.count(_sum(proofs, "messages") if proofs else None))
    third.metric("Missing", numbers.count(_sum(proofs, "missing") if proofs else None))
    fourth.metric("Twice", numbers.count(_sum(proofs, "duplicates") if proofs else None))
    table(
        "Topics and stores",
        (
            "Topic*",
            "Store",
            "Messages#",
            "Dead letters#",
            "Missing#",
            "Twice#",
            f"Judged through ({own})",
            "",
        ),
        [
            (
                p["topic"],
                _STORES[p["store"]],
                numbers.count(p["messages"]),
                numbers.count(p["dead_letters"]),
                numbers.count(p["missing"]),
                numbers.count(p["duplicates"]),
                numbers.day_and_clock(p["judged_through"], own),
                Cell("red", "red") if p["red"] else Cell("complete", "green"),
            )
            for p in proofs
        ],
        nothing="No minute of this time was judged; completeness is proven every 5 minutes while data flows.",
    )
    red = [(p, minute) for p in proofs for minute in p["red"]]
    if red:
        table(
            "Minutes that are red",
            (f"Minute ({own})", "Topic*", "Store", "Partition#", "Offsets#", "Missing#", "Twice#"),
            [
                (
                    numbers.day_and_clock(m["minute"], own),
                    p["topic"],
                    _STORES[p["store"]],
                    numbers.count(m["partition"]),
                    f"{m['first_offset']} to {m['last_offset']}",
                    numbers.count(m["missing"]),
                    numbers.count(m["duplicates"]),
                )
                for p, m in red
            ],
        )
    st.caption(
        "A message is complete when it is exactly one row in each store of its topic, or a dead letter."
    )


def _fresh(client: Client) -> None:
    tables, own = client.get("/v1/freshness")["items"], zone()
    table(
        "Newest data by table",
        ("Table*", "State", "Age#", "Late after#", "Stale after#", f"Newest change ({own})"),
        [
            (
                t["table"],
                Cell(t["state"], _COLOURS[t["state"]]),
                numbers.duration(t["age_seconds"]),
                numbers.duration(t["warn_seconds"]),
                numbers.duration(t["fail_seconds"]),
                numbers.day_and_clock(t["changed_at"], own),
            )
            for t in tables
        ],
    )
    st.caption(
        "Age is that of the newest change of rows, not of the newest run. Limits are those of the contract."
    )


def _sum(proofs: list[dict[str, Any]], name: str) -> int:
    return sum(int(p[name]) for p in proofs)
