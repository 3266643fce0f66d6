"""From the contract of a copy to its asset.

Belongs here: what Dagster knows of a copy of a table of the lake, its two checks, what a run records. Does not belong
here: how rows are copied (`loading.py`), which tables are (`contracts/tables/warehouse.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from media_analytics.checks.audit import CHECK_NAME
from media_analytics.contracts.model import TableContract
from media_analytics.factory import (
    RETRIES,
    UPSTREAM_METADATA,
    asset_key,
    common_spec,
    contract_check_spec,
    kinds_of,
)
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.warehouse.loading import Loaded, load
from media_analytics.warehouse.statements import WHOLE, measures, original

PARITY = "parity"
# Differences and rules that a check's evaluation shows.
MOST_SHOWN = 50


def copy_asset(
    contract: TableContract,
    partitions: Partitions,
    declared_in: object,
    condition: dg.AutomationCondition[Any] | None = None,
) -> dg.AssetsDefinition:
    """The asset of a copy: due when the original was published, for exactly its partitions."""
    key, source = asset_key(contract), original(contract)
    spec = dg.AssetSpec(
        key,
        deps=[dg.AssetDep(asset_key(source))],
        partitions_def=partitions.definition(contract.partitioning),
        automation_condition=condition,
        **common_spec(contract, kinds_of(contract), declared_in),
    )

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[contract_check_spec(contract), _parity_spec(contract)],
        # One asset whose output is optional: a copy that differs is not published.
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"clickhouse", "delta_log", "settings"},
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        keys = context.partition_keys if context.has_partition_key_range or context.has_partition_key else ()
        resources = context.resources
        span = "..".join(dict.fromkeys((*keys[:1], *keys[-1:])))
        comment = f"{context.run.run_id} {contract.full_name} {span}"
        loaded = load(resources.settings, resources.clickhouse, resources.delta_log, contract, keys, comment)
        yield from _results(loaded, context)

    return _run


def _parity_spec(contract: TableContract) -> dg.AssetCheckSpec:
    compared = f"count, hash of keys, hash of values and {len(measures(contract))} sums"
    return dg.AssetCheckSpec(
        PARITY,
        asset=asset_key(contract),
        blocking=True,
        description=f"By partition, {compared} are those of {contract.copy_of}; the count is also the Delta log's.",
    )


def _results(loaded: Loaded, context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Both evaluations, then what was published. A partition that differs fails the run; it is not tried again."""
    contract, key = loaded.contract, asset_key(loaded.contract)
    facts = {"rows": sum(loaded.rows.values()), "partitions": len(loaded.partitions)}
    broken = {
        f"{_name(p)}: {result}": result.failed for p, rules in loaded.failed.items() for result in rules
    }
    different = {
        f"{_name(p)}: {name}": f"{delta} in Delta, {copy} staged"
        for p, differences in loaded.differences.items()
        for name, delta, copy in differences
    }
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK_NAME,
        passed=not broken,
        metadata=facts | ({"failed_rules": _some(broken)} if broken else {}),
    )
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=PARITY,
        passed=not different,
        metadata=facts
        | {"sums": list(measures(contract))}
        | ({"differences": _some(different)} if different else {}),
    )
    bad = sorted({*loaded.failed, *loaded.differences})
    metadata = {UPSTREAM_METADATA: loaded.version}
    if bad:
        _record(context, key, [p for p in loaded.good if p != WHOLE], loaded, metadata)
        raise dg.Failure(
            f"{contract.full_name}: {len(bad)} of {len(loaded.partitions)} partitions are not those of "
            f"{contract.copy_of} or break the contract, and keep what they had: {', '.join(map(_name, bad))}",
            allow_retries=False,
        )
    for part in loaded.good:
        if part != WHOLE:
            context.add_asset_metadata(
                {"dagster/partition_row_count": loaded.rows[part]}, asset_key=key, partition_key=part
            )
    yield dg.MaterializeResult(asset_key=key, metadata=metadata | {"rows_of_run": sum(loaded.rows.values())})


def _record(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    parts: Sequence[str],
    loaded: Loaded,
    metadata: dict[str, Any],
) -> None:
    for part in parts:
        context.log_event(
            dg.AssetMaterialization(
                key, partition=part, metadata=metadata | {"dagster/partition_row_count": loaded.rows[part]}
            )
        )


def _name(part: str) -> str:
    return part or "all rows"


def _some(found: dict[str, Any]) -> dict[str, Any]:
    return dict(list(found.items())[:MOST_SHOWN])
