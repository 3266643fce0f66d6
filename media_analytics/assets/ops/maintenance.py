"""ops.maintenance_requests and ops.maintenance_results: what a streaming writer is asked to do, and what it did.

Belongs here: both tables as assets, and filing a request. Does not belong here: carrying requests out (the writer of
the table does), deciding when (`automation/`).
"""

import sys
from datetime import date
from typing import Literal

import dagster as dg

from media_analytics.checks.audit import merge_audited
from media_analytics.contracts.registry import TABLES, table
from media_analytics.errors import ContractError
from media_analytics.factory import asset_key, external_table
from media_analytics.partitions import Partitions

REQUESTS = table("ops.maintenance_requests")
RESULTS = table("ops.maintenance_results")


class MaintenanceRequest(dg.Config):
    """One piece of work for the process that writes a table.

    `action` `delete` removes every row that `predicate` matches; it has no default and cannot be undone after the
    table's retention. `compact` and `rebuild_hour` need `hour` (`YYYY-MM-DDTHH`).
    """

    table: str = "bronze.user_events"
    action: Literal["compact", "rebuild_hour", "delete", "vacuum"] = "vacuum"
    hour: str | None = None
    predicate: str | None = None


def specs(partitions: Partitions) -> list[dg.AssetSpec]:
    """Requests are filed by runs, results written by the stream."""
    here = sys.modules[__name__]
    return [
        external_table(REQUESTS, partitions, declared_in=here),
        external_table(RESULTS, partitions, declared_in=here, deps=[dg.AssetDep(asset_key(REQUESTS))]),
    ]


def checked(request: MaintenanceRequest) -> MaintenanceRequest:
    """The request, if it makes sense.

    Raises:
        ContractError: the table is not written by a stream, or what the action needs is missing.
    """
    contract = TABLES.get(request.table)
    if contract is None or contract.writer != "stream":
        streamed = ", ".join(name for name, c in TABLES.items() if c.writer == "stream")
        raise ContractError(f"{request.table!r} is not written by a stream; expected one of {streamed}")
    needs = {"compact": "hour", "rebuild_hour": "hour", "delete": "predicate"}.get(request.action)
    if needs is not None and not getattr(request, needs):
        raise ContractError(f"action {request.action!r} needs `{needs}`")
    return request


@dg.op(required_resource_keys={"lake", "clock"})
def file_maintenance_request(context: dg.OpExecutionContext, config: MaintenanceRequest) -> None:
    """Write one request; the writer of the table acknowledges it in ops.maintenance_results."""
    request = checked(config)
    now = context.resources.clock.now()
    row = {
        "request_id": context.run.run_id,
        **{name: getattr(request, name) for name in ("table", "action", "hour", "predicate")},
        "requested_by": f"run {context.run.run_id}",
        "requested_at": now,
    }
    version = merge_audited(context.resources.lake, REQUESTS, [row])
    key = asset_key(REQUESTS)
    context.log_event(
        dg.AssetMaterialization(
            key,
            partition=date.isoformat(now.date()),
            metadata={"delta_version": version, "action": request.action},
        )
    )


@dg.job(description="Ask the writer of a streamed table to compact, rebuild, delete or vacuum.")
def maintenance_request() -> None:
    """File one request."""
    file_maintenance_request()
