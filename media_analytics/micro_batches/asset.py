"""From a micro-batched table to an asset.

Belongs here: a run's two modes (ranges given: append them; none given: rebuild the run's hours), what it reports. Does
not belong here: the effects of a batch (`writer.py`), when a run starts (`automation/micro_batches.py`).

Which offsets are new is read from the table, never from Dagster: a run that is repeated finds its range done and writes
nothing. A commit whose run died before it reported is reported by the next run, or by the sensor.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from media_analytics.checks.audit import CHECK_NAME
from media_analytics.errors import DataLossError
from media_analytics.factory import RETRIES, asset_key, contract_check_spec, external_table
from media_analytics.micro_batches.rebuild import rebuild_hour
from media_analytics.micro_batches.store import Batch, Store
from media_analytics.micro_batches.table import MicroBatched
from media_analytics.micro_batches.writer import RED_FOR, MicroBatchWriter
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions, hour_key, hour_of

BATCH_METADATA = "batch"
# Commits whose report was lost are looked for among this many.
REPORTED_AT_MOST = 50
RESOURCES = {"settings", "clock", "kafka", "delta_log"}


class MicroBatchConfig(dg.Config):
    """The range of a run: partition -> [first, end). Without one, the run's hours are rebuilt from their bounds.

    `first` is for people: a run goes on where the table ends.
    """

    ranges: dict[str, list[int]] | None = None


def op_name(table: MicroBatched) -> str:
    """The op of a table's asset, as run config names it."""
    return "__".join(table.contract.key)


def micro_batch_specs(table: MicroBatched, partitions: Partitions, declared_in: object) -> list[dg.AssetSpec]:
    """The table's touched dates as an external asset, if it has any."""
    if table.dates is None:
        return []
    # Event dates do not follow arrival hours, so the lineage edge maps nothing.
    lineage = dg.AssetDep(asset_key(table.contract), partition_mapping=dg.AllPartitionMapping())
    return [external_table(table.dates, partitions, declared_in=declared_in, deps=[lineage])]


def micro_batch_asset(
    table: MicroBatched, partitions: Partitions, declared_in: object
) -> dg.AssetsDefinition:
    """The asset of one table: appends ranges of offsets, or rebuilds hours."""
    spec = external_table(
        table.contract,
        partitions,
        declared_in=declared_in,
        deps=[dg.AssetDep(asset_key(table.topic))],
        kinds={"deltalake", "kafka", "table"},
    )

    @dg.multi_asset(
        name=op_name(table),
        specs=[spec],
        check_specs=[contract_check_spec(table.contract)],
        # Hours without rows are not materialized.
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool=op_name(table),
        required_resource_keys=RESOURCES,
    )
    def _run(context: dg.AssetExecutionContext, config: MicroBatchConfig) -> Iterator[Any]:
        resources = context.resources
        writer = MicroBatchWriter(resources.settings, table, resources.kafka, resources.clock.now)
        if config.ranges is None:
            yield from _rebuild(context, writer)
        else:
            ends = {int(partition): bounds[1] for partition, bounds in config.ranges.items()}
            yield from _append(context, writer, ends)

    return _run


def unreported(
    instance: dg.DagsterInstance, table: MicroBatched, store: Store
) -> list[dg.AssetMaterialization]:
    """Reports of commits that no materialization names, oldest first."""
    last = store.position()
    known = _reported(instance, table)
    if last is None or known >= last.number:
        return []
    return [
        event
        for batch in store.batches(known, REPORTED_AT_MOST)
        for event in reports(table, batch, found=True)
    ]


def reports(table: MicroBatched, batch: Batch, *, found: bool = False) -> list[dg.AssetMaterialization]:
    """One materialization for each arrival hour of a batch; `found`: its own run did not report it."""
    shared: dict[str, Any] = {
        BATCH_METADATA: batch.bounds.number,
        "delta_version": batch.version,
        "offsets": json.dumps(
            {p: [batch.bounds.first.get(p, 0), end] for p, end in sorted(batch.bounds.end.items())}
        ),
        "dead_letters": batch.letters,
        "found_without_report": found,
    }
    return [
        dg.AssetMaterialization(
            asset_key(table.contract), partition=hour_key(hour), metadata=shared | {"rows_added": rows}
        )
        for hour, rows in sorted(batch.hours.items())
    ]


def _append(
    context: dg.AssetExecutionContext, writer: MicroBatchWriter, ends: Mapping[int, int]
) -> Iterator[Any]:
    table, batches = writer.table, list[Batch]()
    for event in unreported(context.instance, table, writer.store):
        context.log_event(event)
    for batch in writer.catch_up(ends):
        context.log.info(
            f"{table.contract.full_name}: batch {batch.bounds.number}, {sum(batch.hours.values())} rows"
        )
        for event in reports(table, batch):
            context.log_event(event)
        batches.append(batch)
    yield _evaluation(context, writer, batches)


def _rebuild(context: dg.AssetExecutionContext, writer: MicroBatchWriter) -> Iterator[Any]:
    """Each hour of the run by itself: one that is refused does not keep the others from being rebuilt."""
    resources, table = context.resources, writer.table
    for event in unreported(context.instance, table, writer.store):
        context.log_event(event)
    refused: dict[str, str] = {}
    rebuilt: dict[str, Mapping[str, Any]] = {}
    for hour in _hours(context):
        try:
            facts = rebuild_hour(writer, resources.kafka, resources.delta_log, hour, context.run.run_id)
        except DataLossError as error:
            refused[hour] = str(error)
            continue
        rebuilt[hour] = facts
        last = writer.store.position()
        number = {BATCH_METADATA: last.number} if last else {}
        context.log_event(
            dg.AssetMaterialization(
                asset_key(table.contract),
                partition=hour_key(hour),
                metadata={"rebuilt": True, **number, **facts},
            )
        )
    if refused:
        raise dg.Failure(
            f"{table.contract.full_name}: {len(refused)} hours were left as they are: {next(iter(refused.values()))}",
            metadata={"refused": refused, "rebuilt": sorted(rebuilt)},
            allow_retries=False,
        )
    yield _evaluation(context, writer, [])


def _evaluation(
    context: dg.AssetExecutionContext, writer: MicroBatchWriter, batches: Sequence[Batch]
) -> dg.AssetCheckResult:
    """What the audit says: red as long as a record that only the audit refused is younger than a day."""
    now = context.resources.clock.now()
    newest = batches[-1] if batches else writer.store.newest()
    poison = newest.poisoned_since(now - RED_FOR) if newest else {}
    return dg.AssetCheckResult(
        asset_key=asset_key(writer.table.contract),
        check_name=CHECK_NAME,
        passed=not poison,
        metadata={
            "rows": sum(sum(b.hours.values()) for b in batches),
            "batches": len(batches),
            "dead_letters": sum(b.letters for b in batches),
            "refused_by_the_audit": {str(number): count for number, (count, _) in poison.items()},
        },
    )


def _hours(context: dg.AssetExecutionContext) -> list[str]:
    window = context.partition_time_window
    hours, start = [], window.start
    while start < window.end:
        hours.append(hour_of(start))
        start += timedelta(hours=1)
    return hours


def _reported(instance: dg.DagsterInstance, table: MicroBatched) -> int:
    """The largest batch number that one of the newest materializations names; -1 before the first."""
    newest = instance.fetch_materializations(asset_key(table.contract), limit=5).records
    numbers = []
    for record in newest:
        event = record.asset_materialization
        value = event.metadata.get(BATCH_METADATA) if event is not None else None
        if value is not None and isinstance(value.value, int):
            numbers.append(value.value)
    return max(numbers, default=0)
