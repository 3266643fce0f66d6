"""The real daemon and the chart's own launcher against an API of Kubernetes whose jobs are processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.storage.dagster_run import RunsFilter
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from media_analytics_tests.builders.chart import dagster_files, needs_helm, rendered
from media_analytics_tests.services.kubernetes_api import Cluster, kubernetes_api

# More than a minute beside other work: `make test-all`.
pytestmark = [pytest.mark.integration, pytest.mark.slow, needs_helm]
DEADLINE_SECONDS = 120.0
# Its sensor asks for each job once. What an op does to its own process is what a node does to a pod.
CODE = """
import os, signal, time
from pathlib import Path
import dagster as dg

FIRST = Path(__file__).with_name("first")

@dg.op
def work() -> None:
    pass

@dg.op
def die_once() -> None:
    if not FIRST.exists():
        FIRST.touch()
        os.kill(os.getpid(), signal.SIGKILL)

@dg.op
def wait() -> None:
    time.sleep(600)

@dg.op
def fail() -> None:
    raise dg.Failure("wrong on purpose")

@dg.job
def good() -> None:
    work()

@dg.job
def dies() -> None:
    die_once()

@dg.job
def long() -> None:
    wait()

@dg.job
def wrong() -> None:
    fail()

@dg.sensor(jobs=[good, dies, long, wrong], minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def begin():
    for job in (good, dies, long, wrong):
        yield dg.RunRequest(run_key=job.name, job_name=job.name)

defs = dg.Definitions(jobs=[good, dies, long, wrong], sensors=[begin])
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, dg.DagsterInstance]]:
    """A daemon with the rendered instance, on SQLite; the first post of a job is answered 500."""
    folder = tmp_path_factory.mktemp("launcher")
    home = folder / "home"
    home.mkdir()
    (folder / "runs_location.py").write_text(CODE)
    (folder / "workspace.yaml").write_text(
        yaml.safe_dump(
            {"load_from": [{"python_file": {"relative_path": "runs_location.py", "location_name": "runs"}}]}
        )
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("MEDIA_ANALYTICS_", "DAGSTER_"))} | {
        "DAGSTER_HOME": str(home),
        "DAGSTER_CURRENT_IMAGE": "registry.example.org/code-location:1",
    }
    with kubernetes_api(environ) as api:
        api.refusals.append(500)
        _write_instance(home, api.url)
        log = (folder / "daemon.log").open("wb")
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(folder / "workspace.yaml")],
            env=environ,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            with dg.DagsterInstance.from_config(str(home)) as instance:
                yield api, instance
        finally:
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
            log.close()


def test_a_run_goes_from_the_queue_to_success(cluster: tuple[Cluster, dg.DagsterInstance]) -> None:
    """Queued, launched as a Job that Kubernetes' schema takes although the first answer was 500, executed, recorded."""
    api, instance = cluster
    _until(lambda: _states(instance, "good") == ["SUCCESS"])
    assert api.refusals == []
    assert api.refused == []
    jobs = [j for j in api.posted if j["spec"]["template"]["metadata"]["labels"]["dagster/job"] == "good"]
    assert len(jobs) == 1, "posted again although the first post was carried out"
    (container,) = jobs[0]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.org/code-location:1"


def test_a_pod_that_dies_is_noticed_and_its_run_begins_anew(
    cluster: tuple[Cluster, dg.DagsterInstance],
) -> None:
    """Without monitoring the run would stay STARTED for ever; without retries a lost node would cost the date."""
    _, instance = cluster
    _until(lambda: _states(instance, "dies") == ["FAILURE", "SUCCESS"])
    runs = instance.get_runs(RunsFilter(job_name="dies"))
    assert sorted(run.tags.get(RETRY_NUMBER_TAG, "0") for run in runs) == ["0", "1"]


def test_a_run_that_fails_by_itself_is_not_begun_anew(cluster: tuple[Cluster, dg.DagsterInstance]) -> None:
    """An asset has its own retries: a wrong result computed three times is wrong three times."""
    _, instance = cluster
    _until(lambda: _states(instance, "wrong") == ["FAILURE"])
    _until(lambda: _states(instance, "dies") == ["FAILURE", "SUCCESS"])
    assert _states(instance, "wrong") == ["FAILURE"]


def test_a_cancelled_run_ends_its_pod(cluster: tuple[Cluster, dg.DagsterInstance]) -> None:
    """A run that only looks cancelled goes on writing."""
    api, instance = cluster
    _until(lambda: _states(instance, "long") == ["STARTED"])
    (run,) = instance.get_runs(RunsFilter(job_name="long"))
    assert instance.run_launcher.terminate(run.run_id)
    _until(lambda: _states(instance, "long") == ["CANCELED"])
    job = f"dagster-run-{run.run_id}"
    assert api.deleted == [job]
    _until(lambda: "active" not in api.get(job)[1]["status"])


def _write_instance(home: Path, url: str) -> None:
    """The rendered instance with storage and logs of this machine, and a monitor that looks more often."""
    instance: dict[str, Any] = dagster_files(rendered("qa"))["dagster.yaml"]
    del instance["storage"], instance["compute_logs"]
    instance["run_monitoring"]["poll_interval_seconds"] = 2
    kubeconfig = home / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
                "clusters": [{"name": "here", "cluster": {"server": url}}],
                "users": [{"name": "here", "user": {}}],
            }
        )
    )
    instance["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))


def _states(instance: dg.DagsterInstance, job: str) -> list[str]:
    """States of a job's runs, oldest first."""
    return [run.status.value for run in reversed(instance.get_runs(RunsFilter(job_name=job)))]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.3)
