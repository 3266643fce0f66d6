"""`python -m media_analytics_tests.builders.crashing PROCESS EFFECT COUNT`: a process that dies at an exact moment.

Belongs here: the real enricher or sink with a hook that ends the process, without any clean-up, right after the COUNTth
EFFECT. Does not belong here: anything production could reach.
"""

import os
import sys
from contextlib import ExitStack

from media_analytics.settings import Settings, load_settings
from streaming.enricher import tables
from streaming.enricher.process import EnricherProcess
from streaming.runtime.effects import Hook
from streaming.runtime.health import Health
from streaming.runtime.main import run
from streaming.runtime.stop import StopSignal
from streaming.sinks.process import ClickHouseSink

EXIT_CODE = 9


def dying(effect: str, count: int) -> Hook:
    """A hook that ends the process at the given occurrence of an effect."""
    seen = 0

    def hook(happened: str) -> None:
        nonlocal seen
        seen += happened == effect
        if seen == count:
            sys.stderr.flush()
            os._exit(EXIT_CODE)

    return hook


def main(name: str, effect: str, count: int) -> int:
    """Run the process until its moment."""
    hook = dying(effect, count)

    def process(settings: Settings, health: Health, stop: StopSignal) -> None:
        with ExitStack() as stack:
            if name == "enricher":
                EnricherProcess(settings, tables.load(settings, stack), health, stop, hook).run()
            else:
                ClickHouseSink(settings, health, stop, hook).run()

    return run(name, load_settings, os.environ, process)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
