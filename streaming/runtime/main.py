"""The frame of a long-running process.

Belongs here: logging, signals, health file, exit code. Does not belong here: reading the process environment (mains
do) and what the process does.
"""

import logging
import sys
from collections.abc import Callable, Mapping

from media_analytics.errors import MediaAnalyticsError
from media_analytics.settings import Settings
from streaming.runtime.health import Health
from streaming.runtime.stop import StoppedError, StopSignal

Process = Callable[[Settings, Health, StopSignal], None]


def run(
    name: str, load: Callable[[Mapping[str, str]], Settings], environ: Mapping[str, str], process: Process
) -> int:
    """Run until stopped. 0: asked to stop. 1: an error of ours, its message names the fix."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    log = logging.getLogger(name)
    stop = StopSignal()
    stop.on_signals()
    try:
        settings = load(environ)
        with Health(settings.health_file(name)) as health:
            process(settings, health, stop)
    except StoppedError:
        log.info("stopped while waiting; nothing was committed halfway")
    except MediaAnalyticsError as error:
        log.error("%s", error)
        return 1
    else:
        log.info("stopped")
    return 0
