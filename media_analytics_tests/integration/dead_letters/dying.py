"""`python -m media_analytics_tests.integration.dead_letters.dying EFFECT PATCH LETTER`: a replay that dies.

Belongs here: the real replay with a hook that ends the process, without any clean-up, right after an effect. Does not
belong here: assertions.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.replay import Replay
from media_analytics.resources.kafka import KafkaLog
from media_analytics.settings import load_settings
from media_analytics_tests.builders.crashing import dying
from streaming.dead_letters.patches import read


def main(effect: str, patch: str, letter: str) -> None:
    """Replay one letter until the effect."""
    settings, now = load_settings(os.environ), datetime.now(UTC)
    replay = Replay(
        settings, KafkaLog(settings), lambda: datetime.now(UTC), "dying", "test", dying(effect, 1)
    )
    replay.run(Selection(now - timedelta(hours=1), letters=frozenset({letter})), read(patch))


if __name__ == "__main__":
    main(*sys.argv[1:])
