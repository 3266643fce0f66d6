"""A platform for tests of dead letters: a collector that refuses, and the micro-batches that keep its letters.

Belongs here: sending what is refused, waiting until it is on the shelf, running the command line. Does not belong here:
assertions.
"""

import json
from typing import Any

import httpx
from typer.testing import CliRunner

from media_analytics.assets.bronze import dead_letters
from media_analytics.commands.dead_letters import app
from media_analytics_tests.integration.collector.process import Collector
from media_analytics_tests.integration.micro_batches.world import World


class LetterWorld(World):
    """A world with a collector."""

    collector: Collector

    def post(self, path: str, content: Any, **headers: str) -> dict[str, Any]:
        """The collector's answer to a request."""
        answer = httpx.post(
            self.collector.url + path, json=content, headers=headers, timeout=30, trust_env=False
        )
        found: dict[str, Any] = answer.json()
        return found

    def shelve(self) -> None:
        """Bring every letter of the topic into bronze, as the next micro-batch does."""
        list(self.writer(dead_letters.TABLE).catch_up(self.kafka.end_offsets("dead_letters")))

    def command(self, *arguments: str) -> str:
        """What `media-analytics dead-letters` prints; an error of ours is raised."""
        result = CliRunner().invoke(app, arguments, env=self.collector.environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def answer(self, *arguments: str) -> Any:
        """The JSON it prints."""
        return json.loads(self.command(*arguments, "--json"))
