"""What runs of the local stack are forked from."""

import json
import os
import subprocess
import sys
from pathlib import Path

from media_analytics_tests.builders import settings

_IMPORTED = """
import json, os, threading
import media_analytics.local.dagster_runs
from media_analytics.definitions import defs
from dagster._core.definitions.reconstruct import ReconstructableRepository
made = defs().get_repository_def()
loaded = ReconstructableRepository.for_module("media_analytics.definitions", "defs").get_definition()
kinds = [os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in os.listdir("/proc/self/fd") if int(n) > 2
         and os.path.exists(f"/proc/self/fd/{n}")]
print(json.dumps([loaded is made, threading.active_count(), sorted({k for k in kinds if k == "socket"})]))
"""


def test_a_forked_run_finds_its_definitions_made_and_nothing_open(tmp_path: Path) -> None:
    """Would catch definitions that every run makes again, and a connection or thread that a fork would break."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED],
        env={"PATH": os.environ["PATH"]} | settings.variables(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [True, 1, []]
