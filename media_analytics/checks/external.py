"""Contract checks of what long-running processes write: their rows are judged before they are written; this proves it.

Belongs here: auditing the newest rows of external tables, comparing topics with their contracts. Does not belong here:
liveness and lag (`health.py`), tables that runs publish (`audit.py`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import httpx

from media_analytics.checks import health
from media_analytics.checks.audit import CHECK_NAME
from media_analytics.contracts.audit import RuleResult, audit_query, read_result, row_count, schema_difference
from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.model import TableContract, TopicContract
from media_analytics.contracts.registry import TABLES, TOPICS, table
from media_analytics.factory import asset_key, contract_check_spec
from media_analytics.partitions import hour_of
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.kafka import KafkaLog
from media_analytics.resources.lake import Lake
from media_analytics.settings import Settings

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Tables that only runs beside their own work or streaming processes write. Their assets compute nothing.
EXTERNAL = tuple(
    contract
    for contract in TABLES.values()
    if contract.writer in ("stream", "sink", "replay")
    or (contract.writer == "micro-batch" and contract.layer == "ops")
    or contract.full_name
    in (
        "ops.session_dates",
        "ops.subscription_dates",
        "ops.restatements",
        "ops.maintenance_requests",
        "ops.video_files",
    )
)
STREAMED: Mapping[str, Sequence[TableContract]] = {
    "stream": (table("bronze.user_events"),),
    "sink": tuple(contract for contract in TABLES.values() if contract.writer == "sink"),
}


def external_checks() -> list[dg.AssetChecksDefinition]:
    """`contract` for every external table and topic in one step."""
    contracts: list[TableContract | TopicContract] = [*EXTERNAL, *TOPICS.values()]

    @dg.multi_asset_check(
        name="external_contracts",
        specs=[contract_check_spec(c) for c in contracts],
        can_subset=True,
        required_resource_keys={"lake", "spark", "delta_log", "clickhouse", "kafka", "settings", "clock"},
    )
    def _contracts(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.asset_key for key in context.selected_asset_check_keys}
        for contract in contracts:
            if asset_key(contract) in wanted:
                yield _check(contract, context)

    return [_contracts, *(_health_check(*of) for of in STREAMED.items())]


def _health_check(service: str, tables: Sequence[TableContract]) -> dg.AssetChecksDefinition:
    """`liveness` and `lag` of one process; the monitor sensors report them all the time, a person may ask at once."""

    @dg.multi_asset_check(
        name=f"{service}_health",
        specs=[
            dg.AssetCheckSpec(name, asset=asset_key(contract), description=description)
            for contract in tables
            for name, description in (
                (health.LIVENESS, f"The process {service} said it is ready."),
                (health.LAG, f"{service} is close to the end of {contract.source}."),
            )
        ],
        required_resource_keys={"settings", "clock", "kafka"},
    )
    def _health(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        alive = health.liveness(context.resources.settings, service, context.resources.clock.now())
        kafka: KafkaLog = context.resources.kafka
        committed = kafka.committed(health.SINK_GROUP) if service == "sink" else {}
        for contract in tables:
            behind = health.reported_lag(alive)
            if service == "sink":
                source = str(contract.source)
                behind = health.sink_lag(committed.get(source, {}), kafka.end_offsets(source))
            for name, verdict in ((health.LIVENESS, alive), (health.LAG, behind)):
                yield dg.AssetCheckResult(
                    asset_key=asset_key(contract),
                    check_name=name,
                    passed=verdict.passed,
                    description=verdict.why,
                    metadata=verdict.facts,
                )

    return _health


def _check(
    contract: TableContract | TopicContract, context: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    resources = context.resources
    if isinstance(contract, TopicContract):
        problems, facts = topic_problems(contract, resources.kafka, resources.settings)
    elif contract.store == "clickhouse":
        problems, facts = clickhouse_problems(contract, resources.clickhouse, resources.clock.now())
    else:
        problems, facts = lake_problems(contract, resources.lake, resources.delta_log, resources.clock.now())
    return dg.AssetCheckResult(
        asset_key=asset_key(contract),
        check_name=CHECK_NAME,
        passed=not problems,
        metadata={**facts, "problems": problems},
    )


def lake_problems(
    contract: TableContract, lake: Lake, log: DeltaLog, now: datetime
) -> tuple[list[str], Mapping[str, Any]]:
    """Broken rules of the newest rows, and columns that are not the contract's."""
    newest = _newest(contract, now)
    frame = lake.read(contract, partitions=newest)
    problems = schema_difference(contract, frame.schema)
    stored = log.row_counts(contract)
    if problems or not stored or (newest is not None and not set(newest) & set(stored)):
        return problems, {"rows": 0}
    view = f"external_{contract.layer}_{contract.name}"
    frame.createOrReplaceTempView(view)
    query = audit_query(contract, view)
    row = lake.spark.sql(query.sql).collect()[0]
    return _texts(read_result(query, row)), {"rows": row_count(row), "rules": len(query.rules)}


def clickhouse_problems(
    contract: TableContract, clickhouse: ClickHouse, now: datetime
) -> tuple[list[str], Mapping[str, Any]]:
    """Broken rules of the rows of the last two hours."""
    start = int((now - 2 * HOUR).timestamp())
    source = f"(SELECT * FROM {contract.full_name} WHERE appended_at >= fromUnixTimestamp({start}))"
    query = audit_query(contract, source, dialect="clickhouse")
    names, rows = clickhouse.named_rows(query.sql, comment=f"contract {contract.full_name}")
    row = dict(zip(names, rows[0], strict=True))
    return _texts(read_result(query, row)), {"rows": row_count(row), "rules": len(query.rules)}


def topic_problems(
    contract: TopicContract, kafka: KafkaLog, settings: Settings
) -> tuple[list[str], Mapping[str, Any]]:
    """Whether partitions and the registered schema are the contract's."""
    state = kafka.topic(contract.name)
    problems = []
    if state.partitions != contract.partitions:
        problems.append(f"{state.partitions} partitions, the contract says {contract.partitions}")
    answer = httpx.get(
        f"{settings.registry.url.rstrip('/')}/subjects/{contract.subject}/versions/latest", timeout=15
    )
    if answer.status_code == httpx.codes.NOT_FOUND:
        return [*problems, f"no schema {contract.subject} is registered"], {"topic_id": state.topic_id}
    answer.raise_for_status()
    latest = answer.json()
    registered = {field["name"] for field in json.loads(latest["schema"])["fields"]}
    expected = {field["name"] for field in avro_schema(contract)["fields"]}
    problems += [f"field {name} is not registered" for name in sorted(expected - registered)]
    problems += [f"field {name} is not in the contract" for name in sorted(registered - expected)]
    return problems, {"topic_id": state.topic_id, "schema_id": latest["id"], "partitions": state.partitions}


def _newest(contract: TableContract, now: datetime) -> list[str] | None:
    """The two newest partitions; the whole of a table that is not split, they are small."""
    column = contract.partition_column
    if column is None:
        return None
    if column == "appended_hour":
        return [hour_of(now - HOUR), hour_of(now)]
    return [(now.date() - DAY).isoformat(), now.date().isoformat()]


def _texts(results: list[RuleResult]) -> list[str]:
    return [str(result) for result in results if result.failed]
