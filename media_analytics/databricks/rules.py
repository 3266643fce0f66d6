"""What our bundle must say: the eleven tasks, and what each environment promises.

Belongs here: comparing a resolved target with the pipeline's shape and `media_analytics.environments`. Does not belong
here: what Databricks allows (`model.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from media_analytics.databricks.model import SECRET, Emails, Job, Target, Webhooks
from media_analytics.environments.operations import BEST_EFFORT, Environment, Occasion, Operations

JOB = "media_analytics_pipeline"
ENTRY_POINT = "spark_jobs/jobs/media_analytics_pipeline.py"
SILVER = ("assets", "devices", "geo", "delivery", "metrics")
GOLD = (
    "executive_summary",
    "content_performance",
    "delivery_quality",
    "device_analytics",
    "geographic_analytics",
)
INGEST = "ingest"
SILVER_TASKS = tuple(f"silver_{name}" for name in SILVER)
GOLD_TASKS = tuple(f"gold_{name}" for name in GOLD)
# Task -> the step it runs and the tasks it waits for.
SHAPE: Mapping[str, tuple[str, frozenset[str]]] = {
    INGEST: ("ingest", frozenset()),
    **{f"silver_{n}": (f"silver.{n}", frozenset((INGEST,))) for n in SILVER},
    **{f"gold_{n}": (f"gold.{n}", frozenset(SILVER_TASKS)) for n in GOLD},
}
ARGUMENTS: Mapping[str, str] = {
    "date": "{{job.parameters.date}}",
    "started": "{{job.start_time.iso_date}}",
    "run": "{{job.run_id}}",
}


def violations(
    target: Target, environment: Environment, operations: Operations, data_path: str, root: Path
) -> list[str]:
    """What differs from the pipeline's shape and the environment's promises; empty when all is as it must be."""
    jobs = target.resources.jobs
    if set(jobs) != {JOB} or jobs[JOB].name != JOB:
        return [f"there must be one job, {JOB}; found {', '.join(jobs)}"]
    job = jobs[JOB]
    return [
        *_shape(job, root),
        *_arguments(job, environment, data_path, target),
        *_sizes(target, operations),
        *_limits(job, operations),
        *_telling(job, operations),
        *_secrets(target, environment),
        *_rights(target, environment),
    ]


def _shape(job: Job, root: Path) -> Iterator[str]:
    found = {task.task_key: (task.spark_python_task.argument("step"), task.parents) for task in job.tasks}
    if len(found) != len(job.tasks):
        yield "a task key stands twice"
    for key in sorted(SHAPE.keys() - found.keys()):
        yield f"task {key} is missing"
    for key in sorted(found.keys() - SHAPE.keys()):
        yield f"task {key} is not one of the eleven"
    for key in sorted(SHAPE.keys() & found.keys()):
        step, parents = SHAPE[key]
        if found[key][0] != step:
            yield f"task {key} runs step {found[key][0]}; expected {step}"
        if found[key][1] != parents:
            yield f"task {key} waits for {_listed(found[key][1])}; expected {_listed(parents)}"
    for task in job.tasks:
        file = task.spark_python_task.python_file
        if file != ENTRY_POINT or not (root / file).is_file():
            yield f"task {task.task_key} starts {file}; expected {ENTRY_POINT}, which must be there"


def _arguments(job: Job, environment: Environment, data_path: str, target: Target) -> Iterator[str]:
    expected = {
        **ARGUMENTS,
        "environment": environment,
        "data-path": data_path,
        "landing": str(target.variables.get("landing_path")),
    }
    for task in job.tasks:
        for name, value in expected.items():
            given = task.spark_python_task.argument(name)
            if given != value:
                yield f"task {task.task_key} gets --{name} {given}; expected {value}"
    if [parameter.name for parameter in job.parameters] != ["date"]:
        yield "the job must have one parameter, date"


def _sizes(target: Target, operations: Operations) -> Iterator[str]:
    expected = operations.cluster
    clusters = target.resources.clusters
    if len(clusters) != 1:
        yield f"the tasks share one cluster; found {_listed(clusters)}"
        return
    (name, cluster), *_ = clusters.items()
    sizes = (expected.min_workers, expected.max_workers)
    if cluster.workers != sizes:
        yield f"workers {cluster.workers}; the settings say {sizes}"
    for kind in (cluster.node_type_id, cluster.driver_node_type_id):
        if kind != expected.node_type:
            yield f"node type {kind}; the settings say {expected.node_type}"
    if cluster.autotermination_minutes != expected.auto_termination_minutes:
        yield (
            f"the idle cluster ends after {cluster.autotermination_minutes} min; the settings say "
            f"{expected.auto_termination_minutes}"
        )
    own = f"${{resources.clusters.{name}.id}}"
    for task in target.resources.jobs[JOB].tasks:
        if task.existing_cluster_id != own:
            yield f"task {task.task_key} runs on {task.existing_cluster_id}; expected {own}"


def _limits(job: Job, operations: Operations) -> Iterator[str]:
    pipeline = operations.pipeline
    for task in job.tasks:
        if task.max_retries != pipeline.retries:
            yield f"task {task.task_key} is tried again {task.max_retries} times; the settings say {pipeline.retries}"
        if task.retry_on_timeout:
            yield f"task {task.task_key} is tried again after a timeout; a run that took too long ends"
    timeout = int(pipeline.timeout.total_seconds())
    if job.timeout_seconds != timeout:
        yield f"timeout {job.timeout_seconds} s; the settings say {timeout}"
    cron = job.schedule.cron if job.schedule else None
    if cron != pipeline.cron or (job.schedule and job.schedule.pause_status != "UNPAUSED"):
        yield f"schedule {cron}; the settings say {pipeline.cron or 'on demand'}, not paused"
    sla = pipeline.sla_minutes if pipeline.sla_minutes == BEST_EFFORT else str(pipeline.sla_minutes)
    if job.tags.get("sla_minutes") != sla:
        yield f"tag sla_minutes is {job.tags.get('sla_minutes')}; the settings say {sla}"
    longest = int(operations.health.longest_run.total_seconds())
    if [rule.value for rule in job.health.rules] != [longest]:
        yield f"the health rule alerts after {[r.value for r in job.health.rules]} s; the settings say {longest}"
    if job.max_concurrent_runs != 1:
        yield "two runs at once would write the same tables; max_concurrent_runs must be 1"


def _telling(job: Job, operations: Operations) -> Iterator[str]:
    telling = operations.notifications
    emails, webhooks = job.email_notifications, job.webhook_notifications
    if _occasions(emails) != set(telling.email_on):
        yield f"e-mail on {_listed(_occasions(emails))}; the settings say {_listed(telling.email_on)}"
    if _occasions(webhooks) != set(telling.slack_on):
        yield f"Slack on {_listed(_occasions(webhooks))}; the settings say {_listed(telling.slack_on)}"
    everybody = {
        *emails.on_start,
        *emails.on_success,
        *emails.on_failure,
        *emails.on_duration_warning_threshold_exceeded,
    }
    if everybody != set(telling.email_to):
        yield f"e-mail goes to {_listed(everybody)}; the settings say {_listed(telling.email_to)}"


def _occasions(told: Emails | Webhooks) -> set[Occasion]:
    named: dict[Occasion, Sequence[object]] = {
        "start": told.on_start,
        "success": told.on_success,
        "failure": told.on_failure,
    }
    return {occasion for occasion, who in named.items() if who}


def _secrets(target: Target, environment: Environment) -> Iterator[str]:
    scopes = {scope.name: scope for scope in target.resources.secret_scopes.values()}
    for cluster in target.resources.clusters.values():
        for name, value in {**cluster.spark_env_vars, **cluster.spark_conf}.items():
            for found in SECRET.finditer(value):
                if found["scope"] not in scopes:
                    yield f"{name} reads a secret of scope {found['scope']}; declared is {_listed(scopes)}"
            if name.upper().endswith(("SECRET", "PASSWORD", "TOKEN", "KEY")) and not SECRET.fullmatch(value):
                yield f"{name} must come from a secret scope: {{{{secrets/SCOPE/KEY}}}}"
    for scope in scopes.values():
        if environment == "prod" and scope.backend_type != "AZURE_KEYVAULT":
            yield f"secret scope {scope.name} must be backed by Key Vault in prod"
    if not scopes:
        yield "there is no secret scope"


def _rights(target: Target, environment: Environment) -> Iterator[str]:
    if environment != "prod":
        return
    if target.mode != "production":
        yield "prod must be deployed in mode production"
    if target.run_as is None:
        yield "prod must run as a service principal"
        return
    managers = [p for p in target.permissions if p.level == "CAN_MANAGE" and p.service_principal_name]
    if [p.service_principal_name for p in managers] != [target.run_as.service_principal_name]:
        yield "in prod the service principal that runs the job must manage it, and no other one"
    if not any(p.group_name for p in target.permissions if p.level == "CAN_MANAGE"):
        yield "in prod a group must be able to manage the job"
    if any(p.user_name for p in target.permissions):
        yield "in prod rights are given to groups, not to single people"
    for cluster in target.resources.clusters.values():
        if cluster.single_user_name != target.run_as.service_principal_name:
            yield "prod's cluster must be of the service principal that runs the job"


def _listed(names: object) -> str:
    values = (
        sorted(map(str, names)) if isinstance(names, (set, frozenset, dict, tuple, list)) else [str(names)]
    )
    return ", ".join(values) or "nothing"
