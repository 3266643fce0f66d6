"""Runs whose process ended with the platform: killed at a stop, by the machine, or together with the code server.

Belongs here: finding them and marking them as failed. Does not belong here: a run whose process dies while the code
server lives (Dagster reports that one itself), runs on Kubernetes (its launcher watches their pods).

Dagster does not ask after processes of its default launcher. A run that nobody ends would hold its tables for ever.
"""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import dagster as dg
import yaml

# By so much a clock of processes and a clock of notes may differ.
_CLOCK_SECONDS = 1.5
_MESSAGE = "The process of this run ended with the platform before it could say so. What it committed stays."


def may_be_started(dagster_home: Path) -> bool:
    """Whether a run may be noted as started; in SQLite this looks, makes nothing and is certain.

    Before the first start there is no database. One on a server (docker/compose.yaml) must be asked by Dagster itself.
    """
    configuration = dagster_home / "dagster.yaml"
    if configuration.is_file() and "storage" in (yaml.safe_load(configuration.read_text("utf-8")) or {}):
        return True
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
        if not any(_lives(pid, noted_at) for pid, noted_at in _processes(instance, run.run_id)):
            instance.report_run_failed(run, _MESSAGE)
            lost.append(run.run_id)
    return lost


def _processes(instance: dg.DagsterInstance, run_id: str) -> list[tuple[int, float]]:
    """The process ids that a run's own notes name, and when it said so, in Unix seconds."""
    notes = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    found = []
    for note in notes:
        data = note.get_dagster_event().engine_event_data
        if "pid" in data.metadata:
            found.append((int(str(data.metadata["pid"].value)), note.timestamp))
    return found


def _lives(pid: int, noted_at: float) -> bool:
    """Whether the process that said so is still there.

    After a restart of the machine, and in each new container, its number is soon somebody else's, who began later.
    """
    began_at = _began_at(pid)
    return began_at is not None and began_at <= noted_at + _CLOCK_SECONDS


def _began_at(pid: int) -> float | None:
    """When a process began, in Unix seconds; None where there is none, or only what its parent has not looked at."""
    if not Path("/proc/self/stat").is_file():
        # macOS. On Linux nothing but the kernel is needed: images have no psutil.
        import psutil

        try:
            return psutil.Process(pid).create_time()
        except psutil.Error:
            return None
    try:
        # After the name, which may hold anything: the state is the first field, the begin the twentieth.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
