"""The page of dead letters.

Belongs here: groups by what they want repaired, letters as shapes, the commands that repair them. Does not belong here:
what a mask shows (`streaming/dead_letters/redaction.py`).
"""

import json

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.parts import renewed, table

DAYS = {"1 day": 1, "7 days": 7, "30 days": 30}
SHOWN = 10


def show(client: Client) -> None:
    """The page."""
    st.title("Dead letters")
    days = DAYS[st.radio("Letters of the last", list(DAYS), index=1, horizontal=True) or "7 days"]
    renewed(lambda: _groups(client, days))
    renewed(lambda: _letters(client, days))


def _groups(client: Client, days: int) -> None:
    groups = client.get("/v1/dead-letters/groups", days=days)["items"]
    first, second, third = st.columns(3)
    first.metric("Letters", numbers.count(sum(g["letters"] for g in groups)))
    second.metric("Recovered", numbers.count(sum(g["recovered"] for g in groups)))
    third.metric("Groups", numbers.count(len(groups)))
    table(
        "Groups",
        ("Group", "Family", "Rule", "Field", "Producer*", "Letters#", "Recovered#", "Newest (UTC)"),
        [
            (
                g["group"],
                g["family"],
                g["rule"],
                g["field"] or numbers.NOTHING,
                g["producer"],
                numbers.count(g["letters"]),
                numbers.count(g["recovered"]),
                numbers.day_and_clock(g["last_seen_at"]),
            )
            for g in groups
        ],
        nothing="No input was refused in this time.",
    )


def _letters(client: Client, days: int) -> None:
    groups = client.get("/v1/dead-letters/groups", days=days)["items"]
    if not groups:
        return
    st.subheader("Letters of a group")
    code = st.selectbox("Group", [g["group"] for g in groups])
    letters = client.get(f"/v1/dead-letters/groups/{code}", days=days, limit=SHOWN)["items"]
    table(
        f"The newest letters of {code}",
        ("Received (UTC)", "Stage", "Route", "Size#", "Shape of the original*"),
        [
            (
                numbers.day_and_clock(one["received_at"]),
                one["stage"],
                one["route"],
                numbers.size(one["original_length"]),
                json.dumps(one["payload"], ensure_ascii=False),
            )
            for one in letters
        ],
    )
    st.caption("Originals stay encrypted; shown is their shape, with texts masked.")
    st.code(f"media-analytics dead-letters show {code}", language="sh")
