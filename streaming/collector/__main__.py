"""Runs a collector: `python -m streaming.collector`, settings from the environment, until SIGTERM.

Belongs here: the process. Does not belong here: the application (`app.py`).
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import load_settings
from streaming.collector import metrics
from streaming.collector.app import create, metrics_folder

# Requests in flight get this long to finish after SIGTERM.
_GRACE_SECONDS = 12


class _Server(uvicorn.Server):
    """A server for which SIGTERM is a wish, not an accident: it ends with exit code 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle both signals while serving; unlike uvicorn's own, do not raise them again afterwards."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self.handle_exit)
        yield


def main() -> int:
    """Serve until asked to stop; returns the exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load_settings(os.environ)
        metrics.forget(metrics_folder(settings))
        app = create(settings)
    except MediaAnalyticsError as error:
        logging.getLogger("collector").error("%s", error)
        return 1
    address = urlsplit(settings.collector.url)
    server = _Server(
        uvicorn.Config(
            app,
            host=address.hostname or "127.0.0.1",
            port=address.port or 80,
            loop="uvloop",
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            # The collector reads X-Forwarded-For itself, behind configured proxies only.
            proxy_headers=False,
            server_header=False,
            backlog=2048,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
