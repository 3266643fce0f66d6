"""The bundle holds for every target, with the settings' numbers; what is changed in it is found."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from databricks.bundles import jobs as databricks_jobs

from media_analytics.databricks.checking import check, check_offline
from media_analytics.databricks.model import SECRET
from media_analytics.databricks.reading import FILE, BundleError, read, resolve
from media_analytics.databricks.rules import GOLD_TASKS, INGEST, JOB, SILVER_TASKS
from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import declared, operations_of
from media_analytics_tests.conventions.source import ROOT

TARGETS: tuple[Environment, ...] = get_args(Environment)
VALUES = {
    "slack_destination": "4f0a",
    "service_principal": "9c0b",
    "key_vault_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v",
    "key_vault_dns": "https://v.vault.example.org/",
}
Bundle = dict[str, Any]
BUNDLE: Bundle = read(ROOT / FILE)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_what_the_settings_say(name: Environment) -> None:
    """Spelled out beside `rules.py`, so that a rule that compares nothing is found."""
    target = check(BUNDLE, ROOT, name, VALUES)
    operations = operations_of(name)
    (job,), (cluster,) = target.resources.jobs.values(), target.resources.clusters.values()
    pipeline = operations.pipeline
    assert target.variables["data_path"] == declared(name)["lake"]["url"] == f"/mnt/{name}/media_analytics"
    assert cluster.node_type_id == operations.cluster.node_type
    assert cluster.workers == (operations.cluster.min_workers, operations.cluster.max_workers)
    assert (cluster.autoscale is not None) == (name == "prod")
    assert cluster.autotermination_minutes == operations.cluster.auto_termination_minutes
    assert {task.max_retries for task in job.tasks} == {pipeline.retries}
    assert job.timeout_seconds == pipeline.timeout_minutes * 60
    assert (job.schedule.cron if job.schedule else None) == pipeline.cron
    assert [rule.value for rule in job.health.rules] == [operations.health.longest_run_minutes * 60]
    assert job.email_notifications.on_failure == operations.notifications.email_to
    assert bool(job.email_notifications.on_start) == ("start" in operations.notifications.email_on)


@pytest.mark.parametrize("name", TARGETS)
def test_eleven_tasks_one_then_five_then_five(name: Environment) -> None:
    target = check(BUNDLE, ROOT, name, VALUES)
    parents = {task.task_key: task.parents for task in target.resources.jobs[JOB].tasks}
    assert len(parents) == 11
    assert parents[INGEST] == frozenset()
    assert {parents[key] for key in SILVER_TASKS} == {frozenset((INGEST,))}
    assert {parents[key] for key in GOLD_TASKS} == {frozenset(SILVER_TASKS)}


def test_prod_runs_as_a_service_principal_with_secrets_of_a_key_vault() -> None:
    target = check(BUNDLE, ROOT, "prod", VALUES)
    assert target.run_as is not None
    assert target.run_as.service_principal_name == "9c0b"
    (scope,) = target.resources.secret_scopes.values()
    assert (scope.name, scope.backend_type) == ("media-analytics-prod", "AZURE_KEYVAULT")
    secrets = SECRET.findall(json.dumps(target.model_dump(mode="json")))
    assert {where for where, _ in secrets} == {"media-analytics-prod"}
    assert len(secrets) == 3


@pytest.mark.parametrize("name", TARGETS)
def test_databricks_own_types_take_the_job(name: Environment) -> None:
    """Catches a name or shape that our own model allows and Databricks' published types do not know."""
    (job,) = check(BUNDLE, ROOT, name, VALUES).resources.jobs.values()
    written = json.loads(job.model_dump_json(exclude_none=True))
    made = databricks_jobs.Job.from_dict(written)
    assert len(made.tasks) == 11
    written["tasks"][0]["max_retry"] = 1
    with pytest.raises(ValueError, match="max_retry"):
        databricks_jobs.Job.from_dict(written)


def _job(bundle: Bundle) -> Bundle:
    return bundle["resources"]["jobs"][JOB]


def _task(bundle: Bundle, key: str) -> Bundle:
    return next(task for task in _job(bundle)["tasks"] if task["task_key"] == key)


def _of(bundle: Bundle, target: str, kind: str) -> Bundle:
    name = JOB if kind == "jobs" else "pipeline"
    return bundle["targets"][target]["resources"][kind][name]


def _drop(values: Bundle, key: str) -> None:
    del values[key]


def _step(bundle: Bundle, key: str, step: str) -> None:
    task = _task(bundle, key)
    parameters = list(task["spark_python_task"]["parameters"])
    parameters[parameters.index("--step") + 1] = step
    task["spark_python_task"] = {**task["spark_python_task"], "parameters": parameters}


