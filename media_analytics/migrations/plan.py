"""What has to change so that a service matches a contract.

Belongs here: comparing, and refusing what would destroy or misread data. Does not belong here: asking or changing a
service (`services.py`), the order of changes (`apply.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from media_analytics.contracts import clickhouse, delta
from media_analytics.contracts.avro import avro_schema
from media_analytics.contracts.compatibility import incompatibilities
from media_analytics.contracts.model import TableContract, TopicContract
from media_analytics.contracts.spark import spark_type

# In the order in which changes are carried out: what reads first, what lets producers write last.
Service = Literal["clickhouse", "delta", "registry", "kafka"]
SERVICES: tuple[Service, ...] = ("clickhouse", "delta", "registry", "kafka")
STREAMED_ON_OBJECT_STORE = (
    "stop its stream, run `media-analytics contracts apply --streams-stopped`, start it again: "
    "object stores cannot take two writers"
)


@dataclass(frozen=True)
class Change:
    """One thing to do. `statement` is SQL where the service speaks it; `payload` is what it needs otherwise."""

    service: Service
    target: str
    what: str
    statement: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line of the plan."""
        return f"{self.service:<11} {self.target}: {self.what}"


@dataclass(frozen=True)
class Refusal:
    """A difference that is not bridged by itself: why, and what a person can do."""

    service: Service
    target: str
    why: str
    fix: str

    def __str__(self) -> str:
        """One line of the error."""
        return f"{self.service} {self.target}: {self.why}; {self.fix}"


Difference = Change | Refusal


@dataclass(frozen=True)
class StoredTable:
    """A table as a store has it."""

    columns: Mapping[str, str]
    partition_columns: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    partition_key: str = ""
    sorting_key: str = ""
    retention_days: int | None = None
    is_replicated: bool = False


@dataclass(frozen=True)
class StoredSubject:
    """A registry subject. `holds_ours` when some version equals the contract's schema."""

    latest: Mapping[str, Any]
    holds_ours: bool
    compatibility: str | None


@dataclass(frozen=True)
class StoredTopic:
    """A topic as the cluster has it."""

    partitions: int
    config: Mapping[str, str]


def clickhouse_differences(
    contract: TableContract, stored: StoredTable | None, variant: clickhouse.Variant
) -> list[Difference]:
    """Create the table, add columns, lengthen its retention; refuse the rest."""
    name = contract.full_name
    if stored is None:
        statement = clickhouse.create_table_sql(contract, variant)
        return [Change("clickhouse", name, f"create table ({len(contract.columns)} columns)", statement)]
    found: list[Difference] = []
    for column in contract.columns:
        want, have = clickhouse.clickhouse_type(column), stored.columns.get(column.name)
        if have is None and (column.nullable or column.store_default or column.has_default):
            statement = clickhouse.add_column_sql(contract, column, variant)
            found.append(Change("clickhouse", name, f"add column {column.name} {want}", statement))
        elif have is None:
            found.append(_not_optional("clickhouse", name, column.name))
        elif have != want:
            found.append(_type_changed("clickhouse", name, column.name, have, want))
    found += _surplus("clickhouse", name, contract, stored)
    found += _keys(contract, stored, variant)
    found += _retention(contract, stored, variant)
    window = clickhouse.settings(variant)
    if clickhouse.remembers_inserts(contract) and window not in stored.properties.values():
        statement = clickhouse.window_sql(contract, variant)
        found.append(Change("clickhouse", name, f"set {window}", statement))
    return found


def delta_differences(
    contract: TableContract, stored: StoredTable | None, location: str, *, streams_stopped: bool = False
) -> list[Difference]:
    """Create the table, add columns, set properties; refuse the rest."""
    name = contract.full_name
    if stored is None:
        what = f"create table ({len(contract.columns)} columns)"
        return [Change("delta", name, what, payload={"location": location})]
    found: list[Difference] = []
    for column in contract.columns:
        want, have = spark_type(column.arrow_type), stored.columns.get(column.name)
        if have is None and column.nullable:
            statement = delta.add_column_sql(column, location)
            found.append(Change("delta", name, f"add column {column.name} {want}", statement))
        elif have is None:
            found.append(_not_optional("delta", name, column.name))
        elif have != want:
            found.append(_type_changed("delta", name, column.name, have, want))
    found += _surplus("delta", name, contract, stored)
    want_partitions = (contract.partition_column,) if contract.partition_column else ()
    if stored.partition_columns != want_partitions:
        why = f"is partitioned by {stored.partition_columns}, the contract says {want_partitions}"
        found.append(Refusal("delta", name, why, "write it anew under another name and switch readers"))
    properties = {
        key: value
        for key, value in delta.table_properties(contract).items()
        if stored.properties.get(key) != value
    }
    if properties:
        what = f"set {', '.join(f'{key}={value}' for key, value in properties.items())}"
        found.append(Change("delta", name, what, delta.set_properties_sql(properties, location)))
    two_writers = contract.writer in ("stream", "micro-batch") and "://" in location and not streams_stopped
    if two_writers and any(isinstance(difference, Change) for difference in found):
        found.append(Refusal("delta", name, "its stream is its only writer", STREAMED_ON_OBJECT_STORE))
    return found


