"""The job that maintains micro-batched tables.

Belongs here: one op a table in that table's pool, so that no batch is written meanwhile. Does not belong here: what an
action does (`media_analytics.micro_batches.maintenance`), when the job runs (`schedules.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dagster as dg

from media_analytics.errors import ContractError
from media_analytics.micro_batches import maintenance
from media_analytics.micro_batches.asset import op_name
from media_analytics.micro_batches.store import Store
from media_analytics.micro_batches.table import MicroBatched

MICRO_BATCH_MAINTENANCE = "micro_batch_maintenance"


class Maintenance(dg.Config):
    """What to do with one table.

    `go_on_at` needs `offsets` (partition -> offset to read next) and gives up what lies before: a person's decision
    after records were lost. `nothing` leaves the table alone.
    """

    action: Literal["compact", "vacuum", "go_on_at", "nothing"] = "nothing"
    offsets: dict[str, int] | None = None


def maintenance_op(table: MicroBatched) -> str:
    """The op that maintains a table, as run config names it."""
    return f"maintain_{table.contract.name}"


def maintenance_config(tables: Sequence[MicroBatched], action: str) -> dict[str, Any]:
    """Run config that does the same with every table."""
    return {"ops": {maintenance_op(table): {"config": {"action": action}} for table in tables}}


def maintenance_job(tables: Sequence[MicroBatched]) -> dg.JobDefinition:
    """Compacts closed hours, removes old files, or goes on after a loss; per table, between two batches."""
    ops = [_op(table) for table in tables]

    @dg.job(
        name=MICRO_BATCH_MAINTENANCE,
        description="Compact, vacuum, or go on at given offsets, for each micro-batched table.",
    )
    def job() -> None:
        for op in ops:
            op()

    return job


def _op(table: MicroBatched) -> dg.OpDefinition:
    @dg.op(
        name=maintenance_op(table),
        pool=op_name(table),
        required_resource_keys={"settings", "clock", "kafka"},
        description=f"Maintains {table.contract.full_name}.",
    )
    def _maintain(context: dg.OpExecutionContext, config: Maintenance) -> None:
        store = Store(context.resources.settings, table)
        done: Mapping[str, Any] = {}
        if config.action == "compact":
            done = maintenance.compact(store, context.resources.clock.now())
        elif config.action == "vacuum":
            done = maintenance.vacuum(store)
        elif config.action == "go_on_at":
            if config.offsets is None:
                raise ContractError("action `go_on_at` needs `offsets`: partition -> offset to read next")
            offsets = {int(partition): offset for partition, offset in config.offsets.items()}
            done = maintenance.go_on_at(store, context.resources.kafka, offsets)
        context.log.info(f"{table.contract.full_name}: {config.action} {dict(done)}")

    return _maintain
