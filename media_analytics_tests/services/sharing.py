"""Which tests one worker takes together (`--dist loadfile`).

Marks of `xdist_group` do nothing, without a word: xdist 3.8 cannot name them in pytest 9.2.
"""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Folders of integration tests whose files share services of their own: one worker starts them once.
TOGETHER = ("dashboard", "security")


class Together(LoadFileScheduling):
    """A worker takes whole files, and some folders whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        folder = PurePosixPath(file).parent
        return str(folder) if folder.name in TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Asked by xdist at the start of a run; None: its own choice."""
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None
