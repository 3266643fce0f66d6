"""Running `media-analytics` as a user does, on a home of one's own.

Belongs here: the command with a trimmed environment, reading its answers. Does not belong here: tests.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_analytics.local import artifacts, leftovers
from media_analytics.local.environment import base_environment
from media_analytics.local.home import open_home

# Nothing listens on port 1: whoever tries to use the network fails.
CLOSED_PROXY = dict.fromkeys(
    ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1"
)
_COMMAND = (sys.executable, "-c", "from media_analytics.cli import main; main()")


@dataclass(frozen=True)
class Stack:
    """One home, driven from outside."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the command sees: no network, no setting of the caller."""
        own = {
            "MEDIA_ANALYTICS_HOME": str(self.home),
            "MEDIA_ANALYTICS_CACHE": str(artifacts.cache_folder(os.environ)),
        }
        return base_environment(os.environ) | CLOSED_PROXY | own

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        return subprocess.run(
            [*_COMMAND, *arguments],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command in a session of its own."""
        return subprocess.Popen(
            [*_COMMAND, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self, *names: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Start some services on free ports and insist that it worked."""
        only = [word for name in names for word in ("--only", name)]
        answer = self.run("up", "--ports", "free", *only, **variables)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def status(self) -> dict[str, dict[str, Any]]:
        """`status --json` by name."""
        answer = self.run("status", "--json")
        assert answer.returncode == 0, answer.stderr
        return {row["name"]: row for row in json.loads(answer.stdout)}

    def processes(self) -> list[int]:
        """Every living process of this home."""
        return [process.pid for process in leftovers.find(open_home(self.home))]
