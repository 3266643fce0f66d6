"""Asking and changing the services that contracts describe.

Belongs here: one administrator per service: `stored(contract)` says what is there, `carry_out(change)` changes it.
Does not belong here: deciding what to change (`plan.py`), the lake (`lake_tables.py`).
"""

import json
import logging
import re
import time
from typing import Any
from urllib.parse import quote

import httpx

from media_analytics.contracts import clickhouse
from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.model import TableContract, TopicContract
from media_analytics.errors import ServiceError
from media_analytics.migrations.plan import Change, StoredSubject, StoredTable, StoredTopic
from media_analytics.settings import Settings

TIMEOUT_SECONDS = 30.0
_NOT_FOUND = 404
_LOG = logging.getLogger(__name__)
_CONTENT_TYPE = {"Content-Type": "application/vnd.schemaregistry.v1+json"}


class ClickHouseAdmin:
    """Tables of the serving store, over its HTTP interface."""

    def __init__(self, settings: Settings) -> None:
        """Connect at the first request."""
        self._url = settings.clickhouse.url.rstrip("/")
        self._headers = {
            "X-ClickHouse-User": settings.clickhouse.user,
            "X-ClickHouse-Key": settings.clickhouse.password.get_secret_value(),
        }
        self._variant: clickhouse.Variant = settings.clickhouse.variant

    def stored(self, contract: TableContract) -> StoredTable | None:
        """The table as the store has it; None when it is not there."""
        where = f"database = {clickhouse.text(contract.layer)} AND "
        tables = self._rows(
            "SELECT engine, partition_key, sorting_key, engine_full FROM system.tables "
            f"WHERE {where} name = {clickhouse.text(contract.name)}"
        )
        if not tables:
            return None
        engine, partition_key, sorting_key, engine_full = tables[0]
        columns = self._rows(
            "SELECT name, type FROM system.columns "
            f"WHERE {where} table = {clickhouse.text(contract.name)} ORDER BY position"
        )
        kept = re.search(r"TTL .*?toIntervalDay\((\d+)\)", engine_full)
        window = re.search(r"\w*deduplication_window = \d+", engine_full)
        return StoredTable(
            columns=dict(columns),
            properties={"window": window[0]} if window else {},
            partition_key=partition_key,
            sorting_key=sorting_key,
            retention_days=int(kept[1]) if kept else None,
            is_replicated=engine.startswith("Replicated"),
        )

    def carry_out(self, change: Change, contract: TableContract) -> None:
        """Run the statement; the database comes first."""
        self._run(clickhouse.create_database_sql(contract, self._variant))
        self._run(change.statement or "")

    def _rows(self, sql: str) -> list[list[str]]:
        rows: list[list[str]] = json.loads(self._run(f"{sql} FORMAT JSONCompact"))["data"]
        return rows

    def _run(self, sql: str) -> str:
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                answer = client.post(self._url, content=sql.encode(), headers=self._headers)
        except httpx.HTTPError as error:
            raise _unreachable("ClickHouse", self._url, error, "CLICKHOUSE__URL") from error
        if answer.status_code != httpx.codes.OK:
            raise ServiceError(f"ClickHouse at {self._url} refused {sql[:120]!r}: {answer.text[:500]}")
        return answer.text


