"""The chart asks the cluster for the Secrets that somebody must have made, and changes nothing where one is missing.

Helm itself asks; the API server is a stand-in that knows Secrets and accounts and takes no change.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from media_analytics.deployment.chart import platform
from media_analytics_tests.builders.chart import (
    ELSEWHERE,
    FOLDER,
    NAMESPACE,
    RELEASE,
    needs_helm,
    render,
    values,
)

pytestmark = needs_helm
NEEDED = [name for name, is_needed in platform()["secrets"].items() if is_needed]
PLATFORM = {"platform-secrets": NEEDED}
PRIVATE = {"buckets": {"secretName": "s3-key"}, "images": {"pullSecrets": ["registry-login"]}}
_DISCOVERY: dict[str, Any] = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": name, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
            for name, kind in (("secrets", "Secret"), ("serviceaccounts", "ServiceAccount"))
        ],
    },
}
_WHERE = f"/api/v1/namespaces/{NAMESPACE}"


@contextmanager
def _cluster(secrets: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """An API server with these Secrets in the namespace: its address, and the changes that it was asked for."""
    objects = _DISCOVERY | {
        f"{_WHERE}/serviceaccounts/default": {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {}}
    }
    for name, keys in secrets.items():
        secret = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}}
        objects[f"{_WHERE}/secrets/{name}"] = secret | {"data": dict.fromkeys(keys, "eA==")}
    changes: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = objects.get(self.path.partition("?")[0])
            self._answer(200 if found else 404, found or {"kind": "Status", "apiVersion": "v1", "code": 404})

        def do_POST(self) -> None:
            changes.append(self.path)
            self._answer(500, {"kind": "Status", "apiVersion": "v1", "code": 500})

        do_PUT = do_PATCH = do_DELETE = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Not of interest."""

        def _answer(self, code: int, body: Any) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            text = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", changes
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _said(given: Mapping[str, Any], secrets: Mapping[str, list[str]]) -> str:
    """Why Helm did not install. With all Secrets: because this server describes no kind."""
    from helm_python.config import Config
    from helm_python.errors import HelmError

    with _cluster(secrets) as (url, changes):
        access = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
            "clusters": [{"name": "here", "cluster": {"server": url}}],
            "users": [{"name": "here", "user": {}}],
        }
        with (
            Config(
                kubeconfig_content=yaml.safe_dump(access), namespace=NAMESPACE, storage_driver="memory"
            ) as config,
            pytest.raises(HelmError) as refused,
        ):
            config.install(FOLDER, RELEASE, dict(given), timeout=30)
        assert changes == [], "something was changed"
    return str(refused.value)


def test_with_every_secret_nothing_is_missing() -> None:
    """Beside the tests below: what they see is the Secret, not something that always fails."""
    said = _said(values("qa"), PLATFORM)
    assert "unable to build kubernetes objects" in said
    assert "Secret" not in said


def test_a_missing_secret_is_named_with_all_that_it_must_hold() -> None:
    said = _said(values("qa"), {})
    assert "the Secret platform-secrets (secrets.name) is not in the namespace analytics" in said
    assert all(name in said for name in NEEDED)
    assert (
        "Nothing was changed. To mend it: kubectl -n analytics create secret generic platform-secrets" in said
    )


def test_a_missing_key_is_named() -> None:
    """A release with a new secret setting would otherwise leave every new pod waiting, and the upgrade half done."""
    said = _said(values("prod"), {"platform-secrets": NEEDED[1:]})
    assert f"(secrets.name) in the namespace analytics has no {NEEDED[0]}" in said
    assert NEEDED[1] not in said
    assert f'kubectl -n analytics patch secret platform-secrets -p \'{{"stringData":{{"{NEEDED[0]}":' in said


def test_secrets_of_stores_elsewhere_are_asked_for() -> None:
    """Those that the stores' operators make are not: they come with the installation."""
    given = values("qa", ELSEWHERE, PRIVATE)
    said = _said(given, PLATFORM | {"kafka-users": ["admin", "ca.crt"], "db-owner": ["username"]})
    for part in (
        "the Secret s3-key (buckets.secretName) is not in",
        "the Secret registry-login (images.pullSecrets) is not in",
        "the Secret kafka-users (kafka.usersSecret) in the namespace analytics has no collector, dagster,",
        "the Secret db-owner (postgresql.secretName) in the namespace analytics has no password",
    ):
        assert part in said
    users = [*platform()["users"], "ca.crt"]
    whole = {"kafka-users": users, "db-owner": ["username", "password"]}
    whole |= {
        "s3-key": ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
        "registry-login": [".dockerconfigjson"],
    }
    assert "Secret" not in _said(given, PLATFORM | whole)


def test_without_a_cluster_nothing_is_asked() -> None:
    """`helm template` shows what would be installed."""
    assert render(values("qa", ELSEWHERE))
