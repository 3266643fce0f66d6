"""The whole path as a user sees it: start, first run of a log, the same log again, one date of silver and gold.

Runs in a temporary home on free ports; a developer's stack is never touched. The log is the real one beside the
project where it is present, else a generated one of the same size.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from media_analytics.automation.at_once import RUN_TIMEOUT_SECONDS
from media_analytics.automation.jobs import READER_TABLES
from media_analytics.commands.run import Report, Stage
from media_analytics.commands.summary import Figure
from media_analytics.contracts.registry import table
from media_analytics.local.stack_variables import read_stack_environment
from media_analytics.resources.dagster_api import PARTITION, DagsterApi, Run
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import load_settings
from media_analytics_tests.benchmarks.harness import Benchmark
from media_analytics_tests.builders.weblog import real_or_generated_log

COMMAND = [sys.executable, "-m", "media_analytics.cli"]
SITE = "https://www.example.org"
# How often one date is computed again.
RECOMPUTED = 3


def callers_environment() -> dict[str, str]:
    """The caller's variables without the settings of a stack that may run beside."""
    return {
        k: v for k, v in os.environ.items() if not k.startswith("MEDIA_ANALYTICS_") or k.endswith("_CACHE")
    }


class Platform:
    """One embedded stack of its own, driven by the command line as a person would."""

    def __init__(self, folder: Path, environ: dict[str, str], lines: int = 10_000) -> None:
        self.folder = folder
        self._environ = environ | {"MEDIA_ANALYTICS_HOME": str(folder / "home")}
        self.log = real_or_generated_log(folder / "access.log", lines=lines)

    def command(self, *arguments: str, timeout: float = 900) -> str:
        """Run a command to its end and return what it printed."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def timed(self, *arguments: str) -> float:
        """Seconds a command takes."""
        began = time.perf_counter()
        self.command(*arguments)
        return time.perf_counter() - began

    def recompute(self) -> Run:
        """One run of silver and gold over the date with most events."""
        settings = load_settings(read_stack_environment(self.folder / "home" / "stack.env"))
        rows = DeltaLog(settings).row_counts(table("silver.events"))
        api = DagsterApi(settings)
        run_id = api.launch(READER_TABLES, {PARTITION: max(rows, key=lambda day: rows[day])})
        return api.wait(run_id, RUN_TIMEOUT_SECONDS, lambda _: None)

    def run(self) -> Report:
        """Send the log and return the report."""
        file = self.folder / "report.json"
        self.command("run", "--input", str(self.log), "--site", SITE, "--json", str(file))
        found = json.loads(file.read_text("utf-8"))
        return Report(
            stages=[Stage(**stage) for stage in found["stages"]],
            figures=[Figure(**figure) for figure in found["figures"]],
            sent=found["sent"],
            seconds=found["seconds"],
        )


def benchmarks(platform: Platform) -> Iterator[Benchmark]:
    """The benchmarks in the order in which a new user meets them."""

    def restart() -> float:
        platform.command("down")
        return platform.timed("up", "--ports", "free")

    platform.command("up", "--ports", "free")
    yield Benchmark(
        id="start",
        what="all services ready, from stopped, warm cache",
        ours=restart,
        limit_value=90.0,
        limit_name="stated limit",
    )
    report = platform.run()
    yield Benchmark(
        id="first-run",
        what="first run of the log, platform up",
        ours=lambda: report.seconds,
        rounds=1,
        limit_value=360.0,
        limit_name="stated limit with installation",
    )
    for stage in report.stages:
        if stage.name.startswith("  "):
            yield Benchmark(
                id=f"step-{stage.name.strip().replace(' ', '-')}",
                what=f"first run, {stage.name.strip()}",
                ours=partial(float, stage.seconds),
                rounds=1,
            )
        elif stage.rows:
            yield Benchmark(
                id=f"stage-{stage.name.replace(' ', '-')}",
                what=f"first run: {stage.name}",
                units=stage.rows,
                unit="rows/s",
                ours=partial(float, stage.seconds),
                rounds=1,
            )
    yield Benchmark(
        id="second-run",
        what="the same log again",
        ours=lambda: platform.run().seconds,
        limit_value=60.0,
        limit_name="stated limit",
    )
    runs = [platform.recompute() for _ in range(RECOMPUTED)]
    for step in runs[0].steps:
        yield Benchmark(
            id=f"one-date-{step}",
            what=f"one date of {step.replace('__', '.')}",
            ours=iter([run.steps[step] for run in runs]).__next__,
            rounds=RECOMPUTED,
            limit_value=10.0,
            limit_name="stated limit",
        )
    yield Benchmark(
        id="one-date-overhead",
        what="one date of silver and gold: Dagster's own overhead",
        ours=iter([run.overhead_seconds or 0.0 for run in runs]).__next__,
        rounds=RECOMPUTED,
    )
