"""The chart on a cluster: the version before this one, the upgrade to it, the way back, the end.

Belongs here: what Helm does with the chart, and what must hold afterwards. Does not belong here: starting the cluster
(`cluster`), what is refused (`refusals`), what is read off the rendered chart (unit tests).
"""

import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from media_analytics.deployment.chart import platform
from media_analytics.environments.reading import merge
from media_analytics_tests.builders.chart import ELSEWHERE, FOLDER, INSTALLATION, NAMESPACE, RELEASE
from media_analytics_tests.conventions.source import ROOT
from media_analytics_tests.kubernetes.cluster import Cluster
from media_analytics_tests.kubernetes.programs import ClusterError, module_folder
from media_analytics_tests.services.embedded import wait_until

ENVIRONMENT = "prod"
# Kinds that can be had, for they lie in a Go module: the module and the folder in it.
KINDS = {
    "CloudNativePG": ("github.com/cloudnative-pg/cloudnative-pg", "config/crd/bases"),
    "Barman Cloud plugin": ("github.com/cloudnative-pg/plugin-barman-cloud", "config/crd/bases"),
    "KEDA": ("github.com/kedacore/keda/v2", "config/crd/bases"),
    "Prometheus operator": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd",
    ),
}
# Stores whose kinds cannot be had are elsewhere. A backfill may have all its runs at once.
SITE: dict[str, Any] = {
    **{name: ELSEWHERE[name] for name in ("kafka", "clickhouse", "sparkConnect")},
    "settings": {name: ELSEWHERE["settings"][name] for name in ("kafka", "clickhouse", "spark")},
    "concurrency": {"pools": {"defaultLimit": 3}},
}
# The chart makes one volume that several pods mount.
VOLUME: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "health"},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "hostPath": {"path": "/var/lib/nowhere"},
    },
}
_WAIT = ("-n", NAMESPACE, "--wait", "--wait-for-jobs", "--timeout", "5m")
# Of operators, made by the chart.
_CUSTOM = (
    *("clusters.postgresql.cnpg.io", "databases.postgresql.cnpg.io", "poolers.postgresql.cnpg.io"),
    *("scheduledbackups.postgresql.cnpg.io", "objectstores.barmancloud.cnpg.io"),
    *("scaledobjects", "triggerauthentications", "podmonitors", "prometheusrules"),
)
NEW_TAG = "0.3.0-upgrade"
# What an administrator makes, by name: keys.
_SECRETS = {
    INSTALLATION["secrets"]["name"]: [name for name, needed in platform()["secrets"].items() if needed],
    ELSEWHERE["kafka"]["usersSecret"]: [*platform()["users"], "ca.crt"],
}


