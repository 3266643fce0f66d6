"""A backfill of three partitions, asked of Dagster's page, as Jobs of the cluster.

Belongs here: the installation's own code server, page and daemon on this machine, with its configuration, environment
and account, and what must hold of the Jobs. Does not belong here: that a run ends (`integration/deployment`): kwok runs
no code.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import yaml
from dagster._core.storage.dagster_run import RunsFilter

from media_analytics.local.home import is_port_free
from media_analytics.local.loopback import without_proxy
from media_analytics.resources.dagster_api import RANGE_END, RANGE_START
from media_analytics_tests.builders import settings
from media_analytics_tests.builders.chart import INSTALLATION, NAMESPACE, RELEASE, value_of
from media_analytics_tests.e2e.dagster_page import DagsterPage
from media_analytics_tests.kubernetes.chart import ENVIRONMENT, NEW_TAG
from media_analytics_tests.kubernetes.cluster import Cluster, ports, process
from media_analytics_tests.services.embedded import wait_until

TABLE = "silver.sessions"
_SECONDS = 300.0


def backfill(cluster: Cluster) -> Iterator[str]:
    """Each of three dates apart from each other is a run of its own, and each run the Job that the chart describes."""
    today = datetime.now(UTC).date()
    dates = [(today - timedelta(days=days)).isoformat() for days in (5, 3, 1)]
    container = _code_server(cluster)
    folder = cluster.folder / "dagster"
    folder.mkdir()
    code, port = ports(2)
    environ = _environment(container, folder)
    _write_instance(cluster, folder, code)
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> None:
            stack.enter_context(process([sys.executable, "-m", *arguments], folder / f"{name}.log", environ))

        instance = stack.enter_context(dg.DagsterInstance.from_config(str(folder)))
        # Makes the instance's files before three processes do.
        assert instance.get_runs(limit=1) == []
        start("code", *_here(container["command"], code))
        # It listens once the definitions are loaded; the page looks for it only now and then.
        wait_until(lambda: not is_port_free(code), _SECONDS, lambda: _logs(folder))
        start("page", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml")
        wait_until(lambda: _answers(port), _SECONDS, lambda: _logs(folder))
        page = stack.enter_context(
            DagsterPage(settings.make(folder, DAGSTER__URL=f"http://127.0.0.1:{port}"))
        )
        page.leave_on(())
        start("daemon", "dagster._daemon", "run", "-w", "workspace.yaml")
        chosen = RunsFilter(tags={"dagster/backfill": page.launch([TABLE], dates)})
        wait_until(lambda: _are_launched(instance, chosen), _SECONDS, lambda: _logs(folder))
        wait_until(lambda: len(_jobs(cluster, instance, chosen)) == 3, _SECONDS, lambda: _logs(folder))
        jobs, runs = _jobs(cluster, instance, chosen), instance.get_runs(chosen)
    assert sorted(run.tags[RANGE_START] for run in runs) == dates, [run.tags for run in runs]
    assert all(run.tags[RANGE_START] == run.tags[RANGE_END] for run in runs), [run.tags for run in runs]
    for run in runs:
        job = jobs[f"dagster-run-{run.run_id}"]
        _check(job, run.run_id, container)
        yield f"{run.tags[RANGE_START]} of {TABLE}: {job['metadata']['name']}, its pod admitted and done"
    yield f"each with {_image()}, account {RELEASE}-dagster-run, priority {NAMESPACE}-{RELEASE}-runs, user 10001"


def _here(command: list[str], port: int) -> list[str]:
    """The code server's command with an address of this machine."""
    changed = list(command)
    changed[changed.index("-h") + 1], changed[changed.index("-p") + 1] = "127.0.0.1", str(port)
    return changed


def _are_launched(instance: dg.DagsterInstance, chosen: RunsFilter) -> bool:
    runs = instance.get_runs(chosen)
    return len(runs) == 3 and all(run.status is dg.DagsterRunStatus.STARTING for run in runs)


def _image() -> str:
    return f"{INSTALLATION['images']['registry']}/code-location:{NEW_TAG}"


