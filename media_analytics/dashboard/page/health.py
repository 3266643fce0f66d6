"""The page of data health: checks, completeness, freshness, and published numbers that changed.

Belongs here: the verdicts at a glance, and which numbers were restated. Does not belong here: offsets and single tables
(`proofs.py`).
"""

from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.parts import Cell, renewed, table, zone

RENEW_SECONDS = 10.0
DAYS = {"7 days": 7, "30 days": 30, "a year": 366}
SHOWN = 100


def show(client: Client) -> None:
    """The page."""
    st.title("Data health")
    # Each part by itself: Dagster away hides its checks and nothing else.
    renewed(lambda: _complete(client), RENEW_SECONDS)
    renewed(lambda: _checks(client), RENEW_SECONDS)
    chosen = st.radio("Numbers that changed in the last", list(DAYS), index=1, horizontal=True)
    renewed(lambda: _restated(client, DAYS[chosen or "30 days"]), RENEW_SECONDS)


def _complete(client: Client) -> None:
    found = client.get("/v1/completeness", hours=24)
    tables = client.get("/v1/freshness")["items"]
    first, second, third = st.columns(3)
    verdict = {None: numbers.NOTHING, True: "complete", False: "red"}[found["is_complete"]]
    first.metric(
        "Completeness, 24 hours", verdict, help="Every message is one row in each store, or a dead letter."
    )
    second.metric("Tables that are late", numbers.count(_of(tables, "late") + _of(tables, "stale")))
    third.metric("Tables without rows", numbers.count(_of(tables, "empty")))
    st.caption("Offsets, minutes and single tables stand on the page Completeness.")


def _of(tables: list[dict[str, Any]], state: str) -> int:
    return sum(t["state"] == state for t in tables)


def _checks(client: Client) -> None:
    checks = client.get("/v1/checks")["items"]
    count = {v: sum(c["verdict"] == v for c in checks) for v in ("failed", "passed", "not judged")}
    first, second, third = st.columns(3)
    first.metric("Checks that failed", numbers.count(count["failed"]))
    second.metric("Checks that passed", numbers.count(count["passed"]))
    third.metric("Checks not judged yet", numbers.count(count["not judged"]))
    table(
        "Checks that failed",
        ("Table*", "Check", "Verdict"),
        [(c["table"], c["check"], Cell("failed", "red")) for c in checks if c["verdict"] == "failed"],
        nothing="None.",
    )


def _restated(client: Client, days: int) -> None:
    found = client.get("/v1/restatements", days=days, limit=SHOWN)
    own = zone()
    table(
        "Published numbers that changed",
        (
            "Date (UTC)",
            "Table*",
            "Brand",
            "Measure",
            "Before#",
            "After#",
            "Because*",
            f"Recorded ({own})",
        ),
        [
            (
                r["date"],
                r["table"],
                numbers.brand(r["brand"]),
                r["measure"],
                numbers.exact(r["old_value"]),
                numbers.exact(r["new_value"]),
                r["cause"],
                numbers.day_and_clock(r["recorded_at"], own),
            )
            for r in found["items"]
        ],
        nothing="None: every published number stands as it was published.",
    )
    st.caption(
        (f"Shown are the newest {SHOWN}. " if found["next"] else "")
        + "A date is published at 03:00 UTC of the next day; what changes later is recorded with its cause."
    )
