"""The page of the minute analysis: interactions and anomalies.

Belongs here: error rates by minute and which of them rose. Does not belong here: the method
(`docs/reference/minute-analysis.md`).
"""

from typing import Any

import streamlit as st

from media_analytics.dashboard.page import numbers
from media_analytics.dashboard.page.client import Client
from media_analytics.dashboard.page.parts import Cell, lines, renewed, table, zone

MINUTES = 60


def show(client: Client) -> None:
    """The page."""
    st.title("Interactions and anomalies")
    renewed(lambda: _minutes(client))


def _minutes(client: Client) -> None:
    results = client.get("/v1/interactions/minutes", limit=MINUTES)["items"]
    anomalies = client.get("/v1/interactions/anomalies", limit=20)["items"]
    newest = results[0] if results else None
    own = zone()
    first, second, third = st.columns(3)
    first.metric("Interactions in the newest minute", numbers.count(newest["total"] if newest else None))
    second.metric("Error rate in the newest minute", numbers.share(_error_rate(newest)))
    third.metric("Anomalies in the last 24 h", numbers.count(len(anomalies) if newest else None))
    points = [
        {"at": r["window_start"], "type": name, "total": t["total"], "errors": 100 * (t["error_rate"] or 0.0)}
        for r in results
        for name, t in r["event_types"].items()
    ]
    left, right = st.columns(2)
    with left:
        st.subheader("Interactions per minute")
        lines(points, x="at", y="total", series="type", y_title="Interactions per minute")
    with right:
        st.subheader("Error rate")
        lines(points, x="at", y="errors", series="type", y_title="Errors (% of interactions)")
    table(
        "Newest minute by type"
        + (f", from {numbers.clock(newest['window_start'], own)} ({own})" if newest else ""),
        ("Type", "Interactions#", "Errors#", "Error rate#", "Hour before#", "Score#", ""),
        [_row(name, found) for name, found in newest["event_types"].items()] if newest else [],
        nothing="No interactions in the newest minute." if newest else "No minute has been analysed yet.",
    )
    table(
        "Anomalies of the last 24 hours of results",
        (f"Minute ({own})", "Type", "Error rate#", "Hour before#", "Score#"),
        [
            (
                numbers.day_and_clock(a["window_start"], own),
                a["event_type"],
                numbers.share(a["error_rate"]),
                numbers.share(a["baseline_error_rate"]),
                f"{a['score']:.1f}",
            )
            for a in anomalies
        ],
        nothing="None: no error rate rose.",
    )
    st.caption(
        "A minute closes 60 s after its end. The score adds up evidence for a risen error rate, in nats."
    )


def _row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    return (
        name,
        numbers.count(found["total"]),
        numbers.count(found["error"]),
        numbers.share(found["error_rate"]),
        numbers.share(found["baseline_error_rate"]),
        f"{found['score']:.1f}",
        Cell("anomaly", "red") if found["is_anomaly"] else Cell("normal", "green"),
    )


def _error_rate(result: dict[str, Any] | None) -> float | None:
    if result is None:
        return None
    errors = sum(t["error"] for t in result["event_types"].values())
    return errors / result["total"] if result["total"] else None
