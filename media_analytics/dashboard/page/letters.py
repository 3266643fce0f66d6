"""The page of dead letters.

Belongs here: groups by what they want repaired, letters as shapes, trying and replaying a patch. Does not belong here:
what a mask shows (`streaming/dead_letters/redaction.py`), what a patch may say (`docs/reference/dead-letters.md`).
"""

import json
from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.parts import come_back, renewed, table, zone
from media_analytics.errors import ServiceError

DAYS = {"1 day": 1, "7 days": 7, "30 days": 30}
SHOWN = 10
_EXAMPLE = '[[change]]\nset = "brand"\nvalue = "bild"'


def show(client: Client) -> None:
    """The page."""
    st.title("Dead letters")
    days = DAYS[st.radio("Letters of the last", list(DAYS), index=1, horizontal=True) or "7 days"]
    renewed(lambda: _groups(client, days))
    try:
        groups = client.get("/v1/dead-letters/groups", days=days)["items"]
    except ServiceError:
        groups = []
    if not groups:
        come_back(lambda: bool(client.get("/v1/dead-letters/groups", days=days)["items"]))
        return
    st.subheader("Letters of a group")
    code = str(st.selectbox("Group", [g["group"] for g in groups]))
    renewed(lambda: _letters(client, code, days))
    _repair(client, code, days)


def _groups(client: Client, days: int) -> None:
    groups = client.get("/v1/dead-letters/groups", days=days)["items"]
    first, second, third = st.columns(3)
    first.metric("Letters", numbers.count(sum(g["letters"] for g in groups)))
    second.metric("Recovered", numbers.count(sum(g["recovered"] for g in groups)))
    third.metric("Groups", numbers.count(len(groups)))
    groups_table("Groups", groups)


def groups_table(caption: str, groups: list[dict[str, Any]]) -> None:
    """Groups, most letters left first."""
    own = zone()
    table(
        caption,
        ("Group", "Family", "Rule", "Field", "Producer*", "Letters#", "Recovered#", f"Newest ({own})"),
        [
            (
                g["group"],
                g["family"],
                g["rule"],
                g["field"] or numbers.NOTHING,
                g["producer"],
                numbers.count(g["letters"]),
                numbers.count(g["recovered"]),
                numbers.day_and_clock(g["last_seen_at"], own),
            )
            for g in groups
        ],
        nothing="No input was refused in this time.",
    )


def _letters(client: Client, code: str, days: int) -> None:
    letters = client.get(f"/v1/dead-letters/groups/{code}", days=days, limit=SHOWN)["items"]
    own = zone()
    table(
        f"The newest letters of {code}",
        (f"Received ({own})", "Stage", "Route", "Size#", "Shape of the original*"),
        [
            (
                numbers.day_and_clock(one["received_at"], own),
                one["stage"],
                one["route"],
                numbers.size(one["original_length"]),
                json.dumps(one["payload"], ensure_ascii=False),
            )
            for one in letters
        ],
    )
    st.caption("Originals stay encrypted; shown is their shape, with texts masked.")


def _repair(client: Client, code: str, days: int) -> None:
    """Try a patch, then replay. A replay names its group again, so that a click on an old page does no harm."""
    st.subheader("Repair")
    patch = st.text_area(
        "Patch (TOML); empty judges the letters as they are", placeholder=_EXAMPLE, key=f"patch of {code}"
    )
    left, right = st.columns(2)
    wanted = {"patch": patch, "days": days}
    try:
        if left.button("Try", help="Sends nothing."):
            _tried(client.post(f"/v1/dead-letters/groups/{code}/trials", wanted))
        if right.button(f"Replay {code}", type="primary"):
            started = client.post(f"/v1/dead-letters/groups/{code}/replays", wanted)
            st.session_state["replay"] = started["run_id"]
    except ServiceError as error:
        st.error(str(error))
    if "replay" in st.session_state:
        run_id = str(st.session_state["replay"])
        renewed(lambda: _replay(client, run_id))


def _tried(found: dict[str, Any]) -> None:
    first, second, third = st.columns(3)
    first.metric("Would become events", f"{found['passed']:,} of {found['letters']:,}")
    second.metric("Recovered before", numbers.count(found["recovered_before"]))
    third.metric("Not meant by the patch", numbers.count(found["not_meant"]))
    table(
        "Would still fail",
        ("Rule", "Field*", "Letters#"),
        [(f["rule"], f["field"] or numbers.NOTHING, numbers.count(f["letters"])) for f in found["failed"]],
        nothing="None.",
    )


def _replay(client: Client, run_id: str) -> None:
    found = client.get(f"/v1/dead-letters/replays/{run_id}")
    text = f"Replay {run_id}: {found['status'].lower().replace('_', ' ')}."
    if not found["is_ended"]:
        st.info(text)
    elif found["status"] == "SUCCESS":
        st.success(text)
    else:
        st.error(f"{text} Its reason stands in Dagster.")
