"""Whether micro-batched tables keep up with their topics.

Belongs here: where a table stands against its topic, and the verdict. Does not belong here: reporting it all the time
(`automation/micro_batches.py`), catching up (`media_analytics.micro_batches`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from media_analytics.checks import health
from media_analytics.errors import DataLossError
from media_analytics.factory import asset_key
from media_analytics.micro_batches.store import Store
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.resources.kafka import KafkaLog
from spark_jobs.user_events import positions


@dataclass(frozen=True)
class State:
    """Per partition, where the table ends and where its topic ends. `refusal`: why it cannot go on."""

    begin: Mapping[int, int]
    ends: Mapping[int, int]
    refusal: str = ""

    @property
    def behind(self) -> int:
        """Offsets of the topic that the table has not seen."""
        return sum(max(0, end - self.begin[p]) for p, end in self.ends.items())


def state(resources: Any, table: MicroBatched) -> State:
    """The table against its topic as both are now.

    Raises:
        ServiceError: Kafka does not answer.
    """
    kafka: KafkaLog = resources.kafka
    store, name = Store(resources.settings, table), table.topic.name
    ends, last = kafka.end_offsets(name), None
    try:
        last = store.position()
        positions.check(name, kafka.topic(name).topic_id, last, kafka.first_offsets(name), ends, store.fix)
    except DataLossError as error:
        return State(positions.next_offsets(last, ends), ends, str(error))
    return State(positions.next_offsets(last, ends), ends)


def verdict(found: State) -> health.Verdict:
    """Red when the table cannot go on, or is far behind."""
    if found.refusal:
        return health.Verdict(False, found.refusal, {"messages_behind": found.behind})
    return health.lag(found.behind)


def micro_batch_lag(tables: Sequence[MicroBatched]) -> dg.AssetChecksDefinition:
    """`lag` of every table; the sensor reports it all the time, a person may ask at once."""

    @dg.multi_asset_check(
        name="micro_batch_lag",
        specs=[
            dg.AssetCheckSpec(
                health.LAG,
                asset=asset_key(table.contract),
                description=f"{table.contract.full_name} is close to the end of {table.topic.name}.",
            )
            for table in tables
        ],
        can_subset=True,
        required_resource_keys={"settings", "kafka"},
    )
    def _lag(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.asset_key for key in context.selected_asset_check_keys}
        for table in (t for t in tables if asset_key(t.contract) in wanted):
            found = verdict(state(context.resources, table))
            yield dg.AssetCheckResult(
                asset_key=asset_key(table.contract),
                check_name=health.LAG,
                passed=found.passed,
                description=found.why,
                metadata=found.facts,
            )

    return _lag