Mutation = tuple[Environment, Callable[[Bundle], object], str]
GOLD_1, SILVER_1 = GOLD_TASKS[0], SILVER_TASKS[0]
MUTATIONS: Mapping[str, Mutation] = {
    "a mistyped key of a task": (
        "dev", lambda b: _task(b, INGEST).update(max_retry=1), r"max_retry: Extra inputs"),
    "a mistyped key of the job": ("qa", lambda b: _job(b).update(timeout=1), r"timeout: Extra"),
    "a task is gone": ("dev", lambda b: _job(b)["tasks"].remove(_task(b, GOLD_1)), f"{GOLD_1} is missing"),
    "a twelfth task": (
        "uat", lambda b: _job(b)["tasks"].append({**_task(b, INGEST), "task_key": "more"}), "not one of"),
    "a task twice": ("uat", lambda b: _job(b)["tasks"].append(_task(b, INGEST)), "stands twice"),
    "gold that does not wait": (
        "prod", lambda b: _task(b, GOLD_1).update(depends_on=[{"task_key": INGEST}]), f"{GOLD_1} waits"),
    "silver that waits for silver": (
        "dev", lambda b: _task(b, SILVER_1).update(depends_on=[{"task_key": SILVER_TASKS[1]}]), "waits for"),
    "a task that runs another step": ("qa", lambda b: _step(b, GOLD_1, "gold.other"), "runs step gold.other"),
    "another script": (
        "dev", lambda b: _task(b, INGEST)["spark_python_task"].update(python_file="x.py"), "starts x.py"),
    "the data path of another environment": (
        "qa", lambda b: b["targets"]["qa"]["variables"].update(data_path="/mnt/prod/media_analytics"),
        "expected /mnt/qa/media_analytics"),
    "a small machine in prod": (
        "prod", lambda b: b["targets"]["prod"]["variables"].update(node_type="Standard_DS3_v2"), "node type"),
    "another number of workers": ("dev", lambda b: _of(b, "dev", "clusters").update(num_workers=3), "workers"),
    "no size at all": ("dev", lambda b: _drop(_of(b, "dev", "clusters"), "num_workers"), "either num_workers"),
    "two sizes": ("prod", lambda b: _of(b, "prod", "clusters").update(num_workers=5), "either num_workers"),
    "bounds in the wrong order": (
        "prod", lambda b: _of(b, "prod", "clusters").update(autoscale={"min_workers": 10, "max_workers": 5}),
        "max_workers must be above"),
    "a cluster that stays": (
        "uat", lambda b: _of(b, "uat", "clusters").update(autotermination_minutes=120), "ends after 120"),
    "another number of retries": (
        "dev", lambda b: b["targets"]["dev"]["variables"].update(retries=2), "tried again 2 times"),
    "retries that are a word": (
        "dev", lambda b: b["targets"]["dev"]["variables"].update(retries="two"), "max_retries: Input"),
    "a longer timeout": ("qa", lambda b: _of(b, "qa", "jobs").update(timeout_seconds=9999), "timeout 9999"),
    "no timeout": ("qa", lambda b: _drop(_of(b, "qa", "jobs"), "timeout_seconds"), "timeout_seconds: Field"),
    "a schedule in dev": (
        "dev", lambda b: _of(b, "dev", "jobs").update(schedule=_of(b, "qa", "jobs")["schedule"]), "schedule"),
    "no schedule in prod": ("prod", lambda b: _drop(_of(b, "prod", "jobs"), "schedule"), "schedule None"),
    "another hour": (
        "uat", lambda b: _of(b, "uat", "jobs")["schedule"].update(quartz_cron_expression="0 0 3 * * ?"),
        "schedule 0 3"),
    "a schedule in Unix' syntax": (
        "uat", lambda b: _of(b, "uat", "jobs")["schedule"].update(quartz_cron_expression="0 1 * * *"),
        "should match pattern"),
    "a schedule in local time": (
        "uat", lambda b: _of(b, "uat", "jobs")["schedule"].update(timezone_id="Europe/Berlin"), "timezone_id"),
    "a paused schedule": (
        "prod", lambda b: _of(b, "prod", "jobs")["schedule"].update(pause_status="PAUSED"), "not paused"),
    "nobody hears of a failure": (
        "dev", lambda b: _drop(_of(b, "dev", "jobs")["email_notifications"], "on_failure"), "on_failure"),
    "no mail at the start in prod": (
        "prod", lambda b: _drop(_of(b, "prod", "jobs")["email_notifications"], "on_start"), "e-mail on"),
    "Slack is silent in prod": (
        "prod", lambda b: _drop(_of(b, "prod", "jobs")["webhook_notifications"], "on_success"), "Slack on"),
    "mail to others": (
        "qa", lambda b: _of(b, "qa", "jobs")["email_notifications"].update(on_failure=["x@example.org"]),
        "e-mail goes to"),
    "a late health rule": (
        "dev", lambda b: _job(b)["health"]["rules"][0].update(value=9000), "alerts after"),
    "no health rule": ("dev", lambda b: _drop(_job(b), "health"), "health: Field required"),
    "another SLA": ("qa", lambda b: _of(b, "qa", "jobs")["tags"].update(sla_minutes="60"), "sla_minutes"),
    "two runs at once": ("dev", lambda b: _job(b).update(max_concurrent_runs=2), "two runs at once"),
    "nobody runs prod": ("prod", lambda b: _drop(b["targets"]["prod"], "run_as"), "run as a service"),
    "no rights in prod": ("prod", lambda b: _drop(b["targets"]["prod"], "permissions"), "must manage it"),
    "a single person manages prod": (
        "prod", lambda b: b["targets"]["prod"]["permissions"].append(
            {"user_name": "one@example.org", "level": "CAN_MANAGE"}), "not to single people"),
    "a right of nobody": (
        "prod", lambda b: b["targets"]["prod"]["permissions"].append({"level": "CAN_VIEW"}), "of one group"),
    "a right that does not exist": (
        "prod", lambda b: b["targets"]["prod"]["permissions"][1].update(level="ALL"), "level"),
    "prod in development mode": (
        "prod", lambda b: b["targets"]["prod"].update(mode="development"), "mode production"),
    "prod's secrets beside the vault": (
        "prod", lambda b: b["targets"]["prod"]["resources"]["secret_scopes"].update(
            pipeline={"backend_type": "DATABRICKS"}), "backed by Key Vault"),
    "a vault that is none": (
        "prod", lambda b: _drop(_of(b, "prod", "secret_scopes"), "keyvault_metadata"), "keyvault_metadata"),
    "a secret in plain text": (
        "dev", lambda b: b["resources"]["clusters"]["pipeline"]["spark_env_vars"].update(
            AZURE_CLIENT_SECRET="x"), "must come from a secret scope"),
    "a secret of another scope": (
        "dev", lambda b: b["resources"]["clusters"]["pipeline"]["spark_env_vars"].update(
            AZURE_CLIENT_SECRET="{{secrets/media-analytics-prod/x}}"), "scope media-analytics-prod"),
    "a variable that nobody declares": (
        "dev", lambda b: _job(b).update(name="${var.nothing}"), r"var\.nothing}, which is nothing"),
    "a variable without a value": (
        "qa", lambda b: _drop(b["targets"]["qa"]["variables"], "retries"), "BUNDLE_VAR_retries"),
    "a variable that is not used anywhere": (
        "qa", lambda b: b["targets"]["qa"]["variables"].update(retry=1), "retry unknown"),
    "a cluster that is not there": (
        "dev", lambda b: _task(b, INGEST).update(existing_cluster_id="${resources.clusters.other.id}"),
        "which is nothing"),
    "a target that is missing": ("dev", lambda b: _drop(b["targets"], "uat"), "targets dev, prod, qa; expected"),
    "a fifth target": (
        "dev", lambda b: b["targets"].update(test=b["targets"]["qa"]), "targets dev, prod, qa, test, uat"),
    "a mistyped key of a target": (
        "dev", lambda b: b["targets"]["dev"].update(resource={}), "resource unknown"),
    "a date that is written down": (
        "dev", lambda b: _job(b).update(parameters=[]), "one parameter, date"),
}  # fmt: skip


