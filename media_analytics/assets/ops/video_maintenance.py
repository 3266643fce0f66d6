"""ops.video_maintenance: what compaction, Z-order and VACUUM did to the video tables.

Belongs here: the asset, and that all tables of silver and gold are maintained. Does not belong here: how
(`media_analytics/video_files/maintenance.py`), when (`automation/schedules.py`).
"""

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
from deltalake.exceptions import CommitFailedError

from media_analytics.checks.audit import CHECK_NAME
from media_analytics.checks.rows import RowsVerdict
from media_analytics.contracts.registry import table
from media_analytics.contracts.tables import video_files, video_gold
from media_analytics.errors import MediaAnalyticsError
from media_analytics.factory import RETRIES, asset_key, contract_check_spec, external_table
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.video_files import ledger
from media_analytics.video_files.maintenance import maintain

CONTRACT = table("ops.video_maintenance")
MAINTAINED = tuple(
    c
    for c in (*video_files.CONTRACTS, *video_gold.CONTRACTS)
    if c.full_name not in (CONTRACT.full_name, ledger.CONTRACT.full_name)
)


def asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Maintains every table of the video files; its run has no partition and reports today."""
    key = asset_key(CONTRACT)
    name = "__".join(CONTRACT.key)
    deps = [
        dg.AssetDep(asset_key(c), partition_mapping=dg.AllPartitionMapping())
        for c in MAINTAINED
        if c.layer in ("silver", "gold")
    ]

    @dg.multi_asset(
        name=name,
        specs=[external_table(CONTRACT, partitions, declared_in=sys.modules[__name__], deps=deps)],
        check_specs=[contract_check_spec(CONTRACT)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool=name,
        required_resource_keys={"settings", "clock"},
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        settings = context.resources.settings
        now: datetime = context.resources.clock.now()
        rows = []
        for contract in MAINTAINED:
            try:
                rows.append(maintain(settings, contract).row(context.run.run_id, now))
            except CommitFailedError as error:
                raise MediaAnalyticsError(
                    f"{contract.full_name} was published meanwhile and is maintained again: {error}"
                ) from error
        ledger.append(settings, CONTRACT, rows, context.run.run_id)
        yield dg.AssetCheckResult(
            asset_key=key, check_name=CHECK_NAME, passed=True, metadata=RowsVerdict(len(rows)).metadata()
        )
        facts = {
            name: sum(row[name] for row in rows)
            for name in (
                "files_before",
                "files_after",
                "day_bytes_before",
                "day_bytes_after",
                "deleted_files",
            )
        }
        context.log_event(dg.AssetMaterialization(key, partition=now.date().isoformat(), metadata=facts))
        yield dg.MaterializeResult(asset_key=key, metadata=facts)

    return _run
