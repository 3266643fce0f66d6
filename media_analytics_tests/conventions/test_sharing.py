"""Files stay together: else each worker starts what a file needs, and the tests take half as long again."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from media_analytics_tests.conventions.source import ROOT
from media_analytics_tests.services.sharing import TOGETHER

_TESTS = """
import os
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_where(number):
    with (Path(__file__).parent.parent / "log").open("a") as log:
        log.write(f"{Path(__file__).parent.name} {Path(__file__).name} {os.environ['PYTEST_XDIST_WORKER']}\\n")
"""


def test_a_worker_takes_whole_files_and_some_folders_whole(tmp_path: Path) -> None:
    for folder in ("one", TOGETHER[0]):
        (tmp_path / folder).mkdir()
        for name in ("test_a.py", "test_b.py"):
            (tmp_path / folder / name).write_text(_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    plugins = ["-p", "xdist", "-p", "media_analytics_tests.services.sharing", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "-n", "2", "--dist", "loadfile", str(tmp_path)]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    workers: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for line in (tmp_path / "log").read_text().splitlines():
        folder, file, worker = line.split()
        workers[(folder,) if folder in TOGETHER else (folder, file)].add(worker)
    assert len(workers) == 3
    assert all(len(found) == 1 for found in workers.values()), workers
    assert len(set.union(*workers.values())) == 2, "no worker was left without work"
