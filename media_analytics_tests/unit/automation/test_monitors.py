"""What the sink's monitor reports, on a log whose offsets the test sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from media_analytics.automation.debounce import Debounce
from media_analytics.automation.monitors import sink_events
from media_analytics_tests.builders import settings as builder

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class OffsetsBySetting:
    """Answers what the test wrote down."""

    ends: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)

    def end_offsets(self, name: str) -> Mapping[int, int]:
        return {0: self.ends.get(name, 0)}

    def committed(self, group: str) -> Mapping[str, Mapping[int, int]]:
        assert group == "clickhouse-sink"
        return {topic: {0: offset} for topic, offset in self.done.items()}


@pytest.fixture
def log() -> OffsetsBySetting:
    return OffsetsBySetting()


@pytest.fixture
def tick(log: OffsetsBySetting, tmp_path: Path):
    memory, settings = Debounce(), builder.make(tmp_path)

    def run(minute: float) -> tuple[set[str], dict[str, bool]]:
        """Tables reported, and evaluations by name."""
        events = list(
            sink_events(SimpleNamespace(kafka=log, settings=settings), memory, NOW + minute * MINUTE)
        )
        reported = {e.asset_key.to_user_string() for e in events if isinstance(e, dg.AssetMaterialization)}
        judged = [e for e in events if isinstance(e, dg.AssetCheckEvaluation)]
        return reported, {f"{e.asset_key.path[-1]} {e.check_name}": e.passed for e in judged}

    return run


def test_growth_is_reported_and_standing_still_is_not(log: OffsetsBySetting, tick) -> None:
    quiet = {
        "kafka/dead_letters",
        "kafka/security.events",
        "kafka/compliance.events",
        "realtime/security_events",
    }
    assert tick(0)[0] == quiet, "an empty platform: the daily signs only"
    log.ends, log.done = {"user.raw": 5, "user.latest": 5}, {"user.latest": 5}
    assert tick(3)[0] == {"kafka/user.raw", "kafka/user.latest", "realtime/user_events"}
    log.ends["interactions.events"] = log.done["interactions.events"] = 7
    assert tick(6)[0] == {"kafka/interactions.events", "realtime/interactions"}
    assert tick(30)[0] == set()


def test_reports_are_rare_while_data_flows(log: OffsetsBySetting, tick) -> None:
    reports = 0
    for half_minute in range(20):
        log.ends = {"user.raw": 1 + half_minute}
        reports += "kafka/user.raw" in tick(half_minute / 2)[0]
    assert 3 <= reports <= 4


def test_a_sink_far_behind_fails_its_lag_and_recovers(log: OffsetsBySetting, tick) -> None:
    log.ends = {"user.latest": 60_000}
    first = tick(0)[1]
    assert first["user_events lag"] is False
    assert first["interactions lag"] is True, "one topic's lag is not another's"
    assert "user_events lag" not in tick(1)[1], "said once, not at every tick"
    log.done = {"user.latest": 59_000}
    assert tick(2)[1]["user_events lag"] is True
