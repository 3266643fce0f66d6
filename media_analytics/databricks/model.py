"""What may stand in a resolved `databricks.yml`: the part of Databricks' bundle schema that we use, typed.

Belongs here: names, types and bounds of Databricks' jobs, clusters and secret scopes. Does not belong here: reading and
merging targets (`reading.py`), what our pipeline must look like (`rules.py`).

Names and values are those of the Jobs, Clusters and Secrets APIs; a name that is not here is refused, so that a
mistyped one is found before a workspace ignores it.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Level = Literal[
    "CAN_VIEW", "CAN_MANAGE_RUN", "CAN_RUN", "CAN_MANAGE", "IS_OWNER", "CAN_RESTART", "CAN_ATTACH_TO"
]
SECRET = re.compile(r"\{\{secrets/(?P<scope>[\w.@-]+)/(?P<key>[\w.-]+)\}\}")
_QUARTZ = r"^[0-5]?\d [0-5]?\d (1?\d|2[0-3]) \* \* \?$"


class Part(BaseModel):
    """A mapping of the bundle; nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Autoscale(Part):
    """Bounds of the number of workers."""

    min_workers: int = Field(ge=1)
    max_workers: int = Field(ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_workers <= self.min_workers:
            raise ValueError("max_workers must be above min_workers; for a fixed size write num_workers")
        return self


class Cluster(Part):
    """One cluster that all tasks share; it ends itself when idle."""

    cluster_name: str
    spark_version: str = Field(pattern=r"^\d+\.\d+\.x-scala2\.1[23]$")
    node_type_id: str
    driver_node_type_id: str
    num_workers: int | None = Field(default=None, ge=1)
    autoscale: Autoscale | None = None
    autotermination_minutes: int = Field(ge=10)
    data_security_mode: Literal["SINGLE_USER"]
    single_user_name: str | None = None
    spark_conf: dict[str, str]
    spark_env_vars: dict[str, str]

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.num_workers is None) == (self.autoscale is None):
            raise ValueError("a cluster has either num_workers or autoscale")
        return self

    @property
    def workers(self) -> tuple[int, int]:
        """Fewest and most workers."""
        if self.autoscale is not None:
            return self.autoscale.min_workers, self.autoscale.max_workers
        return self.num_workers or 0, self.num_workers or 0


class KeyVault(Part):
    """The Key Vault behind a secret scope."""

    resource_id: str = Field(pattern=r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/.+/vaults/[^/]+$")
    dns_name: str = Field(pattern=r"^https://[\w.-]+/$")


class SecretScope(Part):
    """Where secrets are read from."""

    name: str = Field(pattern=r"^[\w.@-]{1,128}$")
    backend_type: Literal["DATABRICKS", "AZURE_KEYVAULT"]
    keyvault_metadata: KeyVault | None = None

    @model_validator(mode="after")
    def _a_vault_where_it_says_so(self) -> Self:
        if (self.backend_type == "AZURE_KEYVAULT") != (self.keyvault_metadata is not None):
            raise ValueError("keyvault_metadata belongs to backend_type AZURE_KEYVAULT, and only to it")
        return self


class Package(Part):
    """A package of PyPI."""

    package: str


class Library(Part):
    """What a task needs beside Databricks' runtime."""

    pypi: Package


class PythonTask(Part):
    """A script of the project and its arguments."""

    python_file: str
    parameters: tuple[str, ...]

    def argument(self, name: str) -> str | None:
        """The value after `--name`."""
        given = dict(zip(self.parameters[::2], self.parameters[1::2], strict=False))
        return given.get(f"--{name}")


class Dependency(Part):
    """A task that must have succeeded."""

    task_key: str


class Task(Part):
    """One step."""

    task_key: str = Field(pattern=r"^[\w-]{1,100}$")
    depends_on: tuple[Dependency, ...] = ()
    existing_cluster_id: str
    max_retries: int = Field(ge=0)
    min_retry_interval_millis: int = Field(ge=0)
    retry_on_timeout: bool
    libraries: tuple[Library, ...]
    spark_python_task: PythonTask

    @property
    def parents(self) -> frozenset[str]:
        """Keys of the tasks it waits for."""
        return frozenset(dependency.task_key for dependency in self.depends_on)


class Schedule(Part):
    """A time of day."""

    quartz_cron_expression: str = Field(pattern=_QUARTZ)
    timezone_id: Literal["UTC"]
    pause_status: Literal["PAUSED", "UNPAUSED"]

    @property
    def cron(self) -> str:
        """The same as the settings write it: minute, hour."""
        _, minute, hour = self.quartz_cron_expression.split(" ")[:3]
        return f"{minute} {hour} * * *"


class Emails(Part):
    """Who gets an e-mail when."""

    on_start: tuple[Address, ...] = ()
    on_success: tuple[Address, ...] = ()
    on_failure: tuple[Address, ...] = Field(min_length=1)
    on_duration_warning_threshold_exceeded: tuple[Address, ...] = Field(min_length=1)


class Destination(Part):
    """A notification destination of the workspace."""

    id: str = Field(min_length=1)


class Webhooks(Part):
    """Which destinations are told when; Databricks takes three at most for each."""

    on_start: tuple[Destination, ...] = Field(default=(), max_length=3)
    on_success: tuple[Destination, ...] = Field(default=(), max_length=3)
    on_failure: tuple[Destination, ...] = Field(min_length=1, max_length=3)
    on_duration_warning_threshold_exceeded: tuple[Destination, ...] = Field(min_length=1, max_length=3)


class HealthRule(Part):
    """A number of a run that raises an alert. Seconds."""

    metric: Literal["RUN_DURATION_SECONDS"]
    op: Literal["GREATER_THAN"]
    value: int = Field(ge=1)


class Health(Part):
    """The rules of a job."""

    rules: tuple[HealthRule, ...] = Field(min_length=1)


class Queue(Part):
    """Whether runs wait while one is under way."""

    enabled: bool


class Parameter(Part):
    """A parameter of the job."""

    name: str
    default: str


class Job(Part):
    """The job."""

    name: str
    max_concurrent_runs: int = Field(ge=1)
    queue: Queue
    timeout_seconds: int = Field(ge=1)
    tags: dict[str, str]
    schedule: Schedule | None = None
    parameters: tuple[Parameter, ...]
    health: Health
    email_notifications: Emails
    webhook_notifications: Webhooks
    tasks: tuple[Task, ...]


class Permission(Part):
    """What somebody may do with everything the target deploys."""

    level: Literal["CAN_VIEW", "CAN_RUN", "CAN_MANAGE"]
    group_name: str | None = None
    user_name: str | None = None
    service_principal_name: str | None = None

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        holders = (self.group_name, self.user_name, self.service_principal_name)
        if sum(holder is not None for holder in holders) != 1 or "" in holders:
            raise ValueError("a permission is of one group, user or service principal")
        return self


class RunAs(Part):
    """As whom runs work."""

    service_principal_name: str = Field(min_length=1)


class Workspace(Part):
    """Where the bundle is kept. The host comes from DATABRICKS_HOST or a profile, never from this file."""

    root_path: str | None = Field(default=None, pattern=r"^/Workspace/")


class Resources(Part):
    """Everything the target deploys."""

    jobs: dict[str, Job]
    clusters: dict[str, Cluster]
    secret_scopes: dict[str, SecretScope]


class Target(Part):
    """One environment, merged and with its variables in place."""

    name: str
    mode: Literal["development", "production"] | None = None
    workspace: Workspace = Workspace()
    run_as: RunAs | None = None
    permissions: tuple[Permission, ...] = ()
    variables: dict[str, Any]
    resources: Resources
