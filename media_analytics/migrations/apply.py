"""Making and carrying out the plan.

Belongs here: the order (readers first) and that nothing is changed when anything is refused. Does not belong here: what
differs (`plan.py`), how a service is asked or changed (`services.py`).

1. ClickHouse and Delta get their columns: readers know a field before it can arrive.
2. The registry gets the schemas, downstream topics first: from now on producers may write them.
3. Topics are created last, downstream first: nothing can be produced before somebody can read it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from media_analytics.contracts.model import TableContract, TopicContract
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics.errors import ContractError
from media_analytics.migrations.lake_tables import DeltaAdmin
from media_analytics.migrations.plan import (
    Change,
    Difference,
    Refusal,
    clickhouse_differences,
    delta_differences,
    registry_differences,
    topic_differences,
)
from media_analytics.migrations.services import ClickHouseAdmin, RegistryAdmin, TopicAdmin
from media_analytics.settings import Settings

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are carried out, and what a person has to decide."""

    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class _Step:
    change: Change
    run: Callable[[], None]


def plan(
    settings: Settings,
    tables: Mapping[str, TableContract] = TABLES,
    topics: Mapping[str, TopicContract] = TOPICS,
    *,
    streams_stopped: bool = False,
) -> Plan:
    """What `apply` would do. Changes nothing.

    Raises:
        ServiceError: a service does not answer.
    """
    steps, refusals = _compare(
        settings, DeltaAdmin(settings), tables, topics, streams_stopped=streams_stopped
    )
    return Plan(tuple(step.change for step in steps), tuple(refusals))


def apply(
    settings: Settings,
    progress: Progress,
    tables: Mapping[str, TableContract] = TABLES,
    topics: Mapping[str, TopicContract] = TOPICS,
    *,
    streams_stopped: bool = False,
) -> Plan:
    """Bring every service in line with the contracts; a second call changes nothing.

    Args:
        settings: where the services are.
        progress: called with one line per change.
        tables: contracts of tables.
        topics: contracts of topics.
        streams_stopped: whether the streams do not run, so that their tables may be changed on an object store.

    Raises:
        ContractError: something is refused; then nothing is changed.
        ServiceError: a service does not answer; a later call goes on where this one stopped.
    """
    lake = DeltaAdmin(settings)
    steps, refusals = _compare(settings, lake, tables, topics, streams_stopped=streams_stopped)
    if refusals:
        raise ContractError(
            "nothing was changed, because these differences need a decision:\n"
            + "\n".join(f"  {refusal}" for refusal in refusals)
        )
    try:
        for number, step in enumerate(steps, 1):
            progress(f"[{number}/{len(steps)}] {step.change}")
            step.run()
    finally:
        lake.close()
    if not steps:
        progress("contracts: nothing to change")
    return Plan(tuple(step.change for step in steps), ())


def _compare(
    settings: Settings,
    lake: DeltaAdmin,
    tables: Mapping[str, TableContract],
    topics: Mapping[str, TopicContract],
    *,
    streams_stopped: bool,
) -> tuple[list[_Step], list[Refusal]]:
    steps: list[_Step] = []
    refusals: list[Refusal] = []

    def take(differences: list[Difference], carry_out: Callable[[Change], None]) -> None:
        for difference in differences:
            if isinstance(difference, Refusal):
                refusals.append(difference)
            else:
                steps.append(_Step(difference, partial(carry_out, difference)))

    serving = ClickHouseAdmin(settings)
    for table in (t for t in tables.values() if t.store == "clickhouse"):
        found = clickhouse_differences(table, serving.stored(table), settings.clickhouse.variant)
        take(found, partial(serving.carry_out, contract=table))
    for table in (t for t in tables.values() if t.store == "delta"):
        found = delta_differences(
            table, lake.stored(table), lake.location(table), streams_stopped=streams_stopped
        )
        take(found, partial(lake.carry_out, contract=table))
    registry, kafka = RegistryAdmin(settings), TopicAdmin(settings)
    # Downstream first: an enricher that meets a new field in user.raw must find it in user.latest.
    downstream_first = list(topics.values())[::-1]
    for topic in downstream_first:
        take(registry_differences(topic, registry.stored(topic)), partial(registry.carry_out, contract=topic))
    for topic in downstream_first:
        found = topic_differences(topic, kafka.stored(topic), settings.kafka.replication_factor)
        take(found, partial(kafka.carry_out, contract=topic))
    return steps, refusals
