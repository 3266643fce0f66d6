"""Processes of this home that nobody supervises any more.

Belongs here: finding them by the mark that only our own children carry, ending them. Does not belong here: how a
running stack is stopped (`supervision`).
"""

import os
from pathlib import Path

import psutil

from media_analytics.local.environment import SUPERVISED_VARIABLE
from media_analytics.local.home import HOME_VARIABLE, Home


def find(home: Home) -> list[psutil.Process]:
    """Every process of this user whose environment names this home as its supervisor's."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            mark = process.environ().get(SUPERVISED_VARIABLE)
            ended = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if mark == home.home_id and not ended:
            found.append(process)
    return found


def find_at(path: Path) -> list[psutil.Process]:
    """Every process of this user that a supervisor of the home in this folder started, whatever the home's id is."""
    found = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            ended = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            continue
        if SUPERVISED_VARIABLE in variables and variables.get(HOME_VARIABLE) == str(path) and not ended:
            found.append(process)
    return found


def end(home: Home, grace_seconds: float = 3.0) -> int:
    """End what is left: SIGTERM, after `grace_seconds` SIGKILL. Returns how many there were."""
    left = find(home)
    for process in left:
        _signal(process, "terminate")
    _, alive = psutil.wait_procs(left, timeout=grace_seconds)
    for process in alive:
        _signal(process, "kill")
    psutil.wait_procs(alive, timeout=3)
    # A child that was born while its parent ended.
    for process in find(home):
        _signal(process, "kill")
    return len(left)


def _signal(process: psutil.Process, method: str) -> None:
    try:
        getattr(process, method)()
    except psutil.NoSuchProcess:
        return
