"""The rendered Dagster instance is read by Dagster itself, and its launcher makes jobs that Kubernetes takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.dagster_run import DagsterRun
from dagster_aws.s3 import S3ComputeLogManager
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import construct_dagster_k8s_job
from dagster_postgres import DagsterPostgresStorage
from kubernetes.client import ApiClient

from media_analytics_tests.builders.chart import (
    ENVIRONMENTS,
    SCRATCH,
    Manifest,
    dagster_files,
    matches,
    named,
    needs_helm,
    rendered,
)
from media_analytics_tests.builders.kubernetes_schemas import validate

pytestmark = needs_helm
_KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "none",
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {}}],
}
Launch = Callable[[str], Manifest]


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """The Job that the rendered launcher would post for a run of an environment; no cluster is asked."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(_KUBECONFIG))

    def job(environment: str) -> Manifest:
        config = dagster_files(rendered(environment))["dagster.yaml"]["run_launcher"]["config"]
        launcher = K8sRunLauncher(
            **(config | {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)})
        )
        location = RegisteredCodeLocationOrigin("media_analytics")
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "daily")
        run = DagsterRun(job_name="daily", remote_job_origin=origin)
        context = launcher.get_container_context_for_run(run)
        made = construct_dagster_k8s_job(
            job_config=context.get_k8s_job_config("registry.example.org/code:1", launcher),
            args=["dagster", "api", "execute_run"],
            job_name="dagster-run-1",
            user_defined_k8s_config=context.run_k8s_config,
            component="run_worker",
        )
        posted: Manifest = ApiClient().sanitize_for_serialization(made)
        return posted

    return job


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_dagster_reads_its_configuration(environment: str, tmp_path: Path) -> None:
    """A misspelt option keeps webserver and daemon from starting."""
    files = dagster_files(rendered(environment))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(files["dagster.yaml"]))
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert config["telemetry"]["enabled"] is False
    classes: tuple[tuple[Any, Any], ...] = (
        (K8sRunLauncher, config["run_launcher"]["config"]),
        (S3ComputeLogManager, config["compute_logs"]["config"]),
        (DagsterPostgresStorage, files["dagster.yaml"]["storage"]["postgres"]),
    )
    for kind, given in classes:
        result = process_config(resolve_to_config_type(kind.config_type()), _without_variables(given))
        assert result.success, result.errors
    assert files["dagster.yaml"]["storage"]["postgres"]["postgres_db"]["scheme"] == "postgresql+psycopg2"
    (location,) = files["workspace.yaml"]["load_from"]
    service = named(rendered(environment), "Service", location["grpc_server"]["host"])
    assert service["spec"]["ports"][0]["port"] == location["grpc_server"]["port"]


def test_kubernetes_takes_the_job_of_a_run(launch: Launch) -> None:
    """Built by the real launcher: variables of Secrets, volumes and security come through its own merging."""
    job = launch("prod")
    for version in ("1.35", "1.36", "1.37"):
        validate(job, version)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert pod["priorityClassName"] == "analytics-ma-runs"
    assert pod["serviceAccountName"] == "ma-dagster-run"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"] == "4Gi"
    env = {one["name"]: one for one in container["env"]}
    assert env["MEDIA_ANALYTICS_KAFKA__SASL_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "dagster"
    assert env["MEDIA_ANALYTICS_KAFKA__USERS__REPLAY__USERNAME"]["value"] == "replay"
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(paths) == len(set(paths)), paths
    assert {SCRATCH, "/opt/dagster/dagster_home", "/var/lib/media-analytics"} <= set(paths)


def test_a_run_is_under_its_rules(launch: Launch) -> None:
    """Its labels are the launcher's: a rule that misses them leaves runs open, or their budget empty."""
    labels = launch("prod")["spec"]["template"]["metadata"]["labels"]
    manifests = rendered("prod")
    for kind in ("NetworkPolicy", "PodDisruptionBudget"):
        spec = named(manifests, kind, "dagster-run")["spec"]
        selector = spec["podSelector" if kind == "NetworkPolicy" else "selector"]["matchLabels"]
        assert matches(selector, labels), (kind, labels)
    priority = named(manifests, "PriorityClass", "analytics-ma-runs")
    assert (priority["value"], priority["preemptionPolicy"]) == (-100, "Never")


def _without_variables(given: Any) -> Any:
    """`{"env": NAME}` is read from the process; here any text stands for it."""
    if isinstance(given, dict):
        is_variable = set(given) == {"env"} and isinstance(given["env"], str)
        return "x" if is_variable else {key: _without_variables(value) for key, value in given.items()}
    return given
