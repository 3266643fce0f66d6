"""A temporary home whose services are started one by one, without a supervisor.

Belongs here: starting, waiting for and ending single services for tests. Does not belong here: fixtures.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from media_analytics.local import artifacts, java_training, kafka_mode, kafka_security, readiness
from media_analytics.local import home as homes
from media_analytics.local.environment import base_environment, external_services, stack_environment
from media_analytics.local.kafka_mode import KafkaMode
from media_analytics.local.services import service
from media_analytics.local.stack_variables import write_stack_environment
from media_analytics.settings import Settings, load_settings


@dataclass
class Embedded:
    """One home and the processes started in it."""

    home: homes.Home
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings of this home."""
        return load_settings(self.environment)

    def settings_with(self, **variables: str) -> Settings:
        """The settings with some variables replaced: `settings_with(LAKE__URL=str(folder))`."""
        extra = {f"MEDIA_ANALYTICS_{name}": value for name, value in variables.items()}
        return load_settings(self.environment | extra)

    def start(self, name: str, timeout_seconds: float = 90) -> None:
        """Start a service and wait until it is ready. Does nothing when it runs, here or elsewhere."""
        if self.begin(name):
            self.wait_ready(name, timeout_seconds)

    def begin(self, name: str) -> bool:
        """Start a service without waiting; False when it runs."""
        if name in external_services(self.home.ports, self.environment, self.home.kafka.brokers):
            return False
        running = self.processes.get(name)
        if running is not None and running.poll() is None:
            return False
        with self.home.log_file(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "media_analytics.local.launch", name],
                env=base_environment(os.environ)
                | {
                    "MEDIA_ANALYTICS_HOME": str(self.home.path),
                    "MEDIA_ANALYTICS_CACHE": str(artifacts.cache_folder(os.environ)),
                    "MEDIA_ANALYTICS_PARENT": str(os.getpid()),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return True

    def wait_ready(self, name: str, timeout_seconds: float = 90) -> None:
        """Wait until a started service is ready; its log is in the error when it ends or takes too long."""
        process = self.processes[name]

        def ready() -> bool:
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}: {self.log_tail(name)}")
            return readiness.check(self.home, service(name), process.pid).is_ready

        wait_until(ready, timeout_seconds, lambda: f"{name} is not ready: {self.log_tail(name)}")

    def kill(self, name: str) -> None:
        """End a service as `kill -9` does."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(30)

    def stop(self, name: str, timeout_seconds: float = 30) -> int:
        """SIGTERM a service and return its exit code; one that does not end in time is killed and fails."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
            raise

    def stop_all(self) -> None:
        """End everything: first what uses the others, which waits for them in vain once they are gone."""
        for is_user in (True, False):
            names = [n for n in reversed(list(self.processes)) if service(n).needs_contracts is is_user]
            for name in names:
                self.processes[name].terminate()
            for name in names:
                try:
                    self.processes[name].wait(20)
                except subprocess.TimeoutExpired:
                    self.processes[name].kill()
                    self.processes[name].wait(20)
        self.processes.clear()

    def log_tail(self, name: str, size: int = 3000) -> str:
        """The end of a service's log."""
        file = self.home.log_file(name)
        return file.read_text("utf-8", "replace")[-size:] if file.is_file() else "no log"


def make(folder: Path, mode: KafkaMode | None = None, **variables: str) -> Embedded:
    """A new home in `folder` on free ports. `variables` are settings, without their prefix."""
    homes.create(folder)
    homes.choose_ports(folder, {}, free=True)
    if mode is not None:
        kafka_mode.write(folder, mode)
    home = homes.open_home(folder)
    kafka_security.ensure(home)
    wanted = {f"MEDIA_ANALYTICS_{name}": value for name, value in variables.items()}
    fetched = artifacts.ensure(os.environ)
    java_training.ensure(fetched, os.environ)
    environment = stack_environment(home, fetched, wanted)
    write_stack_environment(home.environment_file, environment)
    return Embedded(home, environment)


def wait_until(
    condition: Callable[[], bool],
    timeout_seconds: float,
    otherwise: Callable[[], str] = lambda: "the condition did not become true in time",
) -> None:
    """Poll until `condition` holds; fail with what `otherwise` says."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise())
        time.sleep(0.1)
