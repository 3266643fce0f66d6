"""extracts.interactions: the rows of each closed minute, as a file.

Belongs here: the query, and the asset. Does not belong here: when a minute is closed (`automation/minutes.py`), where
files lie (`resources/minute_files.py`).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from media_analytics.assets.extracts.minutes import MinutesConfig, tried_once, wanted_minutes
from media_analytics.checks.audit import CHECK_NAME
from media_analytics.checks.rows import RowsVerdict, arrow_schema, audit_rows
from media_analytics.contracts.registry import table
from media_analytics.errors import DataLossError
from media_analytics.factory import RETRIES, asset_key, contract_check_spec, external_table
from media_analytics.modelling.minutes import MINUTE
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.minute_files import MinuteFiles

CONTRACT = table("extracts.interactions")
SOURCE = table("realtime.interactions")
# A client that was not answered sends again within minutes; a copy that comes later than this counts as an event.
COPIES_SECONDS = 3600
_SQL = f"""
SELECT source_topic, source_partition, source_offset, appended_at, event_id, event_type, brand, occurred_at, status,
    error_code, latency_ms,
    row_number() OVER (PARTITION BY brand, event_id ORDER BY appended_at, source_partition, source_offset) = 1
        AND (brand, event_id) NOT IN (
            SELECT brand, event_id FROM {SOURCE.full_name}
            WHERE appended_at >= fromUnixTimestamp({{earlier:Int64}})
                AND appended_at < fromUnixTimestamp({{start:Int64}})
        ) AS is_first_copy
FROM {SOURCE.full_name}
WHERE appended_at >= fromUnixTimestamp({{start:Int64}}) AND appended_at < fromUnixTimestamp({{end:Int64}})
ORDER BY source_topic, source_partition, source_offset
"""


def asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Cuts minutes out of `realtime.interactions`."""
    key = asset_key(CONTRACT)
    deps = [dg.AssetDep(asset_key(SOURCE), partition_mapping=dg.TimeWindowPartitionMapping())]
    spec = external_table(CONTRACT, partitions, declared_in=asset, deps=deps)

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[contract_check_spec(CONTRACT)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"clickhouse", "minute_files", "clock"},
    )
    def _run(context: dg.AssetExecutionContext, config: MinutesConfig) -> Iterator[Any]:
        files: MinuteFiles = context.resources.minute_files
        comment = f"{context.run.run_id} {CONTRACT.full_name}"
        verdict = RowsVerdict(0)
        with tried_once():
            minutes = wanted_minutes(
                config, context.partition_keys, files.progress(), context.resources.clock.now()
            )
            for minute in minutes:
                verdict += extract(context.resources.clickhouse, files, minute, comment)
        yield dg.AssetCheckResult(
            asset_key=key, check_name=CHECK_NAME, passed=verdict.passed, metadata=verdict.metadata()
        )
        if not verdict.passed:
            raise dg.Failure(
                "rows of realtime.interactions break the contract of the extract; their minutes keep what they had",
                verdict.metadata(),
                allow_retries=False,
            )
        yield dg.MaterializeResult(
            asset_key=key, metadata={"minutes": len(minutes), "dagster/row_count": verdict.rows}
        )

    return _run


def extract(clickhouse: ClickHouse, files: MinuteFiles, minute: datetime, comment: str) -> RowsVerdict:
    """Write the extract of a closed minute, unless its rows break the contract.

    Raises:
        DataLossError: the store has fewer rows of the minute than the extract that is there.
    """
    start = int(minute.timestamp())
    bounds = {"start": start, "end": start + int(MINUTE.total_seconds()), "earlier": start - COPIES_SECONDS}
    found = clickhouse.arrow(_SQL, bounds, f"{comment} {minute:%Y-%m-%dT%H:%M}")
    rows = found.select(CONTRACT.column_names).cast(arrow_schema(CONTRACT))
    verdict = audit_rows(CONTRACT, rows)
    if not verdict.passed:
        return verdict
    before = files.extract_rows(minute)
    if before is not None and before > rows.num_rows:
        raise DataLossError(
            f"{SOURCE.full_name} has {rows.num_rows} rows of {minute:%Y-%m-%dT%H:%M}, the extract {before}: the store "
            "keeps rows for 35 days. The extract stays as it is; delete it first if rows were erased on purpose."
        )
    files.write_extract(minute, rows)
    return verdict


def empty() -> pa.Table:
    """The extract of a minute without events."""
    return arrow_schema(CONTRACT).empty_table()
