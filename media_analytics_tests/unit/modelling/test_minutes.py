"""The document of a minute is what the data definitions say."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from media_analytics.modelling.error_rates import Minute
from media_analytics.modelling.minutes import Counts, document, past, rows

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
PRODUCED = NOON + timedelta(seconds=130)


def made(counts: dict[str, Counts], history: list[dict[str, Minute]] | None = None) -> dict[str, Any]:
    return document(NOON, counts, history or [], produced_at=PRODUCED, run_id="r")


def test_a_minute_without_events_has_a_result() -> None:
    assert made({}) == {
        "window_start": "2026-03-10T12:00:00Z",
        "window_end": "2026-03-10T12:01:00Z",
        "total": 0,
        "event_types": {},
        "anomalies": [],
        "produced_at": "2026-03-10T12:02:10Z",
        "run_id": "r",
    }


def test_rates_and_baseline_by_hand() -> None:
    """Catches a baseline of 59 or 61 minutes, a mean of rates, and a minute in its own baseline."""
    history = (
        [{"play": Minute(1000, 1000)}]
        + [{"play": Minute(10, 1)}] * 30
        + [{}] * 10
        + [{"play": Minute(30, 0)}] * 20
    )
    result = made({"play": Counts(success=6, error=2), "pay": Counts(success=0, error=1)}, history)
    assert result["total"] == 9
    play, pay = result["event_types"]["play"], result["event_types"]["pay"]
    assert (play["total"], play["success"], play["error"]) == (8, 6, 2)
    assert (play["success_rate"], play["error_rate"]) == (0.75, 0.25)
    assert play["baseline_error_rate"] == 30 / 900
    assert (pay["baseline_error_rate"], pay["score"], pay["is_anomaly"]) == (None, 0, False)
    assert list(result["event_types"]) == ["pay", "play"]


def test_the_results_before_are_all_the_state_there_is() -> None:
    """Catches state that text does not keep: results are read back from JSON before the next minute is judged."""
    kept: list[dict[str, Minute]] = [{"play": Minute(1000, 10)}] * 90
    found = []
    for error in (10, 30, 30, 10, 10):
        result = json.loads(json.dumps(made({"play": Counts(1000 - error, error)}, kept)))
        kept = [*kept[1:], past(result)]
        found.append(result)
    assert [bool(r["anomalies"]) for r in found] == [False, True, True, False, False]
    anomaly = found[1]["anomalies"][0]
    assert anomaly == {
        "event_type": "play",
        "error_rate": 0.03,
        "baseline_error_rate": 0.01,
        "score": found[1]["event_types"]["play"]["score"],
    }


def test_rows_of_a_result() -> None:
    result = made({"play": Counts(3, 1)})
    assert rows(result) == [{"minute": NOON, "event_type": "play", **result["event_types"]["play"]}]


@pytest.mark.parametrize("success", [0, 5])
def test_equal_inputs_give_equal_documents(success: int) -> None:
    counts = {"b": Counts(success, 1), "a": Counts(1, 0)}
    assert json.dumps(made(counts)) == json.dumps(made(dict(reversed(counts.items()))))
