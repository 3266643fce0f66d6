"""`python -m media_analytics.local.gateway`: serve one home's ClickHouse data on loopback until SIGTERM.

Belongs here: reading the environment, starting and stopping the server. Does not belong here: anything else.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator

import uvicorn

from media_analytics.errors import MediaAnalyticsError
from media_analytics.local.gateway.app import Gateway
from media_analytics.local.gateway.chdb_connection import disable_signal_handlers
from media_analytics.local.gateway.config import gateway_config
from media_analytics.settings import load_settings

# A statement still running this long after SIGTERM is cancelled.
_SHUTDOWN_SECONDS = 8


class _Server(uvicorn.Server):
    """uvicorn that ends with status 0 on SIGTERM; its own would raise the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def main() -> int:
    """Run the gateway. Returns the process's exit status."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # All of the platform's instants are UTC; chDB takes its default zone from the process.
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        config = gateway_config(load_settings(os.environ))
    except MediaAnalyticsError as error:
        print(error, file=sys.stderr)
        return 1
    config.working.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chdir(config.working)
    disable_signal_handlers()
    server = _Server(
        uvicorn.Config(
            Gateway(config),
            host=config.host,
            port=config.port,
            http="httptools",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
