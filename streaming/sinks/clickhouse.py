"""`python -m streaming.sinks.clickhouse`: enriched and first topics into `realtime`.

Belongs here: assembly of the process. Does not belong here: what it does (`process.py`). Settings come from the
environment, the log goes to stderr, SIGTERM stops it.
"""

import os
import sys

from media_analytics.settings import Settings, load_settings
from streaming.runtime.health import Health
from streaming.runtime.main import run
from streaming.runtime.stop import StopSignal
from streaming.sinks.process import NAME, ClickHouseSink


def sink(settings: Settings, health: Health, stop: StopSignal) -> None:
    """Store until asked to stop."""
    ClickHouseSink(settings, health, stop).run()


if __name__ == "__main__":
    sys.exit(run(NAME, load_settings, os.environ, sink))
