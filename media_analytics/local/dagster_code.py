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
import traceback
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._cli.api import api_cli
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc import server
from dagster._grpc.client import DagsterGrpcClient

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local.lost_runs import fail_lost_runs, may_be_started

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


def _end_lost_runs(client: DagsterGrpcClient) -> None:
    """Mark what a former server left, once this one answers: the daemon repeats a run at once, or never.

    A server that cannot ask ends and is started again: nobody else would ever mark these runs.
    """
    is_done = False
    try:
        while not _answers(client):
            time.sleep(0.2)
        with dg.DagsterInstance.get() as instance:
            for run_id in fail_lost_runs(instance):
                print(f"run {run_id} had no process any more: marked as failed", flush=True)
        is_done = True
    finally:
        if not is_done:
            traceback.print_exc()
            os._exit(1)


def _client(arguments: list[str]) -> DagsterGrpcClient:
    """Of the server that these arguments start."""
    if "--socket" in arguments:
        return DagsterGrpcClient(socket=arguments[arguments.index("--socket") + 1])
    return DagsterGrpcClient(port=int(arguments[arguments.index("--port") + 1]))


def _answers(client: DagsterGrpcClient) -> bool:
    try:
        client.ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def main() -> None:
    """Serve until SIGTERM, and end what a former server left."""
    if may_be_started(Path(os.environ["DAGSTER_HOME"])):
        client = _client(sys.argv)
        threading.Thread(target=_end_lost_runs, args=[client], name="lost-runs", daemon=True).start()
    vars(server)["DagsterApiServer"] = ForkingServer
    api_cli(["grpc", *sys.argv[1:]])


if __name__ == "__main__":
    main()
