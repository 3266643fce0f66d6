"""Runs whose process ended with the platform: killed at a stop, by the machine, or together with the code server.

Belongs here: finding them and marking them as failed. Does not belong here: a run whose process dies while the code
server lives (Dagster reports that one itself), runs on Kubernetes (its launcher watches their pods).

Dagster does not ask after processes of its default launcher. A run that nobody ends would hold its tables for ever.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg

_MESSAGE = "The process of this run ended with the platform before it could say so. What it committed stays."


def are_there_started(dagster_home: Path) -> bool:
    """Whether a run is noted as started. Makes nothing: before the first start there is no database."""
    file = dagster_home / "history" / "runs.db"
    if not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as connection:
            found = connection.execute("select 1 from runs where status = 'STARTED' limit 1").fetchone()
    except sqlite3.OperationalError as error:
        # Its tables are being made at this moment. Anything else, such as a lock, must not hide a lost run.
        return "no such table" not in str(error)
    return found is not None


def fail_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark each started run without a process as failed; returns their ids."""
    lost = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if not any(_lives(pid) for pid in _processes(instance, run.run_id)):
            instance.report_run_failed(run, _MESSAGE)
            lost.append(run.run_id)
    return lost


def _processes(instance: dg.DagsterInstance, run_id: str) -> set[int]:
    """The process ids that a run's own notes name."""
    notes = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    found = set()
    for note in notes:
        data = note.get_dagster_event().engine_event_data
        if "pid" in data.metadata:
            found.add(int(str(data.metadata["pid"].value)))
    return found


def _lives(pid: int) -> bool:
    """Whether this is still a process of a run: after a restart of the machine its number is somebody else's."""
    # Not in images: where Dagster's history is PostgreSQL's (docker/compose.yaml), nobody asks.
    import psutil

    try:
        return "multiprocessing" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False