def prepare(cluster: Cluster) -> Iterator[str]:
    """What an administrator does before: the namespace, operators' kinds, a volume."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    cluster.apply(VOLUME)
    for operator in yaml.safe_load((FOLDER / "files" / "operators.yaml").read_text("utf-8")):
        name = f"{operator['name']} {operator['version']}"
        if operator["name"] in KINDS:
            module, folder = KINDS[operator["name"]]
            kinds = module_folder(f"{module}@v{operator['version']}") / folder
            cluster.kubectl("apply", "--server-side", "-f", str(kinds))
            yield f"{len(list(kinds.glob('*.yaml')))} kinds of {name}"
        else:
            yield f"NOT CHECKED: {name} ({', '.join(operator['kinds'])}) is no Go module"
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def install(cluster: Cluster) -> Iterator[str]:
    """The version before this one installs; each of its pods is admitted, scheduled and said to run."""
    previous, version = previous_chart(ROOT, cluster.folder / "previous")
    cluster.helm("install", RELEASE, *_given(cluster, previous), *_WAIT)
    found = state(cluster, NAMESPACE)
    assert "ScaledObject" in found, found
    yield f"chart {version}: {found}"


def upgrade(cluster: Cluster) -> Iterator[str]:
    """This version, with other images and alarms, takes its place after it applied its contracts.

    It is refused as long as a Secret that pods need is not there, and changes nothing.
    """
    given = (
        *_given(cluster, FOLDER),
        "--set-string",
        f"images.tag={NEW_TAG}",
        "--set",
        "monitoring.enabled=true",
    )
    try:
        cluster.helm("upgrade", RELEASE, *given, *_WAIT)
    except ClusterError as error:
        assert f"kubectl -n {NAMESPACE} create secret generic platform-secrets" in str(error), error
    else:
        raise AssertionError("an upgrade without its Secrets was not refused")
    assert NEW_TAG not in _tags(cluster, NAMESPACE), "the refused upgrade changed something"
    yield "refused without the Secrets that pods need; nothing changed"
    for name, keys in _SECRETS.items():
        values = [f"--from-literal={key}=x" for key in keys]
        cluster.kubectl("create", "secret", "generic", name, "-n", NAMESPACE, *values)
    cluster.helm("upgrade", RELEASE, *given, *_WAIT)
    _expect_hook(cluster, "upgrade")
    found = state(cluster, NAMESPACE, NEW_TAG)
    assert "ScaledObject" in found, found
    assert {"ObjectStore", "ScheduledBackup"} <= set(found.partition("taken: ")[2].split(", ")), found
    assert cluster.get("podmonitors,prometheusrules", "-n", NAMESPACE), "no alarms"
    yield f"contracts applied first; {found}"
    # As docs/runbooks/restore.md has it.
    cluster.kubectl("delete", "clusters.postgresql.cnpg.io", f"{RELEASE}-postgresql", "-n", NAMESPACE)
    folder = f"{ENVIRONMENT}-{NAMESPACE}-{RELEASE}"
    said = {"recovery.serverName": folder, "backup.serverName": f"{folder}-2"}
    again = [f"--set-string=postgresql.{name}={value}" for name, value in said.items()]
    cluster.helm("upgrade", RELEASE, *given, *again, "--no-hooks", *_WAIT)
    (server,) = cluster.get("clusters.postgresql.cnpg.io", "-n", NAMESPACE)
    assert set(server["spec"]["bootstrap"]) == {"recovery"}, server["spec"]["bootstrap"]
    assert server["spec"]["plugins"][0]["parameters"]["serverName"] == f"{folder}-2"
    yield f"a new server of PostgreSQL takes the data of {folder} and writes to another folder"


def rollback(cluster: Cluster) -> Iterator[str]:
    """The one before returns, after it was asked whether it can work with what is stored; else it is refused."""
    history = json.loads(cluster.helm("history", RELEASE, "-n", NAMESPACE, "-o", "json"))
    before = str(max(one["revision"] for one in history))
    later = f"{NEW_TAG}-later"
    given = ("--set-string", f"images.tag={later}", "--set", "monitoring.enabled=true")
    cluster.helm("upgrade", RELEASE, *_given(cluster, FOLDER), *given, *_WAIT)
    try:
        cluster.helm("rollback", RELEASE, before, *_WAIT)
    except ClusterError as error:
        assert f"{RELEASE}-contracts-rollback not ready. status: Failed" in str(error), error
    else:
        raise AssertionError("a rollback to a version that would lose data was not refused")
    assert _tags(cluster, NAMESPACE) == {later}, f"images of {sorted(_tags(cluster, NAMESPACE))}"
    yield f"to {NEW_TAG}, which cannot work with what is stored: refused, nothing changed"
    cluster.helm("rollback", RELEASE, "1", *_WAIT)
    _expect_hook(cluster, "rollback")
    tags = _tags(cluster, NAMESPACE)
    assert NEW_TAG not in tags, f"after the rollback images of {sorted(tags)}"
    assert not cluster.get("podmonitors,prometheusrules", "-n", NAMESPACE), "alarms stayed"
    yield f"contracts compared first; {state(cluster, NAMESPACE)}"


def uninstall(cluster: Cluster) -> Iterator[str]:
    """Stores stay. Nothing else does once the Jobs of ended runs are gone: their pods hold the health files."""
    cluster.helm("upgrade", RELEASE, *_given(cluster, FOLDER), *_WAIT)
    cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--timeout", "5m")
    stores = ("clusters.postgresql.cnpg.io,objectstores.barmancloud.cnpg.io", "-n", NAMESPACE)
    kept = sorted(one["kind"] for one in cluster.get(*stores))
    assert kept == ["Cluster", "ObjectStore"], kept
    yield f"what holds data is there: {', '.join(kept)}"
    cluster.kubectl("delete", *stores, "-l", f"app.kubernetes.io/instance={RELEASE}", "--timeout=60s")
    cluster.kubectl(
        "delete", "jobs", "-n", NAMESPACE, "-l", f"media-analytics.io/release={RELEASE}", "--timeout=60s"
    )
    kinds = ",".join(cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split())
    label = f"app.kubernetes.io/instance={RELEASE}"
    query = ("get", kinds, "-A", "-l", label, "-o", "name", "--ignore-not-found")
    # What its controllers made goes a moment later.
    wait_until(lambda: not cluster.kubectl(*query).split(), 120, lambda: f"left: {cluster.kubectl(*query)}")
    yield f"nothing with {label} is left among {kinds.count(',') + 1} kinds"


def version_of(text: str) -> str:
    """The version that a `Chart.yaml` says."""
    return str(yaml.safe_load(text)["version"])


def previous_chart(repository: Path, target: Path) -> tuple[Path, str]:
    """The newest chart of the history whose version is not the present one: its folder in `target`, its version.

    Raises:
        ClusterError: the history is not here.
    """
    name = FOLDER.relative_to(ROOT).as_posix()
    now = version_of((repository / name / "Chart.yaml").read_text("utf-8"))
    changes = _git(repository, "log", "--format=%H", "--", f"{name}/Chart.yaml").decode().split()
    for commit in ("HEAD", *(f"{change}^" for change in changes)):
        said = _git(repository, "show", f"{commit}:{name}/Chart.yaml", check=False).decode()
        if said and version_of(said) != now:
            packed = _git(repository, "archive", "--format=zip", commit, name)
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                archive.extractall(target)
            return target / name, version_of(said)
    raise ClusterError(f"the history has no chart before {now}: git fetch --unshallow")


def _git(repository: Path, *arguments: str, check: bool = True) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, check=False)
    if check and done.returncode != 0:
        raise ClusterError(f"git {arguments[0]} failed: {done.stderr.decode()}")
    return done.stdout if done.returncode == 0 else b""


def _given(cluster: Cluster, chart: Path) -> tuple[str, ...]:
    """A chart with its own values of the environment, and those of the installation."""
    site = cluster.folder / "site.yaml"
    own = deepcopy(INSTALLATION)
    merge(own, deepcopy(SITE))
    # A version that refuses a value which it does not know yet.
    known = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))["buckets"]
    own["buckets"] = {name: bucket for name, bucket in own["buckets"].items() if name in known}
    site.write_text(yaml.safe_dump(own), "utf-8")
    return str(chart), "-f", str(chart / f"values-{ENVIRONMENT}.yaml"), "-f", str(site)


def _tags(cluster: Cluster, namespace: str) -> set[str]:
    """Tags of the platform's own images."""
    return {
        container["image"].rpartition(":")[2]
        for one in cluster.get("deployments,statefulsets", "-n", namespace)
        for container in one["spec"]["template"]["spec"]["containers"]
        if container["image"].startswith(INSTALLATION["images"]["registry"])
    }


