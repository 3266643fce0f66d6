"""Runs that a stop, a crash or a power cut ended."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData
from dagster._core.events.log import EventLogEntry

from media_analytics.local.lost_runs import fail_lost_runs, may_be_started
from media_analytics_tests.builders.images import FOLDER
from media_analytics_tests.services.embedded import wait_until


@dg.job
def _some_job() -> None:
    """A job without ops."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def _started(instance: dg.DagsterInstance, pid: int, seconds_ago: float = 0.0) -> Any:
    """A run whose process said its number so many seconds ago."""
    run = instance.create_run_for_job(_some_job, status=dg.DagsterRunStatus.STARTED)
    note = DagsterEvent(
        DagsterEventType.ENGINE_EVENT.value,
        _some_job.name,
        event_specific_data=EngineEventData.in_process(pid),
        message="Started process for run",
    )
    at = time.time() - seconds_ago
    instance.handle_new_event(EventLogEntry(None, 20, "", run.run_id, at, dagster_event=note))
    return run


def test_a_run_without_a_process_fails_and_one_that_goes_on_is_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Would catch a run that holds its tables for ever, and one that is failed while it writes."""
    assert not may_be_started(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as living, subprocess.Popen([sys.executable, "-c", ""]) as ended:
        try:
            ended.wait()
            going_on, lost = _started(instance, living.pid), _started(instance, ended.pid)
            assert may_be_started(tmp_path)
            assert fail_lost_runs(instance) == [lost.run_id]
        finally:
            living.kill()
    states = {run.run_id: run.status for run in instance.get_runs()}
    assert states == {
        going_on.run_id: dg.DagsterRunStatus.STARTED,
        lost.run_id: dg.DagsterRunStatus.FAILURE,
    }


def test_a_number_that_somebody_else_has_now_does_not_keep_a_run_alive(
    instance: dg.DagsterInstance,
) -> None:
    """In a new container numbers begin at 1 again: the run would hold its tables as long as that process lives."""
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            lost = _started(instance, other.pid, seconds_ago=30)
            assert fail_lost_runs(instance) == [lost.run_id]
        finally:
            other.kill()


def test_a_process_that_has_ended_and_is_not_collected_keeps_no_run_alive(
    instance: dg.DagsterInstance,
) -> None:
    ended = subprocess.Popen(["true"])
    wait_until(lambda: " Z " in Path(f"/proc/{ended.pid}/stat").read_text(), 20)
    lost = _started(instance, ended.pid)
    assert fail_lost_runs(instance) == [lost.run_id]
    ended.wait()


def test_a_database_on_a_server_is_always_asked(tmp_path: Path) -> None:
    """Compose's: no file says whether a run is started, and nobody asked."""
    (tmp_path / "dagster.yaml").write_bytes((FOLDER / "dagster" / "dagster.yaml").read_bytes())
    assert may_be_started(tmp_path)


def test_a_home_that_never_ran_has_no_lost_runs(tmp_path: Path) -> None:
    assert not may_be_started(tmp_path / "nothing")
