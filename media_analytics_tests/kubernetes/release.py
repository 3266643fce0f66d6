"""`helm/release.sh` as the workflows call it: an environment of a pull request is installed, upgraded and removed.

Belongs here: running the script, what is there afterwards. Does not belong here: what Helm makes of the chart
(`chart`), its `data-quality`, which needs a process in a pod.
"""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import yaml

from media_analytics.environments.reading import merge
from media_analytics_tests.builders.chart import INSTALLATION, NAMESPACE, RELEASE
from media_analytics_tests.conventions.source import ROOT
from media_analytics_tests.kubernetes.chart import SITE, VOLUME, state
from media_analytics_tests.kubernetes.cluster import Cluster

OF_PULL_REQUEST = "pr-7"
# Kinds of operators that lie in no Go module.
_BARE = (
    *(f"kafka.strimzi.io/v1/{kind}" for kind in ("Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")),
    *("clickhouse.altinity.com/v1/ClickHouseInstallation", "spark.apache.org/v1/SparkApplication"),
)
# The script's own name of a release.
_RELEASE = "media-analytics"
# It once waited ten minutes for pods that keep a volume, and failed.
_REMOVED_WITHIN_SECONDS = 120.0


def release(cluster: Cluster) -> Iterator[str]:
    """Install, install other images, remove with the Job of an ended run, remove what is gone; refuse the wrong one.

    All stores are the installation's own. Of kinds that cannot be had the API server is told the name only.
    """
    cluster.apply(*_volumes(), *(_bare(kind) for kind in _BARE))
    said = _call(cluster, "install", OF_PULL_REQUEST, "pr-7-first", SITE, code=1)
    assert "set one of them" in said, said
    assert OF_PULL_REQUEST not in cluster.kubectl("get", "namespaces", "-o", "name"), "a namespace was made"
    yield "release.sh install with stores of another environment: refused, nothing made"
    made = []
    for tag in ("pr-7-first", "pr-7-second"):
        _call(cluster, "install", OF_PULL_REQUEST, tag)
        made.append(_secrets(cluster))
        yield f"release.sh install of {tag}: {state(cluster, OF_PULL_REQUEST, tag)}"
    assert made[0] == made[1], "the second push changed passwords that stores know"
    assert {"platform-secrets", "object-store"} <= set(made[0])
    yield f"secrets of its own, kept: {', '.join(sorted(made[0]))}"
    _end_a_run(cluster)
    began = time.monotonic()
    _call(cluster, "remove", OF_PULL_REQUEST)
    took = time.monotonic() - began
    assert took < _REMOVED_WITHIN_SECONDS, f"release.sh remove took {took:.0f} s"
    names = cluster.kubectl("get", "namespaces,priorityclasses", "-o", "name").split()
    left = [name for name in names if OF_PULL_REQUEST in name]
    assert not left, f"release.sh remove left {left}"
    yield f"release.sh remove beside the Job of an ended run: namespace and all gone after {took:.0f} s"
    _call(cluster, "remove", OF_PULL_REQUEST)
    yield "release.sh remove of what is gone: nothing to do"
    said = _call(cluster, "remove", NAMESPACE, code=1)
    assert "is no namespace of a pull request" in said, said
    assert cluster.helm("list", "-q", "-n", NAMESPACE).split() == [RELEASE]
    yield f"release.sh remove refused {NAMESPACE}"


def _volumes() -> Iterator[dict[str, Any]]:
    """For health files and for the object store."""
    for name, mode, size in (("health", "ReadWriteMany", "1Gi"), ("object-store", "ReadWriteOnce", "50Gi")):
        volume = deepcopy(VOLUME)
        volume["metadata"]["name"] = f"{name}-of-pull-request"
        volume["spec"] |= {"accessModes": [mode], "capacity": {"storage": size}}
        yield volume


def _bare(name: str) -> dict[str, Any]:
    """A kind that takes everything: `group/version/Kind`."""
    group, version, kind = name.split("/")
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def _secrets(cluster: Cluster) -> dict[str, Any]:
    """What the script made, by name."""
    found = cluster.get("secrets", "-n", OF_PULL_REQUEST, "--field-selector=type=Opaque")
    return {one["metadata"]["name"]: one["data"] for one in found}


def _call(
    cluster: Cluster,
    what: str,
    namespace: str,
    tag: str = "",
    more: Mapping[str, Any] = MappingProxyType({}),
    code: int = 0,
) -> str:
    """Run the script with what a workflow gives it; what it printed. `more` lies over the shortest values of a site."""
    site = {"images": INSTALLATION["images"]}
    merge(site, deepcopy(dict(more)))
    environ = os.environ | {
        "PATH": f"{cluster.programs}{os.pathsep}{os.environ['PATH']}",
        "ENVIRONMENT": "dev",
        "NAMESPACE": namespace,
        "TAG": tag,
        "SITE_VALUES": yaml.safe_dump(site),
        "KUBECONFIG_TEXT": cluster.kubeconfig.read_text("utf-8"),
        **{f"HELM_{one}_HOME": str(cluster.folder / "helm") for one in ("CACHE", "CONFIG", "DATA")},
    }
    done = subprocess.run(
        [ROOT / "helm" / "release.sh", what],
        env=environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == code, f"release.sh {what} ended with {done.returncode}: {done.stderr[-3000:]}"
    return done.stdout + done.stderr


def _end_a_run(cluster: Cluster) -> None:
    """The Job of a run that has ended, as Dagster leaves it for an hour: its pod mounts the health files."""
    where = ("-n", OF_PULL_REQUEST)
    (code,) = cluster.get("deployments", *where, "-l", "app.kubernetes.io/component=dagster-code")
    pod = deepcopy(code["spec"]["template"]["spec"]) | {"restartPolicy": "Never"}
    assert any("persistentVolumeClaim" in volume for volume in pod["volumes"]), "no volume to hold"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "dagster-run-ended", "namespace": OF_PULL_REQUEST},
        "spec": {"ttlSecondsAfterFinished": 3600, "template": {"spec": pod}},
    }
    job["metadata"] |= {"labels": {"media-analytics.io/release": _RELEASE}}
    cluster.apply(job)
    cluster.kubectl("wait", "--for=condition=Complete", "job/dagster-run-ended", *where, "--timeout=60s")
