"""Who may speak to whom: nothing is open that nobody needs, and nothing is closed that a process is told to reach."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from media_analytics_tests.builders.chart import (
    FOLDER,
    RELEASE,
    Manifest,
    dagster_files,
    matches,
    needs_helm,
    pods,
    rendered,
)

pytestmark = needs_helm
# Labels that operators give to the pods they make, and Dagster to its runs.
MADE_BY_OTHERS = {
    "kafka": {"strimzi.io/cluster": "ma-kafka"},
    "clickhouse": {"clickhouse.altinity.com/chi": "ma"},
    "postgresql": {"cnpg.io/poolerName": "ma-postgresql-pooler", "cnpg.io/cluster": "ma-postgresql"},
    "dagster-run": {"app.kubernetes.io/component": "run_worker", "media-analytics.io/release": "ma"},
}
# The setting that holds the address of a store, and the store.
ADDRESSES = {
    "KAFKA__BOOTSTRAP_SERVERS": "kafka",
    "REGISTRY__URL": "registry",
    "CLICKHOUSE__URL": "clickhouse",
    "SPARK__REMOTE": "spark-connect",
    "DASHBOARD__URL": "dashboard-api",
    "DAGSTER__URL": "dagster-webserver",
}


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return rendered("prod")


@pytest.fixture(scope="module")
def labels(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """Each role's pods by their labels."""
    own = {
        template["metadata"]["labels"]["app.kubernetes.io/component"]: template["metadata"]["labels"]
        for _, template in pods(manifests)
    }
    return own | MADE_BY_OTHERS


def test_nothing_is_open_that_no_rule_names(
    manifests: list[Manifest], labels: dict[str, dict[str, str]]
) -> None:
    """Every pod of the platform falls under the rule that denies, and under a rule of its own."""
    policies = [m for m in manifests if m["kind"] == "NetworkPolicy"]
    for role, pod in labels.items():
        chosen = [p for p in policies if matches(p["spec"]["podSelector"]["matchLabels"], pod)]
        names = {p["metadata"]["name"] for p in chosen}
        if role == "kafka":
            assert names == set(), "Strimzi guards its pods itself"
            continue
        directions = {d for p in chosen for d in p["spec"]["policyTypes"]}
        assert "Ingress" in directions, role
        if role not in MADE_BY_OTHERS:
            assert {f"{RELEASE}-default-deny", f"{RELEASE}-{role}"} <= names
    # An empty peer or an empty rule lets everybody in.
    for policy in policies:
        for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
            peers = rule.get("from") or rule.get("to")
            assert peers, policy["metadata"]["name"]
            assert all(peer and all(peer.values()) for peer in peers), policy["metadata"]["name"]


def test_both_ends_of_each_edge_agree(manifests: list[Manifest], labels: dict[str, dict[str, str]]) -> None:
    """A connection needs the client's egress and the server's ingress; one alone is a time-out that nobody explains."""
    network = yaml.safe_load((FOLDER / "files" / "network.yaml").read_text("utf-8"))
    edges = [(c, s) for c, facts in network.items() for s in facts["reaches"] if s in labels]
    assert len(edges) > 20
    for client, server in edges:
        assert _may(manifests, "egress", labels[client], labels[server]), (
            f"{client} may not leave to {server}"
        )
        if server != "kafka":
            assert _may(manifests, "ingress", labels[server], labels[client]), f"{server} refuses {client}"
    kafka = next(m for m in manifests if m["kind"] == "Kafka")
    peers = kafka["spec"]["kafka"]["listeners"][0]["networkPolicyPeers"]
    chosen = [p["podSelector"]["matchLabels"] for p in peers if "podSelector" in p]
    for client in (c for c, s in edges if s == "kafka"):
        assert any(matches(one, labels[client]) for one in chosen), client


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ("dashboard", "clickhouse"),
        ("collector", "dagster-webserver"),
        ("collector", "postgresql"),
        ("enricher", "spark-connect"),
        ("dashboard", "dagster-code"),
    ],
)
def test_who_has_no_business_there_is_kept_out(
    manifests: list[Manifest], labels: dict[str, dict[str, str]], client: str, server: str
) -> None:
    """Dagster's page and the Spark server do whatever they are asked: a collector that was broken into must not ask."""
    assert not _may(manifests, "egress", labels[client], labels[server])
    assert not _may(manifests, "ingress", labels[server], labels[client])


def test_every_address_that_code_is_told_may_be_reached(manifests: list[Manifest]) -> None:
    """A new address in the settings without a rule would time out in the cluster only."""
    network = yaml.safe_load((FOLDER / "files" / "network.yaml").read_text("utf-8"))
    run = dagster_files(manifests)["dagster.yaml"]["run_launcher"]["config"]["run_k8s_config"]
    told = {
        v["name"].removeprefix("MEDIA_ANALYTICS_"): v.get("value", "") for v in run["container_config"]["env"]
    }
    services = {m["metadata"]["name"] for m in manifests if m["kind"] == "Service"}
    for setting, server in ADDRESSES.items():
        assert server in network["dagster-run"]["reaches"]
        assert server in network["dagster-code"]["reaches"]
        host = urlsplit(told[setting] if "://" in told[setting] else f"//{told[setting]}").hostname
        if server not in ("kafka", "clickhouse"):
            assert host in services, setting
    assert told["KAFKA__BOOTSTRAP_SERVERS"] == "ma-kafka-kafka-bootstrap:9093"
    assert told["CLICKHOUSE__URL"] == "http://clickhouse-ma:8123"


def _may(manifests: list[Manifest], way: str, whose: dict[str, str], other: dict[str, str]) -> bool:
    return any(
        matches(peer["podSelector"]["matchLabels"], other)
        for rule in _rules(manifests, way, whose)
        for peer in rule["to" if way == "egress" else "from"]
        if "podSelector" in peer
    )


def _rules(manifests: list[Manifest], way: str, whose: dict[str, str]) -> Iterator[dict[str, Any]]:
    for manifest in manifests:
        if manifest["kind"] == "NetworkPolicy" and matches(
            manifest["spec"]["podSelector"]["matchLabels"], whose
        ):
            yield from manifest["spec"].get(way, ())
