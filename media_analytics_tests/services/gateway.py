"""The ClickHouse gateway alone, on a free port in a folder of its own.

Belongs here: starting it, ending it, and a plain HTTP client for it. Does not belong here: what it must answer.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from media_analytics_tests.builders import settings as builder

ADMIN = ("platform", "platform-password")
READER = ("reader", "reader-password")


@dataclass
class GatewayProcess:
    """One gateway process and its folder; `start` after `kill` serves the same data again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)
    # One client for all requests: making one reads every certificate of the machine.
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Where the process writes what it does."""
        return self.folder / "gateway.log"

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it answers; its log is in the error when it does not."""
        environment = builder.variables(self.folder) | {"MEDIA_ANALYTICS_CLICKHOUSE__URL": self.url}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "media_analytics.local.gateway"],
                env={k: v for k, v in os.environ.items() if not k.startswith("MEDIA_ANALYTICS_")}
                | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the gateway is not ready: {self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def query(
        self, sql: str | bytes, auth: tuple[str, str] = ADMIN, timeout: float = 60, **arguments: Any
    ) -> str:
        """Run a statement; the text of its answer. A failure raises with ClickHouse's text."""
        response = self.post(
            sql, auth=auth, timeout=timeout, params={k: str(v) for k, v in arguments.items()}
        )
        assert response.status_code == 200, response.text
        return response.text

    def post(
        self,
        body: str | bytes,
        auth: tuple[str, str] | None = ADMIN,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> httpx.Response:
        """One POST, whatever it answers."""
        return self.http.post(
            self.url,
            content=body,
            auth=auth,
            params=dict(params or {}),
            headers=dict(headers or {}),
            timeout=timeout,
        )

    def client(self, auth: tuple[str, str] = ADMIN, **options: Any) -> Any:
        """A clickhouse-connect client."""
        import clickhouse_connect

        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=auth[0], password=auth[1], **options
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def make(folder: Path) -> GatewayProcess:
    """A gateway that is not started yet."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    return GatewayProcess(folder, port)