def registry_differences(contract: TopicContract, stored: StoredSubject | None) -> list[Difference]:
    """Set the compatibility mode and register the schema; refuse one that cannot read older messages."""
    schema, subject = avro_schema(contract), contract.subject
    found: list[Difference] = []
    if stored is None or stored.compatibility != contract.compatibility:
        payload = {"subject": subject, "compatibility": contract.compatibility}
        found.append(
            Change("registry", subject, f"set compatibility {contract.compatibility}", None, payload)
        )
    if stored is not None and stored.holds_ours:
        return found
    if stored is not None:
        problems = incompatibilities(schema, stored.latest)
        if problems:
            fix = "change the contract so that older messages stay readable"
            return [Refusal("registry", subject, problem, fix) for problem in problems]
    payload = {"subject": subject, "schema": json.dumps(schema)}
    what = "register first version" if stored is None else f"register a new version ({_news(schema, stored)})"
    return [*found, Change("registry", subject, what, None, payload)]


def topic_differences(
    contract: TopicContract, stored: StoredTopic | None, replication_factor: int
) -> list[Difference]:
    """Create the topic or change its configuration; refuse what would move keys or delete messages."""
    want = topic_config(contract, replication_factor)
    if stored is None:
        payload = {
            "topic": contract.name,
            "partitions": contract.partitions,
            "replication_factor": replication_factor,
            "config": want,
        }
        what = f"create topic ({contract.partitions} partitions, kept {contract.retention.days} d)"
        return [Change("kafka", contract.name, what, None, payload)]
    found: list[Difference] = []
    if stored.partitions != contract.partitions:
        why = f"has {stored.partitions} partitions, the contract says {contract.partitions}"
        fix = "a changed number moves keys to other partitions: create a topic with another name"
        found.append(Refusal("kafka", contract.name, why, fix))
    changed = {key: value for key, value in want.items() if stored.config.get(key) != value}
    shorter = int(stored.config.get("retention.ms", "0")) > int(want["retention.ms"])
    if "retention.ms" in changed and shorter:
        kept = timedelta(milliseconds=int(stored.config["retention.ms"]))
        why = f"keeps messages {kept}, the contract says {contract.retention}"
        fix = "shortening it deletes messages: set retention.ms by hand with kafka-configs"
        found.append(Refusal("kafka", contract.name, why, fix))
        del changed["retention.ms"]
    if changed:
        what = f"set {', '.join(f'{key}={value}' for key, value in changed.items())}"
        payload = {"topic": contract.name, "config": changed}
        found.append(Change("kafka", contract.name, what, None, payload))
    return found


def topic_config(contract: TopicContract, replication_factor: int) -> dict[str, str]:
    """The topic's configuration: log-append time, because that is the only arrival clock."""
    return {
        "cleanup.policy": "delete",
        "compression.type": "lz4",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(max(1, replication_factor - 1)),
        "retention.bytes": "-1",
        "retention.ms": str(int(contract.retention.total_seconds() * 1000)),
    }


def _not_optional(service: Service, table: str, column: str) -> Refusal:
    why = f"column {column!r} is new and not nullable, but rows without it exist"
    return Refusal(service, table, why, "make it nullable")


def _type_changed(service: Service, table: str, column: str, have: str, want: str) -> Refusal:
    why = f"column {column!r} is {have}, the contract says {want}"
    return Refusal(service, table, why, "add a column with another name and move readers to it")


def _surplus(service: Service, name: str, contract: TableContract, stored: StoredTable) -> list[Difference]:
    if contract.keeps_unknown_columns:
        return []
    known = set(contract.column_names)
    fix = "keep it in the contract; dropping a column deletes data, so do that by hand"
    return [
        Refusal(service, name, f"column {column!r} is stored but not in the contract", fix)
        for column in stored.columns
        if column not in known
    ]


def _keys(contract: TableContract, stored: StoredTable, variant: clickhouse.Variant) -> list[Difference]:
    wants = (
        ("partitioned by", stored.partition_key, clickhouse.partition_key(contract)),
        ("ordered by", stored.sorting_key, ", ".join(contract.sort_keys)),
        ("replicated", stored.is_replicated, variant == "replicated"),
    )
    fix = "create it under another name, copy the rows and switch readers"
    return [
        Refusal("clickhouse", contract.full_name, f"{what}: {have!r}, the contract says {want!r}", fix)
        for what, have, want in wants
        if have != want
    ]


def _retention(contract: TableContract, stored: StoredTable, variant: clickhouse.Variant) -> list[Difference]:
    want = contract.retention.days if contract.retention else None
    have = stored.retention_days
    if have == want:
        return []
    if have is not None and (want is None or want > have):
        statement = clickhouse.retention_sql(contract, variant)
        return [Change("clickhouse", contract.full_name, f"keep rows {want or 'for ever'} days", statement)]
    why = f"keeps rows {have or 'for ever'} days, the contract says {want}"
    fix = "shortening it deletes rows: run ALTER TABLE ... MODIFY TTL by hand"
    return [Refusal("clickhouse", contract.full_name, why, fix)]


def _news(schema: Mapping[str, Any], stored: StoredSubject) -> str:
    new = {field["name"] for field in schema["fields"]}
    old = {field["name"] for field in stored.latest["fields"]}
    parts = [f"adds {', '.join(sorted(new - old))}"] if new - old else []
    parts += [f"leaves out {', '.join(sorted(old - new))}"] if old - new else []
    return "; ".join(parts) or "descriptions or defaults changed"
