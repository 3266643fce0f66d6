"""What a person does in Dagster's page, as the page asks for it.

Belongs here: the page's own GraphQL requests. Does not belong here: requests that the platform makes itself
(`media_analytics.resources.dagster_api`).
"""

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from media_analytics.contracts.registry import TABLES
from media_analytics.factory import asset_key
from media_analytics.resources.dagster_api import LOCATION, REPOSITORY
from media_analytics.settings import Settings
from media_analytics_tests.services.embedded import wait_until

BACKFILL_SECONDS = 240
_LAUNCH = """mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}"""
_STATUS = """query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status error { message } } }
}"""
_AUTOMATION = """query Automation($repository: RepositorySelector!) {
  sensorsOrError(repositorySelector: $repository) {
    ... on Sensors { results { name sensorState { id status } } } }
  schedulesOrError(repositorySelector: $repository) {
    ... on Schedules { results { name scheduleState { id status } } } }
}"""
_STOP = """mutation Stop($id: String!) {
  stopped: %s(id: $id) { __typename ... on PythonError { message } }
}"""
_RUNNING = ("REQUESTED", "CANCELING", "FAILING")


class DagsterPage:
    """The webserver of the settings, with its token."""

    def __init__(self, settings: Settings) -> None:
        token = settings.dagster.token
        self._client = httpx.Client(
            base_url=settings.dagster.url.rstrip("/"),
            headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {},
            timeout=60,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def launch(self, tables: Sequence[str], partitions: Sequence[str]) -> str:
        """Launch a backfill of tables over partitions and give back its id."""
        keys = [{"path": list(asset_key(TABLES[name]).path)} for name in tables]
        params = {"assetSelection": keys, "partitionNames": list(partitions), "tags": []}
        answer = self._ask(_LAUNCH, {"params": params})["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def backfill(self, tables: Sequence[str], partitions: Sequence[str]) -> None:
        """Launch a backfill of tables over partitions and wait until it succeeded."""
        backfill_id = self.launch(tables, partitions)
        wait_until(
            lambda: self._status(backfill_id)["status"] not in _RUNNING,
            BACKFILL_SECONDS,
            lambda: str(self._status(backfill_id)),
        )
        found = self._status(backfill_id)
        assert found["status"] == "COMPLETED_SUCCESS", found

    def leave_on(self, sensors: Collection[str]) -> None:
        """Switch off every schedule and every other sensor, as the page's switches do."""
        repository = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY}
        found = self._ask(_AUTOMATION, {"repository": repository})
        states = [
            ("stopSensor", one["name"], one["sensorState"]) for one in found["sensorsOrError"]["results"]
        ]
        states += [
            ("stopRunningSchedule", one["name"], one["scheduleState"])
            for one in found["schedulesOrError"]["results"]
        ]
        assert set(sensors) <= {name for _, name, _ in states}
        for mutation, name, state in states:
            if state["status"] == "RUNNING" and name not in sensors:
                answer = self._ask(_STOP % mutation, {"id": state["id"]})["stopped"]
                assert not answer["__typename"].endswith("Error"), (name, answer)

    def _status(self, backfill_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask(_STATUS, {"id": backfill_id})["partitionBackfillOrError"]
        return found

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post("/graphql", json={"query": query, "variables": variables})
        body = answer.json()
        assert "errors" not in body, body["errors"]
        data: dict[str, Any] = body["data"]
        return data
