"""`python -m streaming.enricher`: settings from the environment, log to stderr, stops on SIGTERM.

Belongs here: assembly. Does not belong here: what it does (`process.py`).
"""

import os
import sys
from contextlib import ExitStack

from media_analytics.settings import Settings, load_settings
from streaming.enricher import tables
from streaming.enricher.process import GROUP, EnricherProcess
from streaming.runtime.health import Health
from streaming.runtime.main import run
from streaming.runtime.stop import StopSignal


def _enrich(settings: Settings, health: Health, stop: StopSignal) -> None:
    with ExitStack() as stack:
        EnricherProcess(settings, tables.load(settings, stack), health, stop).run()


if __name__ == "__main__":
    sys.exit(run(GROUP, load_settings, os.environ, _enrich))
