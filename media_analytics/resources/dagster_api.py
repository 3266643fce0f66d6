"""Dagster's webserver, as a client sees it: launching a run and watching it.

Belongs here: the few GraphQL requests the command line needs. Does not belong here: what to launch (`automation/`), and
anything inside a run.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from media_analytics.errors import ServiceError
from media_analytics.settings import Settings

LOCATION = "media_analytics"
REPOSITORY = "__repository__"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
POLL_SECONDS = 1.0
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"

_LAUNCH = """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } }
  ... on InvalidSubsetError { message }
  ... on UnauthorizedError { message } } }"""
_RUN = """query Run($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status creationTime startTime endTime
  stepStats { stepKey status startTime endTime }
  assetChecks { name } } ... on PythonError { message } } }"""
_FAILURES = """query Failures($id: ID!) { logsForRun(runId: $id, limit: 1000) {
  ... on EventConnection { events { __typename
  ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
  ... on RunFailureEvent { message error { message } } } } } }"""
_NEWEST = """query Newest($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 1) { __typename
  ... on Runs { results { runId tags { key value } } } ... on PythonError { message } } }"""
_CHECKS = """query Checks { assetNodes { assetKey { path } assetChecksOrError { __typename
  ... on AssetChecks { checks { name } } } } }"""
_DAEMONS = """query Daemons { instance { daemonHealth { allDaemonStatuses {
  daemonType required lastHeartbeatTime } } } }"""
# A run that is only planned or under way says nothing of the check yet.
_JUDGED = ("SUCCEEDED", "FAILED", "EXECUTION_FAILED")


@dataclass(frozen=True)
class Run:
    """A run as it stands. Times are Unix seconds; None until they happen."""

    run_id: str
    status: str
    created: float
    started: float | None = None
    ended: float | None = None
    # Seconds by finished step, in the order they ended.
    steps: Mapping[str, float] = field(default_factory=dict)
    running: tuple[str, ...] = ()

    @property
    def overhead_seconds(self) -> float | None:
        """Seconds from request to end in which no step worked: queue, launch, import, bookkeeping."""
        return None if self.ended is None else self.ended - self.created - sum(self.steps.values())


class DagsterApi:
    """Requests to the webserver of the settings."""

    def __init__(self, settings: Settings, timeout_seconds: float = 60) -> None:
        """Keep address and token; connect later."""
        token = settings.dagster.token
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._url = f"{settings.dagster.url.rstrip('/')}/graphql"
        self._client = httpx.Client(headers=headers, timeout=timeout_seconds)

    def launch(
        self,
        job: str,
        tags: Mapping[str, str],
        config: Mapping[str, Any] | None = None,
        assets: Sequence[str] = (),
    ) -> str:
        """Start a job, or only some of its assets (`layer.table`); the run's id.

        Raises:
            ServiceError: the webserver does not answer or refuses.
        """
        selector: dict[str, Any] = {
            "repositoryLocationName": LOCATION,
            "repositoryName": REPOSITORY,
            "jobName": job,
        }
        if assets:
            selector["assetSelection"] = [{"path": name.split(".")} for name in assets]
        params = {
            "selector": selector,
            "runConfigData": dict(config or {}),
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self._ask(_LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise ServiceError(f"Dagster did not launch job {job!r}: {answer}")
        return str(answer["run"]["runId"])

    def run(self, run_id: str) -> Run:
        """How a run stands."""
        found = self._ask(_RUN, {"id": run_id})["runOrError"]
        if found["__typename"] != "Run":
            raise ServiceError(f"Dagster does not know run {run_id}: {found}")
        # Dagster may tell the end of a step before its begin.
        ended = (s for s in found["stepStats"] if s["startTime"] and s["endTime"])
        steps = sorted(ended, key=lambda s: s["endTime"])
        return Run(
            run_id=run_id,
            status=found["status"],
            created=found["creationTime"],
            started=found["startTime"],
            ended=found["endTime"] if found["status"] in ENDED else None,
            steps={s["stepKey"]: s["endTime"] - s["startTime"] for s in steps},
            running=tuple(s["stepKey"] for s in found["stepStats"] if s["startTime"] and not s["endTime"]),
        )

    def newest(self, job: str) -> tuple[Run, dict[str, str]] | None:
        """The newest run of a job and its tags; None when it never ran."""
        found = self._ask(_NEWEST, {"filter": {"pipelineName": job}})["runsOrError"]
        if found["__typename"] != "Runs":
            raise ServiceError(f"Dagster does not list runs of job {job!r}: {found}")
        for newest in found["results"]:
            return self.run(newest["runId"]), {tag["key"]: tag["value"] for tag in newest["tags"]}
        return None

    def checks(self) -> dict[str, str]:
        """Newest verdict on every declared asset check, by `layer.table: name`; `NOT_EVALUATED` where there is none."""
        declared = [
            (node["assetKey"]["path"], check["name"])
            for node in self._ask(_CHECKS, {})["assetNodes"]
            for check in node["assetChecksOrError"].get("checks", [])
        ]
        # The newest verdict, also when a stream wrote again since: what it wrote before was judged.
        asked = " ".join(
            f"c{n}: assetCheckExecutions(assetKey: {{path: {json.dumps(path)}}}, checkName: {json.dumps(name)}, "
            "limit: 20) { status }"
            for n, (path, name) in enumerate(declared)
        )
        answers = self._ask(f"query Newest {{ {asked} }}", {}) if declared else {}
        states = {}
        for n, (path, name) in enumerate(declared):
            judged = (e["status"] for e in answers[f"c{n}"] if e["status"] in _JUDGED)
            states[f"{'.'.join(path)}: {name}"] = next(judged, "NOT_EVALUATED")
        return states

    def heartbeats(self) -> dict[str, float | None]:
        """Unix seconds of the last heartbeat of each daemon that this instance needs; None where there was none."""
        daemons = self._ask(_DAEMONS, {})["instance"]["daemonHealth"]["allDaemonStatuses"]
        return {d["daemonType"]: d["lastHeartbeatTime"] for d in daemons if d["required"]}

    def wait(self, run_id: str, timeout_seconds: float, progress: Callable[[Run], None]) -> Run:
        """Follow a run until it succeeded.

        Raises:
            ServiceError: it failed, with the reason of its first failed step, or it took too long.
        """
        run = self.follow(run_id, timeout_seconds, progress)
        if run.status != "SUCCESS":
            raise ServiceError(f"run {run_id} ended as {run.status}: {self._reason(run_id)}")
        return run

    def follow(self, run_id: str, timeout_seconds: float, progress: Callable[[Run], None]) -> Run:
        """Follow a run to its end, whatever that is.

        Raises:
            ServiceError: it took too long.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            run = self.run(run_id)
            progress(run)
            if run.status in ENDED:
                return run
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"run {run_id} is {run.status} after {timeout_seconds:.0f} s; look at it in Dagster's page"
                )
            time.sleep(POLL_SECONDS)

    def _reason(self, run_id: str) -> str:
        events = self._ask(_FAILURES, {"id": run_id})["logsForRun"].get("events", [])
        for event in events:
            if event["__typename"] == "ExecutionStepFailureEvent" and event["error"]:
                causes = [cause["message"] for cause in event["error"]["causes"]]
                return f"{event['stepKey']}: {(causes or [event['error']['message']])[-1].strip()[:1000]}"
        return next(
            (e["message"] for e in events if e["__typename"] == "RunFailureEvent"), "no reason was logged"
        )

    def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self._client.post(self._url, json={"query": query, "variables": dict(variables)})
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise ServiceError(
                f"Dagster at {self._url} cannot be used: {error}; see `media-analytics status` and the setting "
                "MEDIA_ANALYTICS_DAGSTER__URL"
            ) from error
        body = answer.json()
        if body.get("errors"):
            raise ServiceError(f"Dagster refused a request: {body['errors'][0].get('message')}")
        data: dict[str, Any] = body["data"]
        return data
