"""`python -m media_analytics.local.dagster_page`: Dagster's page behind the home's token.

Belongs here: serving dagster-webserver's own application with `PageGuard` in front. Does not belong here: the code
server and the daemon (`dagster_home`).
"""

import logging
import os
import time

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from media_analytics.local.dagster_home import code_socket, workspace_file
from media_analytics.local.home import home_path, open_home
from media_analytics.page_guard import PageGuard, loopback_hosts

_CODE_SERVER_SECONDS = 120


def main() -> None:
    """Serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    home = open_home(home_path(os.environ))
    port = home.ports["dagster_webserver"]
    deadline = time.monotonic() + _CODE_SERVER_SECONDS
    while not code_socket(home).exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(statement_timeout=15000, pool_recycle=3600, max_overflow=20)
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=False,
            workspace_load_target=WorkspaceFileTarget([str(workspace_file(home))]),
        ) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=2000)
            hosts = loopback_hosts(port)
            guarded = PageGuard(app, home.secrets.dagster_token, hosts, f"media_analytics_{port}")
            uvicorn.run(guarded, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
