"""A platform for tests of dead letters: a collector that refuses, and the micro-batches that keep its letters.

Belongs here: sending what is refused, waiting until it is on the shelf, running the command line. Does not belong here:
assertions.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from media_analytics.assets.bronze import dead_letters
from media_analytics.commands.dead_letters import app
from media_analytics.dead_letters.groups import Selection
from media_analytics.dead_letters.library import JOB, OP, replay_config
from media_analytics.resources.dagster_api import PARTITION
from media_analytics_tests.builders.crashing import EXIT_CODE
from media_analytics_tests.integration.collector.process import Collector, read_topic
from media_analytics_tests.integration.micro_batches.world import World
from media_analytics_tests.services.embedded import Embedded, wait_until
from streaming.dead_letters.patches import Patch


class LetterWorld(World):
    """A world with a collector."""

    collector: Collector
    home: Embedded

    @contextmanager
    def enricher(self, log: Path) -> Iterator[None]:
        """The enricher as a process, from the begin of the topics that were just made."""
        admin = AdminClient(self.settings.kafka.client_config())
        for future in admin.delete_consumer_groups(["enricher"]).values():
            # There is none the first time.
            future.exception()
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "streaming.enricher"], env=self._environment(), stderr=output
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)

    def enriched(self) -> None:
        """Wait until the enricher has read everything that was collected, and its letters are on the shelf."""
        end = self.kafka.end_offsets("user.raw")

        def read() -> bool:
            reached = self.kafka.committed("enricher").get("user.raw", {})
            return all(reached.get(p, 0) >= offset for p, offset in end.items() if offset)

        wait_until(read, 60)
        self.shelve()

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

    def replay(self, selection: Selection, patch: Patch) -> dict[str, Any]:
        """Run the replay as the command launches it; what its materialization says."""
        config = dict(replay_config(selection, patch, "test"))
        result = self.defs.resolve_job_def(JOB).execute_in_process(
            instance=self.instance,
            run_config={"ops": {OP: {"config": config}}},
            tags={PARTITION: datetime.now(UTC).date().isoformat()},
        )
        (event,) = result.asset_materializations_for_node(OP)
        return {name: value.value for name, value in event.metadata.items()}

    def dies(self, effect: str, patch: str, letter_id: str) -> None:
        """A replay of one letter in a process of its own, which ends without any clean-up right after an effect."""
        module = "media_analytics_tests.integration.dead_letters.dying"
        done = subprocess.run(
            [sys.executable, "-m", module, effect, patch, letter_id],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == EXIT_CODE, done.stderr[-2000:]

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MEDIA_ANALYTICS_")}
        return kept | self.collector.environment

    def events(self, topic: str) -> list[dict[str, Any]]:
        """Every record of a first topic, with `_partition` and `_offset`."""
        return read_topic(self.home, topic)

    def command(self, *arguments: str) -> str:
        """What `media-analytics dead-letters` prints; an error of ours is raised."""
        result = CliRunner().invoke(app, arguments, env=self.collector.environment, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def answer(self, *arguments: str) -> Any:
        """The JSON it prints."""
        return json.loads(self.command(*arguments, "--json"))