def state(cluster: Cluster, namespace: str, tag: str | None = None) -> str:
    """What there is. Each pod runs or has ended well, and none was refused; images have the tag, if one is named."""
    pods = [p for p in cluster.get("pods", "-n", namespace) if "deletionTimestamp" not in p["metadata"]]
    phases = {p["metadata"]["name"]: p["status"].get("phase") for p in pods}
    wrong = {name: phase for name, phase in phases.items() if phase not in ("Running", "Succeeded")}
    assert pods and not wrong, f"pods do not run: {wrong}"
    refused = [e["message"] for e in cluster.get("events", "-n", namespace) if e["reason"] == "FailedCreate"]
    assert not refused, f"refused: {refused}"
    made = sorted({one["kind"] for one in cluster.get(",".join(_CUSTOM), "-n", namespace)})
    assert {"Cluster", "Pooler"} <= set(made), made
    tags = _tags(cluster, namespace)
    assert tag is None or tags == {tag}, f"images of {sorted(tags)}"
    running = sum(phase == "Running" for phase in phases.values())
    return f"{running} pods run, kinds of operators taken: {', '.join(made)}"


def _expect_hook(cluster: Cluster, name: str) -> None:
    """Helm deletes a hook that succeeded; the controller's event of its end stays."""
    job = f"{RELEASE}-contracts-{name}"
    ended = {
        e["involvedObject"]["name"]
        for e in cluster.get("events", "-n", NAMESPACE)
        if e["reason"] == "Completed"
    }
    assert job in ended, f"{job} did not run; ended: {sorted(ended)}"
