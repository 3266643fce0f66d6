"""Whether a service is ready, and ours.

Belongs here: one check per kind of service. An open port proves nothing: the process we supervise must hold
the port, and Kafka, the gateway and Spark must also answer with an id or accept a credential of this home. Does
not belong here: process states (`status`).
"""

import base64
import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from media_analytics.local import dagster_home, kafka, registry, spark
from media_analytics.local.home import Home
from media_analytics.local.services import BROKERS, Service

_ANSWER_SECONDS = 3.0
# The first call loads classes.
_SPARK_SECONDS = 15.0
# A process without a port touches its health file every 5 s.
_HEALTH_FILE_SECONDS = 15.0


@dataclass(frozen=True)
class Readiness:
    """The answer of a check, and why not."""

    is_ready: bool
    detail: str = ""


def check(home: Home, service: Service, pid: int, *, was_ready: bool = False) -> Readiness:
    """Check the process `pid` of a service of this home; `was_ready` says that it passed before."""
    if not psutil.pid_exists(pid):
        return Readiness(False, "the process has ended")
    if service.name == "dagster-code":
        return Readiness(dagster_home.code_server_answers(home, _ANSWER_SECONDS), "loads the definitions")
    if service.name == "dagster-daemon":
        silent = dagster_home.silent_daemons(home, _started_at(pid))
        return Readiness(not silent, f"no heartbeat yet of {', '.join(silent)}" if silent else "")
    if service.port is None:
        return _health_file(home, service.name, pid)
    port = home.ports[service.port]
    if not holds_port(pid, port):
        return Readiness(False, f"does not listen on port {port} yet")
    if service.name == "spark" and was_ready:
        # It knew our token; asking again would cost a stack trace in its log each time.
        return Readiness(True)
    if service.name in BROKERS:
        return _kafka(home, 1 + BROKERS.index(service.name))
    return _ANSWERS[service.name](home, port)


def _kafka(home: Home, node: int) -> Readiness:
    found = kafka.cluster_id(kafka.address(home, node), _ANSWER_SECONDS)
    return Readiness(found == home.kafka_cluster_id, f"cluster id {found}, expected {home.kafka_cluster_id}")


def _registry(home: Home, port: int) -> Readiness:
    return _http(port, f"{registry.API_PATH}/subjects")


def _spark(home: Home, port: int) -> Readiness:
    accepted = spark.accepts_token(port, home.secrets.spark_token, _SPARK_SECONDS)
    return Readiness(accepted, "does not accept our token yet")


def _clickhouse(home: Home, port: int) -> Readiness:
    basic = base64.b64encode(f"platform:{home.secrets.clickhouse_password}".encode()).decode()
    return _http(port, "/?query=SELECT+1", {"Authorization": f"Basic {basic}"})


def _collector(home: Home, port: int) -> Readiness:
    return _http(port, "/ready")


def _dagster_page(home: Home, port: int) -> Readiness:
    token = {"Authorization": f"Bearer {home.secrets.dagster_token}"}
    return _http(port, "/server_info", token)


def _dashboard_api(home: Home, port: int) -> Readiness:
    token = {"Authorization": f"Bearer {home.secrets.dagster_token}"}
    return _http(port, "/ready", token)


def _dashboard_page(home: Home, port: int) -> Readiness:
    token = {"Authorization": f"Bearer {home.secrets.dagster_token}"}
    return _http(port, "/_stcore/health", token)


_ANSWERS: Mapping[str, Callable[[Home, int], Readiness]] = {
    "registry": _registry,
    "spark": _spark,
    "clickhouse": _clickhouse,
    "collector": _collector,
    "dagster-webserver": _dagster_page,
    "dashboard-api": _dashboard_api,
    "dashboard": _dashboard_page,
}


def holds_port(pid: int, port: int) -> bool:
    """Whether this very process listens on the port."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def _http(port: int, path: str, headers: Mapping[str, str] | None = None) -> Readiness:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Readiness(False, str(error))
    finally:
        connection.close()
    return Readiness(status == 200, f"answered {status}")


def _started_at(pid: int) -> datetime:
    return datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)


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
