"""Whether a service is ready, and ours.

Belongs here: one check per kind of service. An open port proves nothing: the process we supervise must hold
the port, and Kafka, the gateway and Spark must also answer with an id or accept a credential of this home. Does
not belong here: process states (`status`).
"""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import psutil

from media_analytics.local import kafka, registry
from media_analytics.local.home import Home
from media_analytics.local.services import Service

_ANSWER_SECONDS = 3.0
# A process without a port touches its health file every 5 s.
_HEALTH_FILE_SECONDS = 15.0


@dataclass(frozen=True)
class Readiness:
    """The answer of a check, and why not."""

    is_ready: bool
    detail: str = ""


def check(home: Home, service: Service, pid: int) -> Readiness:
    """Check the process `pid` of a service of this home."""
    if not psutil.pid_exists(pid):
        return Readiness(False, "the process has ended")
    if service.port is None:
        return _health_file(home, service.name, pid)
    port = home.ports[service.port]
    if not holds_port(pid, port):
        return Readiness(False, f"does not listen on port {port} yet")
    if service.name == "kafka":
        found = kafka.cluster_id(f"127.0.0.1:{port}", _ANSWER_SECONDS)
        if found != home.kafka_cluster_id:
            return Readiness(False, f"cluster id {found}, expected {home.kafka_cluster_id}")
        return Readiness(True)
    if service.name == "registry":
        return _http(f"http://127.0.0.1:{port}{registry.API_PATH}/subjects")
    if service.name == "clickhouse":
        return _http(f"http://127.0.0.1:{port}/ping")
    if service.name == "collector":
        return _http(f"http://127.0.0.1:{port}/ready")
    return Readiness(True)


def holds_port(pid: int, port: int) -> bool:
    """Whether this very process listens on the port."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def _http(url: str) -> Readiness:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            url, timeout=_ANSWER_SECONDS
        ) as answer:
            return Readiness(answer.status == 200, f"answered {answer.status}")
    except (urllib.error.URLError, OSError) as error:
        return Readiness(False, str(error))


def _health_file(home: Home, name: str, pid: int) -> Readiness:
    file = home.run / f"{name}.health.json"
    try:
        age = time.time() - file.stat().st_mtime
        health = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return Readiness(False, "no health file yet")
    if health.get("pid") != pid:
        return Readiness(False, "the health file is of an earlier process")
    if age > _HEALTH_FILE_SECONDS:
        return Readiness(False, f"the health file is {age:.0f} s old")
    return Readiness(health.get("state") == "ready", str(health.get("detail", "")))
