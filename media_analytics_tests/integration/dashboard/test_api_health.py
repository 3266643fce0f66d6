"""The API's restatements and checks: a real Delta ledger with known rows, and Dagster away."""

from datetime import UTC, datetime, timedelta

import pytest

from media_analytics.contracts.registry import table
from media_analytics_tests.integration.dashboard.planted import Api, Planted

pytestmark = pytest.mark.integration


def test_restated_numbers_are_listed_with_their_cause(api: Api, planted: Planted) -> None:
    """Catches a change out of the time, one told as the other way round, a value that was not there shown as 0."""
    now = datetime.now(UTC)
    same = {
        "table": "gold.reader_sessions",
        "date": now.date() - timedelta(days=3),
        "brand": "bild",
        "base_version": 1,
    }
    planted.delta(
        table("ops.restatements"),
        [
            same | {"measure": "sessions", "old_value": 10.0, "new_value": 12.0, "cause": "late", "recorded_at": now},
            same | {"measure": "visitors", "old_value": None, "new_value": 3.5, "cause": "repair",
                    "recorded_at": now - timedelta(days=2)},
            same | {"measure": "events", "old_value": 1.0, "new_value": 2.0, "cause": "old",
                    "recorded_at": now - timedelta(days=40)},
        ],
        replace=True,
    )  # fmt: skip
    found = api.get_fresh("/v1/restatements", days=30)
    assert [(r["measure"], r["old_value"], r["new_value"], r["cause"]) for r in found["items"]] == [
        ("sessions", 10.0, 12.0, "late"),
        ("visitors", None, 3.5, "repair"),
    ]
    assert [r["measure"] for r in api.get("/v1/restatements", days=1)["items"]] == ["sessions"]
    assert api.get("/v1/restatements", days=366, limit=1)["next"] == "1"


def test_without_dagster_checks_are_unknown_and_say_why(api: Api) -> None:
    """Catches a list without failures told where nobody could look."""
    answer = api.http.get("/v1/checks")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Dagster at" in answer.json()["detail"]
