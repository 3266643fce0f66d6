"""Verdicts of checks as the dashboard tells them."""

from collections.abc import Callable

from media_analytics.dashboard.reading.health import Health
from media_analytics.resources.dagster_api import DagsterApi
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings


class _Told(DagsterApi):
    """Dagster that knows four checks."""

    def checks(self) -> dict[str, str]:
        return {
            "gold.a: contract": "SUCCEEDED",
            "gold.b: contract": "FAILED",
            "silver.c: volume": "EXECUTION_FAILED",
            "silver.c: contract": "NOT_EVALUATED",
        }


def test_a_check_that_could_not_run_is_no_pass(make_settings: Callable[..., Settings]) -> None:
    """Would catch a failure far down the list, a check nobody judged counted as good, a name cut in the wrong place."""
    settings = make_settings()
    found = Health(DeltaLog(settings), _Told(settings)).checks()
    assert [(c.table, c.check, c.verdict) for c in found] == [
        ("gold.b", "contract", "failed"),
        ("silver.c", "volume", "failed"),
        ("silver.c", "contract", "not judged"),
        ("gold.a", "contract", "passed"),
    ]
