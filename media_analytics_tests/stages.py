"""The test command: runs stages in order, prints how long each took, fails on the first red one.

`python -m media_analytics_tests.stages lint types unit integration e2e`
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from media_analytics.local.loopback import without_proxy
from media_analytics_tests.services import external

ROOT = Path(__file__).parent.parent
# Of `make test`; what is slow may take as long as it does.
LIMIT_SECONDS = 60 * 60
# A Java of a test lives for seconds: its second compiler takes a third of its CPU time and pays none of it back.
_SHORT_LIVES = "-XX:TieredStopAtLevel=1"
_PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations=15", "--durations-min=0.5"]
_EACH_CORE = ["-n", "logical", "--dist", "worksteal"]
# These tests mostly wait for processes. Each worker has services of its own, up to 4 GB with Spark. In the order of
# `integration/conftest.py`: xdist's own, by number of tests, puts the longest files (few tests, many kills) last.
_BY_FILE = ["--dist", "loadfile", "--no-loadscope-reorder"]
_LINT = ROOT / ".venv-lint" / "bin"

STAGES: dict[str, list[list[str]]] = {
    "lint": [
        [str(_LINT / "ruff"), "check", "."],
        [str(_LINT / "ruff"), "format", "--check", "."],
        [str(_LINT / "hadolint"), "docker/Dockerfile"],
        [str(_LINT / "sqlfluff"), "lint", "--processes", "1", "--disable-progress-bar", "dbt_project"],
    ],
    "types": [[str(_LINT / "mypy"), "--python-executable", sys.executable]],
    "unit": [[*_PYTEST, *_EACH_CORE, "-m", "not integration and not e2e and not slow"]],
    "quick": [[*_PYTEST, "-m", "integration and not slow", "media_analytics_tests/integration/gateway"]],
    "integration": [[*_PYTEST, "-n", "3", *_BY_FILE, "-m", "integration and not slow"]],
    "e2e": [[*_PYTEST, "-n", "2", *_BY_FILE, "-m", "e2e and not slow"]],
    "slow": [[*_PYTEST, "-m", "slow"]],
}


def main(names: list[str]) -> int:
    """Run the named stages; returns the exit code."""
    unknown = [n for n in names if n not in STAGES]
    if unknown or not names:
        print(f"unknown stages {unknown}; expected some of {', '.join(STAGES)}", file=sys.stderr)
        return 2
    # In the background of a shell SIGINT is ignored, and Dagster in a test makes the same of SIGTERM, for good.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    durations: list[tuple[str, float, str]] = []
    code = 0
    with _prepared(names) as prepared:
        for name in names:
            print(f"== {name}", flush=True)
            began = time.monotonic()
            if name == "integration":
                code = prepared()
            for command in STAGES[name]:
                code = code or subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode
            durations.append((name, time.monotonic() - began, "failed" if code else "passed"))
            if code:
                break
    total = time.monotonic() - started
    print("\nstage          seconds  result")
    for name, seconds, result in durations:
        print(f"{name:<14} {seconds:>7.1f}  {result}")
    print(f"{'total':<14} {total:>7.1f}")
    if total > LIMIT_SECONDS and "slow" not in names:
        print(f"error: the stages took {total:.0f} s; the limit is {LIMIT_SECONDS} s", file=sys.stderr)
        code = code or 1
    return code


@contextmanager
def _prepared(names: list[str]) -> Iterator[Callable[[], int]]:
    """Prepare the services beside the stages before theirs, which leave a core free; call it to wait for the end."""
    if "integration" not in names:
        yield lambda: 0
        return
    command = [sys.executable, "-m", "media_analytics_tests.services.prepare"]
    with subprocess.Popen(command, cwd=ROOT, env=_environment()) as preparing:
        try:
            yield preparing.wait
        finally:
            # Its own end of what it started; nothing when it has ended.
            preparing.send_signal(signal.SIGINT)


def _environment() -> dict[str, str]:
    """The caller's environment without platform settings, so that a developer's stack is never touched."""
    kept = {"MEDIA_ANALYTICS_CACHE"}
    callers = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("MEDIA_ANALYTICS_") or k in kept or k.startswith(external.PREFIX)
    }
    return {"JDK_JAVA_OPTIONS": _SHORT_LIVES} | callers | without_proxy(os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
