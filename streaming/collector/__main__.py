"""Runs a collector: `python -m streaming.collector`, settings from the environment, until SIGTERM.

Belongs here: the process. Does not belong here: the application (`app.py`), the port and the other workers
(`workers.py`).
"""

import argparse
import gc
import logging
import os
import sys
from urllib.parse import urlsplit

import uvicorn

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import load_settings
from streaming.collector import metrics
from streaming.collector.app import create, metrics_folder
from streaming.collector.workers import GRACE_SECONDS, Server, bind

# Requests leave few cycles: looking for them each 700 objects costs a tenth of the time.
_GARBAGE_THRESHOLD = 10_000


def main(arguments: list[str]) -> int:
    """Serve until asked to stop; returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", type=int, default=0, help="number among the workers of one port")
    worker: int = parser.parse_args(arguments).worker
    name = f" worker {worker}" if worker else ""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s %(levelname)s %(name)s{name} %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    log = logging.getLogger("collector")
    try:
        settings = load_settings(os.environ)
        if not worker:
            metrics.forget(metrics_folder(settings))
        app = create(settings, worker)
    except MediaAnalyticsError as error:
        log.error("%s", error)
        return 1
    address = urlsplit(settings.collector.url)
    workers = settings.collector.workers
    try:
        bound = bind(address.hostname or "127.0.0.1", address.port or 80, shared=workers > 1)
    except OSError as error:
        log.error("%s cannot be bound: %s", settings.collector.url, error)
        return 1
    config = uvicorn.Config(
        app,
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
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 20)
    server = Server(config, app, further_workers=0 if worker else workers - 1, is_further=worker > 0)
    server.run(sockets=[bound])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
