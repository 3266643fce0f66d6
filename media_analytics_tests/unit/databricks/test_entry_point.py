"""The script of the eleven tasks: its arguments, its day, what it needs to be installed."""

import json
import subprocess
import sys
from datetime import date

import pytest

from media_analytics.databricks.reading import FILE, read
from media_analytics.databricks.rules import JOB, SHAPE
from media_analytics.errors import MediaAnalyticsError
from media_analytics_tests.conventions.source import ROOT
from spark_jobs.jobs.media_analytics_pipeline import STEPS, day_of

# What Databricks' runtime brings: Spark with its own client, Delta, pandas.
RUNTIME = {
    *("pyspark", "py4j", "delta", "grpc", "grpc_health", "grpc_status", "google"),
    *("pyarrow", "pandas", "numpy", "dateutil", "pytz", "six"),
}
# Comes with a package of the bundle, or is used by one only where it is there.
WITH_OTHERS = {
    *("pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    *("typeguard", "typing_inspect", "mypy_extensions", "packaging", "hypothesis", "sortedcontainers"),
    *("arro3", "idna", "brotli", "zstandard", "click", "rich", "pygments"),
}
_LOADED = """
import json, sys
sys.modules["dagster"] = None
before = set(sys.modules)
import spark_jobs.jobs.media_analytics_pipeline
found = {}
for name in set(sys.modules) - before:
    file = getattr(sys.modules[name], "__file__", None) or ""
    if "site-packages" in file:
        found[name.split(".")[0]] = file
print(json.dumps(sorted(found)))
"""


def test_every_task_is_a_step() -> None:
    assert {step for step, _ in SHAPE.values()} == set(STEPS)


@pytest.mark.parametrize(
    ("text", "started", "day"),
    [
        ("yesterday", "2026-03-01", date(2026, 2, 28)),
        ("2026-03-10", "2026-03-20", date(2026, 3, 10)),
    ],
)
def test_the_day_does_not_depend_on_when_a_task_runs(text: str, started: str, day: date) -> None:
    assert day_of(text, started) == day


@pytest.mark.parametrize(("text", "started"), [("today", "2026-03-01"), ("yesterday", "then")])
def test_a_day_that_is_none_is_refused(text: str, started: str) -> None:
    with pytest.raises(MediaAnalyticsError, match="2026-03-10"):
        day_of(text, started)


def test_the_script_ends_with_one_line_and_the_fix() -> None:
    """Catches a task that fails with a traceback, or succeeds with a wrong day."""
    arguments = {"step": "ingest", "environment": "qa", "date": "today", "started": "2026-03-01", "run": "1"}
    arguments |= {"data-path": "/mnt/qa/media_analytics", "landing": "/mnt/qa/landing"}
    given = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "spark_jobs.jobs.media_analytics_pipeline", *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ingest of qa: ")
    assert "expected a day like 2026-03-10" in line


def test_what_the_script_imports_is_in_the_runtime_or_in_the_bundle() -> None:
    """Catches Dagster, or a package that no cluster has; found only in the workspace otherwise."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    imported = {name for name in json.loads(done.stdout) if not name.startswith("_")}
    task = read(ROOT / FILE)["resources"]["jobs"][JOB]["tasks"][0]
    installed = {library["pypi"]["package"].split("=")[0] for library in task["libraries"]}
    assert imported - RUNTIME - WITH_OTHERS - installed == set()
    assert "pandera" in imported