class RegistryAdmin:
    """Subjects of the schema registry (Confluent API)."""

    def __init__(self, settings: Settings) -> None:
        """Connect at the first request."""
        self._url = settings.registry.url.rstrip("/")

    def stored(self, contract: TopicContract) -> StoredSubject | None:
        """The subject as the registry has it; None when it is not there."""
        subject = quote(contract.subject, safe="")
        latest = self._ask("GET", f"/subjects/{subject}/versions/latest")
        if latest is None:
            return None
        body = {"schema": json.dumps(avro_schema(contract)), "schemaType": "AVRO"}
        config = self._ask("GET", f"/config/{subject}")
        return StoredSubject(
            latest=json.loads(latest["schema"]),
            holds_ours=self._ask("POST", f"/subjects/{subject}", body) is not None,
            compatibility=config["compatibilityLevel"] if config else None,
        )

    def carry_out(self, change: Change, contract: TopicContract) -> None:
        """Set the mode or register the schema."""
        subject = quote(str(change.payload["subject"]), safe="")
        if "compatibility" in change.payload:
            self._must("PUT", f"/config/{subject}", {"compatibility": change.payload["compatibility"]})
        else:
            body = {"schema": change.payload["schema"], "schemaType": "AVRO"}
            self._must("POST", f"/subjects/{subject}/versions", body)

    def _must(self, method: str, path: str, body: dict[str, Any]) -> None:
        if self._ask(method, path, body) is None:
            raise ServiceError(f"the registry at {self._url} does not know {path}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, headers=_CONTENT_TYPE) as client:
                answer = client.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise _unreachable("the registry", self._url, error, "REGISTRY__URL") from error
        if answer.status_code == _NOT_FOUND:
            return None
        if not answer.is_success:
            raise ServiceError(
                f"the registry at {self._url} answered {answer.status_code} to {method} {path}: {answer.text[:500]}"
            )
        parsed: dict[str, Any] = answer.json()
        return parsed


class TopicAdmin:
    """Topics of the Kafka cluster."""

    def __init__(self, settings: Settings) -> None:
        """Connect at the first request."""
        self._kafka = settings.kafka.acting_as("admin")
        self._client: Any = None

    def stored(self, contract: TopicContract) -> StoredTopic | None:
        """The topic as the cluster has it; None when it is not there."""
        topic = self._topics().get(contract.name)
        if topic is None:
            return None
        admin = _admin_module()
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, contract.name)
        (answer,) = self._settled(self._admin().describe_configs([resource], request_timeout=TIMEOUT_SECONDS))
        config = {name: str(entry.value) for name, entry in answer.items()}
        return StoredTopic(len(topic.partitions), config)

    def carry_out(self, change: Change, contract: TopicContract) -> None:
        """Create the topic and wait until it can be used, or set its configuration."""
        admin, payload = _admin_module(), change.payload
        if "partitions" in payload:
            topic = admin.NewTopic(
                contract.name,
                num_partitions=payload["partitions"],
                replication_factor=payload["replication_factor"],
                config=dict(payload["config"]),
            )
            self._settled(self._admin().create_topics([topic], request_timeout=TIMEOUT_SECONDS))
            self._wait(contract.name, payload["partitions"])
            return
        entries = [
            admin.ConfigEntry(name, value, incremental_operation=admin.AlterConfigOpType.SET)
            for name, value in payload["config"].items()
        ]
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, contract.name, incremental_configs=entries)
        self._settled(self._admin().incremental_alter_configs([resource], request_timeout=TIMEOUT_SECONDS))

    def _admin(self) -> Any:
        if self._client is None:
            from streaming.runtime import clients

            self._client = clients.entered(self._kafka, "migrations", _LOG)
        return self._client

    def _topics(self) -> dict[str, Any]:
        from confluent_kafka import KafkaException

        try:
            topics: dict[str, Any] = self._admin().list_topics(timeout=TIMEOUT_SECONDS).topics
        except KafkaException as error:
            raise self._refused(error) from error
        return topics

    def _settled(self, futures: dict[Any, Any]) -> list[Any]:
        from confluent_kafka import KafkaException

        try:
            return [future.result(TIMEOUT_SECONDS) for future in futures.values()]
        except KafkaException as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> ServiceError:
        return _unreachable("Kafka", self._kafka.bootstrap_servers, error, "KAFKA__BOOTSTRAP_SERVERS")

    def _wait(self, name: str, partitions: int) -> None:
        """A created topic is known to the brokers a moment later; a producer started before would fail."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            topic = self._topics().get(name)
            if topic is not None and sum(p.leader >= 0 for p in topic.partitions.values()) == partitions:
                return
            time.sleep(0.05)
        raise ServiceError(f"topic {name} has no leaders {TIMEOUT_SECONDS:.0f} s after it was created")


def _admin_module() -> Any:
    """confluent-kafka's administration module, loaded when Kafka is asked for the first time."""
    import confluent_kafka.admin

    return confluent_kafka.admin


def _unreachable(what: str, address: str, error: Exception, setting: str) -> ServiceError:
    return ServiceError(
        f"{what} at {address} cannot be used: {type(error).__name__}: {error}; see `media-analytics status` and "
        f"MEDIA_ANALYTICS_{setting}"
    )
