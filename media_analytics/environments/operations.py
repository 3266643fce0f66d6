"""What each environment promises of the video pipeline: sizes, retries, limits, times, who is told.

Belongs here: the typed model of these promises, read from `<environment>.toml` alone. No value has a default: each
environment states all of them. Does not belong here: addresses and secrets of one installation
(`media_analytics.settings`), what applies the promises (`media_analytics.automation`, `media_analytics.databricks`).
"""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Environment = Literal["dev", "qa", "uat", "prod"]
Occasion = Literal["start", "success", "failure"]
_DAILY = re.compile(r"(?P<minute>[0-5]?\d) (?P<hour>1?\d|2[0-3]) \* \* \*")
ON_DEMAND: Literal["on demand"] = "on demand"
BEST_EFFORT: Literal["best effort"] = "best effort"


class Section(BaseModel):
    """A part of the settings: unknown names are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _daily(text: str) -> str:
    if not _DAILY.fullmatch(text):
        raise ValueError(
            f"{text!r} is no schedule; expected `on demand`, or minute and hour in UTC: `0 2 * * *`"
        )
    return text


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError(f"{', '.join(values)} names something twice")
    return values


Schedule = Annotated[str, AfterValidator(lambda text: text if text == ON_DEMAND else _daily(text))]
Address = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Cluster(Section):
    """The Spark cluster of one run. Both worker counts equal: a fixed size; else it is scaled between them."""

    min_workers: int = Field(ge=1)
    max_workers: int = Field(ge=1)
    node_type: str
    # An idle cluster ends itself after so many minutes.
    auto_termination_minutes: int = Field(ge=10)

    @model_validator(mode="after")
    def _sizes_in_order(self) -> Self:
        if self.max_workers < self.min_workers:
            raise ValueError(f"max_workers {self.max_workers} is below min_workers {self.min_workers}")
        return self

    @property
    def is_autoscaled(self) -> bool:
        """Whether the number of workers may change during a run."""
        return self.min_workers != self.max_workers


class Pipeline(Section):
    """The job `media_analytics_pipeline`. A step is tried again `retries` times; times of day are UTC."""

    retries: int = Field(ge=0, le=10)
    # A run that takes longer is ended and counts as failed.
    timeout_minutes: int = Field(ge=1)
    schedule: Schedule
    # So long after the scheduled time its tables must stand; without a promise `best effort`.
    sla_minutes: Literal["best effort"] | Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _a_promise_needs_a_time(self) -> Self:
        if self.schedule == ON_DEMAND and self.sla_minutes != BEST_EFFORT:
            raise ValueError(
                "sla_minutes counts from the scheduled time; `on demand` has none: `best effort`"
            )
        return self

    @property
    def cron(self) -> str | None:
        """The schedule as cron in UTC; None on demand."""
        return None if self.schedule == ON_DEMAND else self.schedule

    @property
    def timeout(self) -> timedelta:
        """The longest a run may take."""
        return timedelta(minutes=self.timeout_minutes)

    @property
    def sla(self) -> timedelta | None:
        """How long after the scheduled time the tables must stand; None for best effort."""
        return None if self.sla_minutes == BEST_EFFORT else timedelta(minutes=int(self.sla_minutes))


class Telling(Section):
    """Who is told of a run, and when. Breaches of an SLA and runs that take too long are told like failures."""

    email_on: Annotated[tuple[Occasion, ...], AfterValidator(_distinct)] = Field(min_length=1)
    slack_on: Annotated[tuple[Occasion, ...], AfterValidator(_distinct)] = Field(min_length=1)
    email_to: Annotated[tuple[Address, ...], AfterValidator(_distinct)] = Field(min_length=1)

    @model_validator(mode="after")
    def _failures_are_told(self) -> Self:
        silent = [name for name in ("email_on", "slack_on") if "failure" not in getattr(self, name)]
        if silent:
            raise ValueError(f"{' and '.join(silent)} must hold `failure`: nobody would hear of it")
        return self


class HealthRule(Section):
    """What counts as unhealthy while it runs."""

    # A run still going after so many minutes raises an alert, once.
    longest_run_minutes: int = Field(ge=1)

    @property
    def longest_run(self) -> timedelta:
        """How long a run may go on before an alert."""
        return timedelta(minutes=self.longest_run_minutes)


class Operations(Section):
    """All promises of one environment."""

    cluster: Cluster
    pipeline: Pipeline
    notifications: Telling
    health: HealthRule
