"""Metrics of what Dagster says, and of a store that says nothing."""

import time
from pathlib import Path
from typing import Any

import pytest

from media_analytics.dashboard.reading.metrics import Metrics
from media_analytics.errors import ServiceError


class _Silent:
    """A reading whose store does not answer."""

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: object) -> None:
            raise ServiceError(f"{name} cannot be asked")

        return ask


class _Dagster:
    def checks(self) -> dict[str, str]:
        return {
            "silver.events: contract": "FAILED",
            "gold.a: no_anomaly": "SUCCEEDED",
            "kafka.user.raw: lag": "EXECUTION_FAILED",
            "gold.a: parity": "NOT_EVALUATED",
        }

    def heartbeats(self) -> dict[str, float | None]:
        return {"SENSOR": time.time() - 100, "SCHEDULER": None}


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    silent: Any = _Silent()
    dagster: Any = _Dagster()
    return Metrics(silent, silent, silent, dagster, tmp_path).text().splitlines()


def test_a_store_that_does_not_answer_leaves_the_others(lines: list[str]) -> None:
    """Else the alarm on a daemon would fall silent with Kafka."""
    up = {line for line in lines if line.startswith("platform_source_up{")}
    assert up == {
        'platform_source_up{source="event_log"} 0',
        'platform_source_up{source="tables"} 0',
        'platform_source_up{source="completeness"} 0',
        'platform_source_up{source="checks"} 1',
        'platform_source_up{source="daemons"} 1',
        'platform_source_up{source="disk"} 1',
    }


def test_failed_checks_and_silent_daemons(lines: list[str]) -> None:
    """A check that could not run has failed; one that never ran has not. A daemon that never lived is silent."""
    assert [line for line in lines if line.startswith("platform_check_failed{")] == [
        'platform_check_failed{table="silver.events",check="contract"} 1',
        'platform_check_failed{table="gold.a",check="no_anomaly"} 0',
        'platform_check_failed{table="kafka.user.raw",check="lag"} 1',
        'platform_check_failed{table="gold.a",check="parity"} 0',
    ]
    ages = dict(line.split(" ") for line in lines if line.startswith("platform_daemon_"))
    assert 100 <= float(ages['platform_daemon_heartbeat_age_seconds{daemon="SENSOR"}']) < 160
    assert ages['platform_daemon_heartbeat_age_seconds{daemon="SCHEDULER"}'] == "+Inf"