def _check(job: dict[str, Any], run_id: str, code: dict[str, Any]) -> None:
    """What the chart promises of a run's Job: everything that the code server has, and less to say."""
    template = job["spec"]["template"]
    spec, labels = template["spec"], template["metadata"]["labels"]
    (container,) = spec["containers"]
    found = {
        "image": container["image"],
        "account": spec["serviceAccountName"],
        "priority": spec["priorityClassName"],
        "user": spec["securityContext"]["runAsUser"],
        "root": container["securityContext"]["readOnlyRootFilesystem"],
        "kept": job["spec"]["ttlSecondsAfterFinished"],
        "run": labels["dagster/run-id"],
        "location": labels["dagster/code-location"],
        "component": labels["app.kubernetes.io/component"],
        "release": labels["media-analytics.io/release"],
        "command": container["args"][:3],
    }
    wanted = {
        "image": _image(),
        "account": f"{RELEASE}-dagster-run",
        "priority": f"{NAMESPACE}-{RELEASE}-runs",
        "user": 10001,
        "root": True,
        "kept": 3600,
        "run": run_id,
        "location": "media_analytics",
        "component": "run_worker",
        "release": RELEASE,
        "command": ["dagster", "api", "execute_run"],
    }
    assert found == wanted, f"a job has {found}; expected {wanted}"
    own = {one["name"]: one for one in container["env"]}
    lacks = [
        one["name"]
        for one in code["env"]
        if one["name"] != "DAGSTER_CURRENT_IMAGE" and own.get(one["name"]) != one
    ]
    assert not lacks, f"a job's environment is not the code server's: {lacks}"
    assert own["MEDIA_ANALYTICS_ENVIRONMENT"]["value"] == ENVIRONMENT


def _jobs(cluster: Cluster, instance: dg.DagsterInstance, chosen: RunsFilter) -> dict[str, dict[str, Any]]:
    """Jobs of the backfill's runs whose pod was admitted, scheduled and is done."""
    names = {f"dagster-run-{run.run_id}" for run in instance.get_runs(chosen)}
    found = {job["metadata"]["name"]: job for job in cluster.get("jobs", "-n", NAMESPACE)}
    return {n: job for n, job in found.items() if n in names and job["status"].get("succeeded")}


def _code_server(cluster: Cluster) -> dict[str, Any]:
    """Its container, as it stands in the cluster."""
    (found,) = cluster.get("deployments", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=dagster-code")
    container: dict[str, Any] = found["spec"]["template"]["spec"]["containers"][0]
    return container


def _environment(container: dict[str, Any], home: Path) -> dict[str, str]:
    """The code server's, on this machine."""
    callers = {k: v for k, v in os.environ.items() if not k.startswith(("MEDIA_ANALYTICS_", "DAGSTER_"))}
    own = {
        one["name"]: value_of(one)
        for one in container["env"]
        if not one.get("valueFrom", {}).get("secretKeyRef", {}).get("optional")
    }
    return callers | own | without_proxy(os.environ) | {"DAGSTER_HOME": str(home)}


def _write_instance(cluster: Cluster, home: Path, code: int) -> None:
    """The installation's configuration with storage and logs of this machine, and the control plane's token."""
    (found,) = cluster.get(
        "configmaps", "-n", NAMESPACE, "--field-selector", f"metadata.name={RELEASE}-dagster-instance"
    )
    instance, workspace = (yaml.safe_load(found["data"][name]) for name in ("dagster.yaml", "workspace.yaml"))
    del instance["storage"], instance["compute_logs"]
    token = cluster.kubectl("create", "token", f"{RELEASE}-dagster", "-n", NAMESPACE).strip()
    account = yaml.safe_load(cluster.kubeconfig.read_text("utf-8"))
    account["users"][0]["user"]["token"] = token
    file = home / "account.yaml"
    file.write_text(yaml.safe_dump(account), "utf-8")
    instance["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(file)}
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": code}
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), "utf-8")
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace), "utf-8")


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/server_info", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _logs(folder: Path) -> str:
    return "\n".join(f"{p.name}: {p.read_text('utf-8', 'replace')[-1500:]}" for p in folder.glob("*.log"))
