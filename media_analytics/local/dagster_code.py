"""`python -m media_analytics.local.dagster_code`: Dagster's code server, whose runs need not import anything again.

Belongs here: how the process of a run begins. Does not belong here: the page and the daemon (`dagster_home`).

Takes the arguments of `dagster api grpc`. That one begins each run in a fresh interpreter, which imports the
definitions again. Here runs are forked from a process that has made them (`dagster_runs`) and done nothing else: the
forkserver of `multiprocessing`. Decision 0025 has the numbers.
"""

import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._cli.api import api_cli
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc import server
from dagster._grpc.client import DagsterGrpcClient

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local.lost_runs import are_there_started, fail_lost_runs

# What every run imports: ours, this module, how Dagster keeps runs and events.
PRELOADED = (
    "media_analytics.local.dagster_runs",
    "media_analytics.local.dagster_code",
    "dagster._core.storage.base_storage",
    "dagster._core.storage.local_compute_log_manager",
    "httpcore",
    "upath",
)
# Where Dagster keeps the `multiprocessing` context that its runs are begun with. There is no setting for it.
_CONTEXT = "_mp_ctx"


class ForkingServer(server.DagsterApiServer):
    """The code server with another way to begin a run.

    Raises:
        MediaAnalyticsError: this Dagster keeps its context elsewhere.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if _CONTEXT not in vars(self):
            raise MediaAnalyticsError(
                "this version of Dagster begins runs in another way; look at DagsterApiServer.StartRun and adapt "
                "media_analytics/local/dagster_code.py, or start `dagster api grpc` instead (decision 0025)"
            )
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        vars(self)[_CONTEXT] = context


def _end_lost_runs(socket: str) -> None:
    """Mark what a former server left, once this one answers: the daemon repeats a run at once, or never."""
    client = DagsterGrpcClient(socket=socket)
    while not _answers(client):
        time.sleep(0.2)
    with dg.DagsterInstance.get() as instance:
        for run_id in fail_lost_runs(instance):
            print(f"run {run_id} had no process any more: marked as failed", flush=True)


def _answers(client: DagsterGrpcClient) -> bool:
    try:
        client.ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def main() -> None:
    """Serve until SIGTERM, and end what a former server left."""
    if are_there_started(Path(os.environ["DAGSTER_HOME"])):
        socket = sys.argv[sys.argv.index("--socket") + 1]
        threading.Thread(target=_end_lost_runs, args=[socket], name="lost-runs", daemon=True).start()
    vars(server)["DagsterApiServer"] = ForkingServer
    api_cli(["grpc", *sys.argv[1:]])


if __name__ == "__main__":
    main()
