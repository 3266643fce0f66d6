"""The health file says that the loop moves, not only that the process lives."""

import json
import os
import subprocess
import sys
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


def test_the_file_moves_while_the_loop_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "INTERVAL_SECONDS", 0.01)
    path = tmp_path / "sink.health.json"
    with Health(path) as made:
        made.report("ready")
        first = facts(path)["at"]
        wait_until(lambda: facts(path)["at"] != first, 5)


HANGING = """
import pathlib, sys, threading
from streaming.runtime.health import Health
with Health(pathlib.Path(sys.argv[1]), stalled_seconds=0.3) as health:
    for _ in range(5):
        health.report("ready")
        threading.Event().wait(0.1)
    print("reported", flush=True)
    threading.Event().wait()
"""


def test_a_loop_that_hangs_ends_its_process_and_shows_where(tmp_path: Path) -> None:
    """Would catch a client call that never returns: the process would stand for ever, seen by nobody."""
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path / "sink.health.json")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == health.STALLED_EXIT_CODE
    assert ended.stdout == "reported\n", "a loop that reports goes on"
    assert "no progress for 0 s" in ended.stderr
    assert "threading.py" in ended.stderr
