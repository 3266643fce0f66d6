"""Runs that a stop, a crash or a power cut ended."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from media_analytics.local.lost_runs import are_there_started, fail_lost_runs


@dg.job
def _some_job() -> None:
    """A job without ops."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def _started(instance: dg.DagsterInstance, pid: int) -> Any:
    run = instance.create_run_for_job(_some_job, status=dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("Started process for run", run, EngineEventData.in_process(pid))
    return run


def test_a_run_without_a_process_fails_and_one_that_goes_on_is_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Would catch a run that holds its tables for ever, and one that is failed while it writes."""
    assert not are_there_started(tmp_path)
    command = [sys.executable, "-c", "import multiprocessing, time; time.sleep(60)"]
    with subprocess.Popen(command) as living, subprocess.Popen([sys.executable, "-c", ""]) as ended:
        try:
            ended.wait()
            going_on, lost = _started(instance, living.pid), _started(instance, ended.pid)
            assert are_there_started(tmp_path)
            assert fail_lost_runs(instance) == [lost.run_id]
        finally:
            living.kill()
    states = {run.run_id: run.status for run in instance.get_runs()}
    assert states == {
        going_on.run_id: dg.DagsterRunStatus.STARTED,
        lost.run_id: dg.DagsterRunStatus.FAILURE,
    }


def test_a_home_that_never_ran_has_no_lost_runs(tmp_path: Path) -> None:
    assert not are_there_started(tmp_path / "nothing")
