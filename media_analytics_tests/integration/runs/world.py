"""Runs as Dagster's daemon starts them, and their processes.

Belongs here: finding runs and their processes, waiting for them. Does not belong here: assertions.
"""

import dagster as dg
import psutil

from media_analytics.resources.dagster_api import ENDED, DagsterApi
from media_analytics_tests.integration.dead_letters.world import LetterWorld
from media_analytics_tests.services.embedded import wait_until

WAIT_SECONDS = 180.0


class DagsterWorld(LetterWorld):
    """A world with a collector and a Dagster of its own; `instance` is the daemon's."""

    def run_processes(self) -> list[psutil.Process]:
        """The processes in which runs work: they are forked from the code server's child (decision 0025)."""
        server = psutil.Process(self.home.processes["dagster-code"].pid)
        return [run for child in server.children() for run in child.children()]

    def runs(self, job: str) -> list[dg.DagsterRun]:
        """The runs of a job, newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(job_name=job)))

    def wait_ended(self, run_id: str) -> str:
        """Wait until a run has ended; how."""
        api = DagsterApi(self.settings)
        wait_until(lambda: api.run(run_id).status in ENDED, WAIT_SECONDS, lambda: str(api.run(run_id)))
        return api.run(run_id).status

    def repeat(self, run: dg.DagsterRun) -> str:
        """Launch a run again with its own config and tags, as a person does in the page; how it ended."""
        ranges = {key: value for key, value in run.tags.items() if key.startswith("dagster/asset_partition")}
        assets = [".".join(key.path) for key in run.asset_selection or ()]
        return self.wait_ended(DagsterApi(self.settings).launch(run.job_name, ranges, run.run_config, assets))

    def said(self) -> str:
        """The ends of the logs, for a failure."""
        return "".join(f"{name}: {self.home.log_tail(name, 1500)}\n" for name in self.home.processes)