@pytest.mark.parametrize("case", MUTATIONS)
def test_a_change_is_found(case: str, tmp_path: Path) -> None:
    """Each would otherwise be deployed, or be found by the workspace at best."""
    name, mutate, said = MUTATIONS[case]
    bundle = _copy()
    mutate(bundle)
    with pytest.raises(BundleError) as caught:
        check(bundle, ROOT, name, VALUES)
    assert re.search(said, str(caught.value)), str(caught.value)


def _copy() -> Bundle:
    """Through JSON: anchors of the file must not carry a change of one task to the others."""
    copied: Bundle = json.loads(json.dumps(BUNDLE))
    return copied


def test_the_unchanged_copy_is_valid() -> None:
    """Otherwise the mutations would fail for another reason."""
    for name in TARGETS:
        check(_copy(), ROOT, name, VALUES)


def test_a_script_that_is_not_there_is_found(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="which must be there"):
        check(BUNDLE, tmp_path, "dev", VALUES)


def test_what_only_an_installation_knows_is_asked_for_where_it_is_needed() -> None:
    assert check_offline(ROOT, "dev", {})[1] == ["slack_destination"]
    assert check_offline(ROOT, "prod", {})[1] == sorted(VALUES)
    assert check_offline(ROOT, "prod", VALUES)[1] == []


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """YAML takes the second one in silence."""
    (tmp_path / FILE).write_text(
        "bundle: {name: a}\ntargets:\n  dev: {mode: development}\n  dev: {}\n", "utf-8"
    )
    with pytest.raises(BundleError, match="dev stands twice"):
        read(tmp_path / FILE)


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(BundleError, match="expected one of dev, qa, uat, prod"):
        resolve(BUNDLE, "staging", VALUES)
