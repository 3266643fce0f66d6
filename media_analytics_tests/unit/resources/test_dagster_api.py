"""Requests to Dagster's webserver are valid in the version that is installed."""

from pathlib import Path
from typing import Any

import pytest
from dagster_graphql.schema import create_schema
from graphql import parse, validate

from media_analytics.resources import dagster_api
from media_analytics.resources.dagster_api import DagsterApi
from media_analytics_tests.builders import settings as builder


@pytest.fixture(scope="module")
def schema() -> Any:
    return create_schema().graphql_schema


@pytest.mark.parametrize("name", ["_LAUNCH", "_RUN", "_FAILURES", "_NEWEST", "_CHECKS", "_DAEMONS"])
def test_requests_fit_the_schema(name: str, schema: Any) -> None:
    assert validate(schema, parse(getattr(dagster_api, name))) == []


def test_a_step_that_has_an_end_and_no_begin_does_not_end_the_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen while a run was watched: `dead-letters replay` and `make run` would have ended with a TypeError."""
    stats = [
        {"stepKey": "done", "status": "SUCCESS", "startTime": 2.0, "endTime": 5.0},
        {"stepKey": "odd", "status": "SUCCESS", "startTime": None, "endTime": 6.0},
        {"stepKey": "now", "status": "IN_PROGRESS", "startTime": 5.0, "endTime": None},
    ]
    answer = {
        "__typename": "Run",
        "status": "STARTED",
        "creationTime": 1.0,
        "startTime": 2.0,
        "endTime": None,
        "stepStats": stats,
    }
    api = DagsterApi(builder.make(tmp_path))
    monkeypatch.setattr(api, "_ask", lambda query, variables: {"runOrError": answer})
    run = api.run("r")
    assert (dict(run.steps), run.running) == ({"done": 3.0}, ("now",))


def test_the_newest_state_of_each_check_is_asked_for(
    schema: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The execution for the latest materialization would be empty each time a stream has written since.

    One under way says nothing yet: the newest verdict stands.
    """
    asked: list[str] = []
    nodes = [
        {
            "assetKey": {"path": ["kafka", "user.raw"]},
            "assetChecksOrError": {"checks": [{"name": "contract"}]},
        },
        {"assetKey": {"path": ["gold", "x"]}, "assetChecksOrError": {"checks": [{"name": "contract"}]}},
    ]

    def answer(query: str, variables: dict[str, Any]) -> dict[str, Any]:
        asked.append(query)
        return (
            {"assetNodes": nodes}
            if len(asked) == 1
            else {
                "c0": [{"status": "IN_PROGRESS"}, {"status": "SUCCEEDED"}, {"status": "FAILED"}],
                "c1": [],
            }
        )

    api = DagsterApi(builder.make(tmp_path))
    monkeypatch.setattr(api, "_ask", answer)
    assert api.checks() == {"kafka.user.raw: contract": "SUCCEEDED", "gold.x: contract": "NOT_EVALUATED"}
    assert validate(schema, parse(asked[1])) == []


def test_only_daemons_that_the_instance_needs_have_a_heartbeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody needs never lives: its alarm would never end. One that is needed and never lived counts."""
    statuses = [
        {"daemonType": "SENSOR", "required": True, "lastHeartbeatTime": 5.0},
        {"daemonType": "SCHEDULER", "required": True, "lastHeartbeatTime": None},
        {"daemonType": "BACKFILL", "required": False, "lastHeartbeatTime": None},
    ]
    api = DagsterApi(builder.make(tmp_path))
    answer = {"instance": {"daemonHealth": {"allDaemonStatuses": statuses}}}
    monkeypatch.setattr(api, "_ask", lambda query, variables: answer)
    assert api.heartbeats() == {"SENSOR": 5.0, "SCHEDULER": None}
