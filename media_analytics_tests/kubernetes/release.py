"""`helm/release.sh` as the workflows call it: an environment of a pull request is installed, upgraded and removed.

Belongs here: running the script, what is there afterwards. Does not belong here: what Helm makes of the chart
(`chart`), its `data-quality`, which needs a process in a pod.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from copy import deepcopy

import yaml

from media_analytics.environments.reading import merge
from media_analytics_tests.builders.chart import INSTALLATION, NAMESPACE, RELEASE
from media_analytics_tests.conventions.source import ROOT
from media_analytics_tests.kubernetes.chart import SITE, VOLUME, state
from media_analytics_tests.kubernetes.cluster import Cluster

OF_PULL_REQUEST = "pr-7"
# The script's own name of a release.
_RELEASE = "media-analytics"
# It once waited ten minutes for pods that keep a volume, and failed.
_REMOVED_WITHIN_SECONDS = 120.0


def release(cluster: Cluster) -> Iterator[str]:
    """Install, install other images, remove with the Job of an ended run, remove what is gone; refuse the wrong one."""
    volume = deepcopy(VOLUME)
    volume["metadata"]["name"] = "health-of-pull-request"
    cluster.apply(volume)
    for tag in ("pr-7-first", "pr-7-second"):
        _call(cluster, "install", OF_PULL_REQUEST, tag)
        yield f"release.sh install of {tag}: {state(cluster, OF_PULL_REQUEST, tag)}"
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


def _call(cluster: Cluster, what: str, namespace: str, tag: str = "", code: int = 0) -> str:
    """Run the script with what a workflow gives it; what it printed."""
    site = deepcopy(INSTALLATION)
    merge(site, deepcopy(SITE))
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
