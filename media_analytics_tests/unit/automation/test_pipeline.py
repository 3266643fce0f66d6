"""The environment's retries, longest run and schedule are what Dagster applies to a job."""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import dagster as dg
import pytest
from dagster._core.definitions.dependency import OpNode

from media_analytics.automation.notices.message import CHECKS_WITH_A_PAGE, RUNBOOKS
from media_analytics.automation.pipeline import PIPELINE, pipeline_schedules, retries, run_tags
from media_analytics.build import build_defs
from media_analytics.environments.operations import Environment
from media_analytics.environments.reading import operations_of
from media_analytics.errors import SettingsError
from media_analytics_tests.builders import settings as builder
from media_analytics_tests.conventions.source import ROOT

NUMBERS = {"dev": (1, "3600"), "qa": (2, "7200"), "uat": (2, "7200"), "prod": (2, "14400")}


@pytest.mark.parametrize("environment", get_args(Environment))
def test_retries_and_longest_run_are_the_environments(environment: Environment) -> None:
    operations = operations_of(environment)
    found = retries(operations).max_retries, run_tags(operations)["dagster/max_runtime"]
    assert found == NUMBERS[environment]


def _job() -> dg.JobDefinition:
    @dg.op
    def work() -> None:
        return None

    @dg.job(name="some_job")
    def some_job() -> None:
        work()

    return some_job


@pytest.mark.parametrize(("hour", "cron"), [("1", "0 1 * * *"), ("2", "0 2 * * *")])
def test_a_scheduled_job_runs_for_the_day_before(hour: str, cron: str, tmp_path: Path) -> None:
    """Catches a run for the day that has just begun, and a schedule in local time."""
    settings = builder.make(
        tmp_path, OPERATIONS__PIPELINE__SCHEDULE=f"0 {hour} * * *", VIDEO__LANDING=str(tmp_path)
    )
    (schedule,) = pipeline_schedules(settings, [_job()])
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    at = datetime(2026, 3, 1, int(hour), tzinfo=UTC)
    (request,) = (
        schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at)).run_requests or []
    )
    assert request.tags["dagster/partition"] == "2026-02-28"


def test_on_demand_there_is_no_schedule(tmp_path: Path) -> None:
    assert pipeline_schedules(builder.make(tmp_path), [_job()]) == []


def test_every_notice_has_its_runbook() -> None:
    pages = [*RUNBOOKS.values(), *CHECKS_WITH_A_PAGE]
    missing = [page for page in pages if not (ROOT / "docs/runbooks" / f"{page}.md").is_file()]
    assert missing == []


def test_a_schedule_without_a_folder_is_refused(tmp_path: Path) -> None:
    """Catches an environment whose daily run fails each night for want of a setting."""
    settings = builder.make(tmp_path, OPERATIONS__PIPELINE__SCHEDULE="0 1 * * *")
    with pytest.raises(SettingsError, match="MEDIA_ANALYTICS_VIDEO__LANDING"):
        pipeline_schedules(settings, [_job()])


def test_the_definitions_carry_the_environments_numbers(tmp_path: Path) -> None:
    """Catches numbers that are read and shown, but not what Dagster works with."""
    settings = builder.make(
        tmp_path,
        VIDEO__LANDING=str(tmp_path),
        OPERATIONS__PIPELINE__RETRIES="7",
        OPERATIONS__PIPELINE__TIMEOUT_MINUTES="11",
        OPERATIONS__PIPELINE__SCHEDULE="5 4 * * *",
    )
    defs = build_defs(settings)
    job = defs.resolve_job_def(PIPELINE)
    assert job.tags["dagster/max_runtime"] == "660"
    assert len(job.nodes) == 11
    policies = {node.definition.retry_policy for node in job.nodes if isinstance(node, OpNode)}
    assert {policy.max_retries for policy in policies if policy is not None} == {7}
    assert None not in policies
    others = defs.resolve_job_def("reader_tables").nodes
    assert 7 not in {n.definition.retry_policy.max_retries for n in others if n.definition.retry_policy}
    schedule = defs.resolve_schedule_def(f"{PIPELINE}_daily")
    assert (schedule.cron_schedule, schedule.job_name) == ("5 4 * * *", PIPELINE)
