"""Questions about consumer groups while the broker is down, and after it is back. It is killed, so it is its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from media_analytics.local.stack_variables import read_stack_environment
from media_analytics_tests.services import embedded
from media_analytics_tests.services.embedded import Embedded

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(180)]

# What may die is another process.
_ASKS = """
import os, sys, time
from media_analytics.errors import ServiceError
from media_analytics.resources import kafka
from media_analytics.settings import load_settings
log = kafka.KafkaLog(load_settings(os.environ))
log.committed("enricher")
class Known:
    # What is asked while the broker is down is the coordinator, not which topics there are.
    def __init__(self, admin):
        self.list_topics = lambda topics=admin.list_topics(), **_: topics
        self.list_groups = admin.list_groups
vars(log)["_admin"] = Known(log._admin)
kafka.TIMEOUT_SECONDS = 1.0
print("asked", flush=True)
sys.stdin.readline()
for _ in range(3):
    try:
        log.committed("enricher")
    except ServiceError as error:
        print(error, flush=True)
print("silent", flush=True)
sys.stdin.readline()
time.sleep(3)
kafka.TIMEOUT_SECONDS = 15.0
print(log.committed("enricher"), [one.name for one in log.groups()], flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Embedded]:
    made = embedded.make(tmp_path / "home")
    made.start("kafka")
    yield made
    made.stop_all()


def _until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What a process prints up to a line that begins with a word."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(word):
            return lines
    raise AssertionError(f"it ended with {process.wait()} after {lines}")


def test_a_silent_coordinator_ends_no_process_when_it_is_back(home: Embedded) -> None:
    """Would catch a process that dies of librdkafka issue 4605: the dashboard, a run, a sink."""
    environment = read_stack_environment(home.home.environment_file)
    command = [sys.executable, "-c", _ASKS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as asking:
        assert asking.stdin is not None
        try:
            _until(asking, "asked")
            home.kill("kafka")
            print("go", file=asking.stdin, flush=True)
            silent = _until(asking, "silent")
            assert len(silent) == 4
            assert all("Failed to get committed offsets" in line for line in silent[:3])
            home.start("kafka")
            print("go", file=asking.stdin, flush=True)
            assert _until(asking, "{}") == ["{} []"]
        finally:
            asking.kill()
