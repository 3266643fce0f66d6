"""The health file says that the loop moves, not only that the process lives."""

import json
import os
from pathlib import Path

import pytest

from media_analytics_tests.services.embedded import wait_until
from streaming.runtime import health
from streaming.runtime.health import Health


def facts(path: Path) -> dict[str, object]:
    return json.loads(path.read_text("utf-8"))


def test_a_new_state_is_written_at_once_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run" / "sink.health.json"
    with Health(path) as made:
        assert facts(path)["state"] == "starting"
        made.report("ready", "6 partitions", lag={"0": 3})
        found = facts(path)
        assert (found["pid"], found["state"], found["detail"], found["lag"]) == (
            os.getpid(),
            "ready",
            "6 partitions",
            {"0": 3},
        )
    assert not path.exists()
    assert list(path.parent.iterdir()) == []


def test_facts_stay_until_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sink.health.json"
    with Health(path) as made:
        made.report("ready", lag={"0": 3})
        made.report("waiting", "ClickHouse is away")
        assert facts(path)["lag"] == {"0": 3}
        assert facts(path)["detail"] == "ClickHouse is away"


def test_the_file_grows_old_when_the_loop_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "INTERVAL_SECONDS", 0.01)
    path = tmp_path / "sink.health.json"
    with Health(path) as made:
        made.report("ready")
        first = facts(path)["at"]
        wait_until(lambda: facts(path)["at"] != first, 5)
        monkeypatch.setattr(health, "STALLED_SECONDS", 0.0)
        # From here on nothing is written: two readings with many intervals between them are the same.
        made._stop.wait(0.05)
        old = facts(path)["at"]
        made._stop.wait(0.2)
        assert facts(path)["at"] == old
