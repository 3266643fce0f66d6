"""`helm/release.sh install`: what it makes for a pull request, what it refuses for an environment, and in which order.

kubectl and helm are stand-ins that write down what they are told; a real API server takes the same calls in
`make test-kubernetes`.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from media_analytics.environments.reading import merge
from media_analytics.settings import load_settings
from media_analytics_tests.builders.chart import (
    ELSEWHERE,
    INSTALLATION,
    PULL_REQUEST,
    Manifest,
    matches,
    needs_helm,
    pods,
    render,
    values,
)
from media_analytics_tests.conventions.source import ROOT

# What the site of pull requests must say, and nothing else.
SITE = {"images": INSTALLATION["images"]}
_KUBECTL = """#!/bin/sh
echo "kubectl $*" >> "$CALLS"
case "$*" in
"get namespace analytics"*) printf '%s' "$ENFORCED" ;;
"get namespace "* | *"get secret "*) [ -z "$THERE" ] || echo there ;;
*"create secret"*) for word; do case $word in --from-env-file=*) cp "${word#*=}" "$KEPT/" ;; esac; done ;;
esac
"""
_HELM = """#!/bin/sh
echo "helm $*" >> "$CALLS"
"""


@dataclass
class Release:
    """The script with stand-ins for what it calls."""

    folder: Path

    def install(self, code: int = 0, **environ: str) -> str:
        """Run it as a workflow does; what it complained of."""
        given = {"ENVIRONMENT": "dev", "TAG": "1", "SITE_VALUES": yaml.safe_dump(SITE)} | environ
        own = {"CALLS": str(self.folder / "calls"), "KEPT": str(self.folder), "ENFORCED": "", "THERE": ""}
        (self.folder / "tmp").mkdir(exist_ok=True)
        path = {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(self.folder / "tmp")}
        done = subprocess.run(
            [ROOT / "helm" / "release.sh", "install"],
            env=own | given | path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert list((self.folder / "tmp").iterdir()) == [], "a file with credentials stayed behind"
        return done.stderr

    def calls(self) -> list[str]:
        """What was called, without names of private files."""
        said = self.folder / "calls"
        text = said.read_text("utf-8") if said.exists() else ""
        return re.sub(rf"{self.folder}/[^/]+/[^/]+/", "", text).splitlines()

    def secret(self, name: str) -> dict[str, str]:
        """The content of a Secret that was made."""
        lines = (self.folder / name).read_text("utf-8").splitlines()
        return {key: value for key, _, value in (line.partition("=") for line in lines)}


@pytest.fixture
def release(tmp_path: Path) -> Release:
    for name, text in (("kubectl", _KUBECTL), ("helm", _HELM)):
        (tmp_path / name).write_text(text, "utf-8")
        (tmp_path / name).chmod(0o755)
    return Release(tmp_path)


def test_a_pull_request_gets_its_namespace_its_secrets_and_its_own_stores(release: Release) -> None:
    """Its values are tried before anything is made, and `pr-environment.yaml` lies over what the site says."""
    release.install(NAMESPACE="pr-7")
    given = (
        "-f helm/media-analytics/values-dev.yaml -f site.yaml --set-string images.tag=1"
        " -f helm/pr-environment.yaml"
    )
    assert release.calls() == [
        f"helm template media-analytics helm/media-analytics -n pr-7 {given}",
        "kubectl get namespace pr-7 --ignore-not-found -o name",
        "kubectl create namespace pr-7",
        "kubectl label namespace pr-7 --overwrite pod-security.kubernetes.io/enforce=restricted",
        "kubectl -n pr-7 get secret platform-secrets --ignore-not-found -o name",
        "kubectl -n pr-7 create secret generic platform-secrets --from-env-file=platform-secrets",
        "kubectl -n pr-7 get secret object-store --ignore-not-found -o name",
        "kubectl -n pr-7 create secret generic object-store --from-env-file=object-store",
        f"helm upgrade --install media-analytics helm/media-analytics -n pr-7 --timeout 30m {given}",
        "kubectl -n pr-7 rollout status deployment,statefulset -l app.kubernetes.io/instance=media-analytics"
        " --timeout 30m",
    ]


def test_secrets_that_are_there_stay(release: Release) -> None:
    """Stores know their passwords: a second push to the pull request must not change them."""
    release.install(NAMESPACE="pr-7", THERE="yes")
    assert not [call for call in release.calls() if " create " in call]
    assert release.calls()[-2].startswith("helm upgrade")


@pytest.mark.parametrize("enforced", ["", "baseline"])
def test_an_environment_must_be_there_and_refuse_unsafe_pods(release: Release, enforced: str) -> None:
    """A typing error in NAMESPACE would otherwise make an installation that nobody wanted."""
    said = release.install(1, ENVIRONMENT="prod", NAMESPACE="analytics", ENFORCED=enforced)
    assert "kubectl create namespace analytics" in said
    assert "nothing was changed" in said
    assert [call.partition(" --")[0] for call in release.calls()] == ["kubectl get namespace analytics"]


def test_an_environment_gets_no_secret_and_its_own_values(release: Release) -> None:
    release.install(ENVIRONMENT="prod", ENFORCED="restricted")
    _, upgrade, _ = release.calls()
    assert upgrade.endswith("-f helm/media-analytics/values-prod.yaml -f site.yaml --set-string images.tag=1")


def test_a_pull_request_is_never_production(release: Release) -> None:
    assert "set ENVIRONMENT to dev" in release.install(1, ENVIRONMENT="prod", NAMESPACE="pr-7")
    assert release.calls() == []


def test_whoever_installs_by_hand_gets_the_same_secrets(release: Release) -> None:
    """The page on deployment tells people to fill their Secret with them."""
    done = subprocess.run(
        [ROOT / "helm" / "release.sh", "secrets"], capture_output=True, text=True, check=True
    )
    release.install(NAMESPACE="pr-7")
    names = [line.partition("=")[0] for line in done.stdout.splitlines()]
    assert names == list(release.secret("platform-secrets"))


@needs_helm
def test_made_secrets_are_what_every_process_can_read(release: Release) -> None:
    """Each setting finds its value in the right shape, from the Secret that the chart names."""
    release.install(NAMESPACE="pr-7")
    made = {name: release.secret(name) for name in ("platform-secrets", "object-store")}
    read = 0
    for where, template in pods(_rendered(SITE)):
        variables = {}
        for one in template["spec"]["containers"][0].get("env", ()):
            key = one.get("valueFrom", {}).get("secretKeyRef", {})
            # Passwords of the event log come from Strimzi.
            kept = made.get(key.get("name"), {key.get("key"): "password"})
            if key and not (key.get("optional") and key["key"] not in kept):
                variables[one["name"]] = kept[key["key"]]
            elif "valueFrom" not in one:
                variables[one["name"]] = str(one.get("value", ""))
        if "MEDIA_ANALYTICS_ENVIRONMENT" in variables:
            read += 1
            settings = load_settings(variables)
            settings.reachable_channels()
            assert len(settings.privacy.dead_letter_key.get_secret_value()) == 44, where
    assert read >= 9
    passwords = list(made["platform-secrets"].values())
    assert len(set(passwords)) == len(passwords), "two secrets are the same"


@needs_helm
def test_a_pull_request_shares_no_store_with_an_environment() -> None:
    """Whatever is stored or read lies in its namespace: every address is a Service there, and its pods reach no other.

    The site is dev's own, with pages, alarms, a role and an object store elsewhere.
    """
    dev = {
        "buckets": {"lake": "dev-lake", "logs": "dev-logs", "endpoint": "https://s3.example.org", "secretName": "s3"},
        "secrets": {"name": "dev-secrets"},
        "global": {"serviceAccount": {"annotations": {"role": "dev"}}},
        "monitoring": {"enabled": True},
        "ingress": {"collector": {"host": "dev.example.org"}},
    }  # fmt: skip
    manifests = _rendered(dev)
    text = yaml.safe_dump(manifests)
    assert not [word for word in ("dev-lake", "dev-logs", "example.org", "dev-secrets", "role: dev") if
                word in text.replace(INSTALLATION["images"]["registry"], "")]  # fmt: skip
    kinds = {m["kind"] for m in manifests}
    assert kinds >= {"Kafka", "ClickHouseInstallation", "Cluster", "SparkApplication"}
    assert not kinds & {"Ingress", "PrometheusRule", "PodMonitor"}
    outside = {
        policy["metadata"]["name"]: [port["port"] for port in rule["ports"]]
        for policy in manifests
        if policy["kind"] == "NetworkPolicy"
        for rule in policy["spec"].get("egress", ())
        if any("ipBlock" in peer for peer in rule["to"])
    }
    # Kubernetes' own API, and the channels of notices.
    assert set(outside) == {"ma-dagster-daemon", "ma-dagster-run", "ma-spark-connect", "ma-dagster-code"}
    store = next(
        m for m in manifests if m["metadata"]["name"] == "ma-object-store" and m["kind"] == "NetworkPolicy"
    )
    chosen = [peer["podSelector"]["matchLabels"] for peer in store["spec"]["ingress"][0]["from"]]
    for where, template in pods(manifests):
        env = {one["name"]: one.get("value") for one in template["spec"]["containers"][0].get("env", ())}
        if "AWS_ENDPOINT_URL" in env:
            assert env["AWS_ENDPOINT_URL"] == "http://ma-object-store:8333"
            assert env["AWS_ALLOW_HTTP"] == "true", "delta-rs refuses plain HTTP"
            needs = where.partition("/ma-")[2] not in ("collector", "enricher", "sink", "dashboard")
            assert needs <= any(matches(one, template["metadata"]["labels"]) for one in chosen), where


@needs_helm
@pytest.mark.parametrize("store", ["kafka", "registry", "clickhouse", "spark"])
def test_a_site_that_names_a_store_elsewhere_is_refused(store: str) -> None:
    """Dev's values by mistake: the pull request would read dev's topics as dev's groups, and write its tables."""
    from helm_python.errors import HelmError

    part = {"spark": "sparkConnect"}.get(store, store)
    dev = {part: ELSEWHERE[part], "settings": {store: ELSEWHERE["settings"][store]}}
    with pytest.raises(HelmError, match="set one of them"):
        _rendered(dev)


def _rendered(site: dict[str, Any]) -> list[Manifest]:
    found: dict[str, Any] = {}
    for one in (values("dev"), SITE, site, PULL_REQUEST):
        merge(found, one)
    return render(found)
