"""The Helm chart rendered by Helm itself, without a cluster.

Belongs here: values of a made-up installation, rendering, finding pods and their parts in what was rendered. Does not
belong here: what must hold of them (tests).
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from typing import Any, get_args

import pytest
import yaml

from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import merge
from media_analytics_tests.conventions.source import ROOT

FOLDER = ROOT / "helm" / "media-analytics"
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
RELEASE, NAMESPACE = "ma", "analytics"
# The one folder of a pod, besides its home, that can be written.
SCRATCH = "/" + "tmp"
Manifest = dict[str, Any]
needs_helm = pytest.mark.skipif(
    find_spec("helm_python") is None, reason="Helm's library has no wheel for this platform"
)

# What an installation must say, and nothing else.
INSTALLATION: dict[str, Any] = {
    "secrets": {"name": "platform-secrets"},
    "images": {"registry": "registry.example.org/media-analytics"},
    "buckets": {"lake": "lake-bucket", "logs": "logs-bucket", "backups": "backups-bucket"},
    "settings": {
        "channels": {
            "runbooks_url": "https://docs.example.org/runbooks",
            "smtp": {"host": "mail.example.org", "sender": "platform@example.org"},
        },
        "video": {"landing": "s3a://landing-bucket/video"},
    },
}
# What `helm/release.sh` lays over the values of a pull request's installation.
PULL_REQUEST: dict[str, Any] = yaml.safe_load((ROOT / "helm" / "pr-environment.yaml").read_text("utf-8"))
# Every store elsewhere.
ELSEWHERE: dict[str, Any] = {
    "kafka": {"enabled": False, "usersSecret": "kafka-users"},
    "registry": {"enabled": False},
    "clickhouse": {"enabled": False},
    "postgresql": {"enabled": False, "host": "db.example.org", "secretName": "db-owner"},
    "sparkConnect": {"enabled": False},
    "settings": {
        "kafka": {"bootstrap_servers": "log.example.org:9093", "security_protocol": "SASL_SSL"},
        "registry": {"url": "https://registry.example.org/apis/ccompat/v7"},
        "clickhouse": {"url": "https://clickhouse.example.org:8443"},
        "spark": {"remote": "sc://spark.example.org:15002"},
    },
}


def values(environment: str, *over: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an installation: the environment's file, what it must say, further ones over them."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"values-{environment}.yaml").read_text("utf-8"))
    for one in (INSTALLATION, *over):
        merge(found, deepcopy(dict(one)))
    return found


def render(given: Mapping[str, Any], *, is_install: bool = True) -> list[Manifest]:
    """What Helm would send to the cluster.

    Raises:
        helm_python.errors.HelmError: Helm refuses the values.
    """
    texts = texts_of(given, is_install=is_install)
    return [
        manifest
        for name, text in texts.items()
        if not name.endswith("NOTES.txt")
        for manifest in yaml.safe_load_all(text)
        if manifest
    ]


def texts_of(given: Mapping[str, Any], *, is_install: bool = True) -> dict[str, str]:
    """Each template's text, by its path in the chart."""
    from helm_python.chart import Chart

    with Chart.load(FOLDER) as chart:
        found: dict[str, str] = chart.render(
            dict(given), name=RELEASE, namespace=NAMESPACE, is_install=is_install, is_upgrade=not is_install
        )
    return found


@cache
def _rendered(environment: str) -> tuple[Manifest, ...]:
    return tuple(render(values(environment)))


def rendered(environment: str) -> list[Manifest]:
    """A first installation of an environment; rendered once."""
    return deepcopy(list(_rendered(environment)))


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """One object; `name` without the release's."""
    wanted = {name, f"{RELEASE}-{name}"}
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] in wanted]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod template: of workloads, jobs and Spark. Name for messages, template."""
    for manifest in manifests:
        where = f"{manifest['kind']}/{manifest['metadata']['name']}"
        if manifest["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield where, manifest["spec"]["template"]
        elif manifest["kind"] == "SparkApplication":
            for role in ("driver", "executor"):
                yield f"{where}/{role}", manifest["spec"][f"{role}Spec"]["podTemplateSpec"]


def dagster_files(manifests: list[Manifest]) -> dict[str, Any]:
    """`dagster.yaml` and `workspace.yaml`, read."""
    data = named(manifests, "ConfigMap", "dagster-instance")["data"]
    return {name: yaml.safe_load(text) for name, text in data.items()}


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels carry what a selector wants."""
    return all(labels.get(name) == value for name, value in selector.items())


def value_of(variable: Mapping[str, Any]) -> str:
    """A variable as a pod would find it; of a Secret a value of the right shape."""
    name = variable["name"]
    if "valueFrom" not in variable:
        # Kubernetes leaves an empty one out.
        return str(variable.get("value", ""))
    shapes = {
        "COLLECTOR__KEYS": '[{"key": "k", "kind": "server"}]',
        "PRIVACY__VISITOR_KEYS": '[{"valid_from": "2026-01-01", "key": "k"}]',
    }
    return shapes.get(name.removeprefix("MEDIA_ANALYTICS_"), "secret")
