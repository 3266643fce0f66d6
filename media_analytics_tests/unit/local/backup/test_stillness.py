"""Processes of a home stand together and go on together, also when the one that stopped them is killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from media_analytics.local import home as homes
from media_analytics.local.backup.stillness import standing_still, stands
from media_analytics.local.environment import SUPERVISED_VARIABLE
from media_analytics.local.home import Home, open_home
from media_analytics_tests.services.embedded import wait_until

# Two threads that append all the time, and a child that does.
_WRITER = """
import os, sys, threading, time
os.fork()
def write(name):
    with open(f"{sys.argv[1]}/{name}-{os.getpid()}", "ab", buffering=0) as file:
        while True:
            file.write(b"x")
            time.sleep(0.001)
threading.Thread(target=write, args=("one",)).start()
write("two")
"""
_HOLDER = """
import sys, time
from pathlib import Path
from media_analytics.local.backup.stillness import standing_still
from media_analytics.local.home import open_home
with standing_still(open_home(Path(sys.argv[1]))):
    print("still", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    homes.create(tmp_path / "home")
    return open_home(tmp_path / "home")


@pytest.fixture
def writer(home: Home, tmp_path: Path) -> Iterator[psutil.Process]:
    started = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)], env={SUPERVISED_VARIABLE: home.home_id}
    )
    process = psutil.Process(started.pid)
    try:
        wait_until(lambda: len(_written(tmp_path)) == 4, 30, lambda: "the writers do not write")
        yield process
    finally:
        for one in [*process.children(), process]:
            one.kill()
        started.wait(10)


def _written(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.iterdir() if file.is_file()}


def test_nothing_is_written_while_all_stands_and_all_goes_on(
    home: Home, writer: psutil.Process, tmp_path: Path
) -> None:
    family = [writer, *writer.children()]
    with standing_still(home) as count:
        assert count == 2
        assert all(map(stands, family))
        before = _written(tmp_path)
        # Long enough for a hundred writes of a thread that moves.
        with pytest.raises(psutil.TimeoutExpired):
            writer.wait(0.2)
        assert _written(tmp_path) == before
    wait_until(
        lambda: all(_written(tmp_path)[name] > size for name, size in before.items()),
        10,
        lambda: "a thread stands for ever",
    )


def test_all_go_on_when_the_one_that_stopped_them_is_killed(home: Home, writer: psutil.Process) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(home.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "still\n"
    assert stands(writer)
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=10)
    wait_until(lambda: not stands(writer), 10, lambda: "the writer stands for ever")


def test_a_home_without_processes_stands_anyway(home: Home) -> None:
    with standing_still(home) as count:
        assert count == 0
