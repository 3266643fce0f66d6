"""What each environment promises: the numbers, and that none can be left out or mistyped."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from media_analytics.environments import reading
from media_analytics.environments.operations import Environment, Operations
from media_analytics.environments.reading import declared, operations_of
from media_analytics.errors import SettingsError
from media_analytics_tests.builders import settings as builder

ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# environment -> workers, retries, timeout, cron, SLA
PROMISED: Mapping[Environment, tuple[tuple[int, int], int, timedelta, str | None, timedelta | None]] = {
    "dev": ((2, 2), 1, 1 * HOUR, None, None),
    "qa": ((2, 2), 2, 2 * HOUR, "0 2 * * *", 30 * MINUTE),
    "uat": ((2, 2), 2, 2 * HOUR, "0 1 * * *", 20 * MINUTE),
    "prod": ((5, 10), 2, 4 * HOUR, "0 1 * * *", 20 * MINUTE),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_promises_what_was_agreed(environment: Environment) -> None:
    found = operations_of(environment)
    pipeline, cluster = found.pipeline, found.cluster
    assert PROMISED[environment] == (
        (cluster.min_workers, cluster.max_workers),
        pipeline.retries,
        pipeline.timeout,
        pipeline.cron,
        pipeline.sla,
    )
    assert cluster.is_autoscaled == (environment == "prod")
    assert found.health.longest_run == 2 * HOUR
    everything = ("start", "success", "failure")
    assert found.notifications.email_on == (everything if environment == "prod" else ("failure",))
    assert declared(environment)["lake"]["url"] == f"/mnt/{environment}/media_analytics"


def _leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)


def _without(values: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    copy = deepcopy(dict(values))
    node = copy
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return copy


LEAVES = sorted(_leaves(declared("prod")["operations"]))


@pytest.mark.parametrize("path", LEAVES, ids=".".join)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_promise_left_out_of_a_file_is_an_error_that_names_its_fix(
    environment: Environment, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a default that would quietly stand in for what an environment does not say."""
    files = declared(environment)
    cut = files | {"operations": _without(files["operations"], path)}
    monkeypatch.setattr(reading, "declared", lambda _: cut)
    variable = "MEDIA_ANALYTICS_OPERATIONS__" + "__".join(path).upper()
    with pytest.raises(SettingsError, match=f"(?s){variable}: is missing.*{environment}.toml"):
        operations_of(environment)


WRONG = {
    "a name that is not known": ("pipeline", "retrys", 2, "retries, schedule"),
    "no daily schedule": ("pipeline", "schedule", "every day", "on demand"),
    "an hour that does not exist": ("pipeline", "schedule", "0 25 * * *", "0 2 * * *"),
    "a promise without a time": ("pipeline", "schedule", "on demand", "best effort"),
    "negative retries": ("pipeline", "retries", -1, "greater than or equal to 0"),
    "no time at all": ("pipeline", "timeout_minutes", 0, "greater than or equal to 1"),
    "an SLA that is no number": ("pipeline", "sla_minutes", "soon", "best effort"),
    "fewer workers at most than at least": ("cluster", "max_workers", 1, "below min_workers"),
    "an occasion that does not exist": ("notifications", "email_on", ["failure", "end"], "success"),
    "failures that nobody is told of": ("notifications", "slack_on", ["start"], "must hold `failure`"),
    "an occasion named twice": ("notifications", "email_on", ["failure", "failure"], "twice"),
    "no address": ("notifications", "email_to", ["nobody"], "EMAIL_TO__0"),
    "nobody": ("notifications", "email_to", [], "at least 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_promise_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    section, name, value, said = WRONG[case]
    files = deepcopy(declared("prod"))
    files["operations"][section][name] = value
    monkeypatch.setattr(reading, "declared", lambda _: files)
    with pytest.raises(SettingsError, match="MEDIA_ANALYTICS_OPERATIONS__") as caught:
        operations_of("prod")
    assert said in str(caught.value)


def test_a_variable_replaces_a_promise_of_one_installation(tmp_path: Path) -> None:
    changed = builder.make(
        tmp_path, OPERATIONS__PIPELINE__RETRIES="3", OPERATIONS__HEALTH__LONGEST_RUN_MINUTES="5"
    )
    assert (changed.operations.pipeline.retries, changed.operations.health.longest_run) == (3, 5 * MINUTE)
    assert builder.make(tmp_path).operations == operations_of("dev")


def test_every_environment_states_every_promise() -> None:
    assert {frozenset(_leaves(declared(e)["operations"])) for e in ENVIRONMENTS} == {frozenset(LEAVES)}
    assert {path[0] for path in LEAVES} == set(Operations.model_fields)
