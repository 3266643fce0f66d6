"""From a contract and a transform to an asset that is replaced as a whole.

Belongs here: stage, audit, publish for tables without partitions, and their warnings. Does not belong here: tables by
date (`factory.py`), anything about one table.

Effects of a run are those of `factory.py`, with one partition that is the table: a failed audit publishes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from media_analytics.checks.audit import CHECK_NAME, audit_staged
from media_analytics.contracts.model import TableContract
from media_analytics.factory import (
    RETRIES,
    UPSTREAM_METADATA,
    Inputs,
    Publication,
    Transform,
    asset_key,
    common_spec,
    contract_check_spec,
    kinds_of,
)
from media_analytics.partitions import PARTITIONS_PER_RUN
from media_analytics.resources.lake import Lake

# The name under which counts and audits know the only part of a table without partitions.
WHOLE = ""


@dataclass(frozen=True)
class Warn:
    """A check that never fails a run: `count` says how many rows deserve a look."""

    description: str
    count: Callable[[Inputs], int]


@dataclass(frozen=True)
class WholeTable:
    """What one table is. A change of `trigger` makes it due; `lineage` is drawn and ordered, and triggers nothing."""

    contract: TableContract
    transform: Transform
    trigger: TableContract
    lineage: Sequence[dg.AssetDep] = ()
    warnings: Mapping[str, Warn] = field(default_factory=dict)
    after_publish: Callable[[Publication], Mapping[str, Any]] | None = None


def whole_table_asset(
    table: WholeTable, condition: dg.AutomationCondition[Any] | None = None
) -> dg.AssetsDefinition:
    """The asset of a table without partitions, with write, audit, publish."""
    key = asset_key(table.contract)
    spec = dg.AssetSpec(
        key,
        deps=[dg.AssetDep(asset_key(table.trigger)), *table.lineage],
        automation_condition=condition,
        **common_spec(table.contract, kinds_of(table.contract), table.transform),
    )
    warnings = [
        dg.AssetCheckSpec(name, asset=key, description=warn.description)
        for name, warn in table.warnings.items()
    ]

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[contract_check_spec(table.contract), *warnings],
        # One asset whose output is optional: a failed audit publishes nothing.
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"lake", "spark", "settings", "delta_log", "clock"},
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        with context.resources.spark.tagged(context.run.run_id, table.contract.full_name):
            yield from _materialize(table, context)

    return _run


def _materialize(table: WholeTable, context: dg.AssetExecutionContext) -> Iterator[Any]:
    contract, key = table.contract, asset_key(table.contract)
    lake: Lake = context.resources.lake
    inputs = Inputs(lake, context.resources.delta_log, context.resources.settings, ())
    upstream = lake.version(table.trigger)
    staged = lake.stage(contract, table.transform(inputs), context.run.run_id)
    try:
        verdict = audit_staged(lake, staged, [WHOLE])
        notes: dict[str, Any] = {}
        # Replacing nothing by nothing is no commit.
        if verdict.passed and (staged.total or inputs.log.row_counts(contract)):
            notes["delta_version"] = lake.publish(contract, staged, [])
            publication = Publication(context, contract, lake, inputs.settings, staged, (), upstream)
            notes |= table.after_publish(publication) if table.after_publish else {}
    finally:
        lake.delete_staging(staged)
    yield dg.AssetCheckResult(
        asset_key=key, check_name=CHECK_NAME, passed=verdict.passed, metadata=verdict.metadata()
    )
    wanted = {check.name for check in context.selected_asset_check_keys}
    for name, warn in table.warnings.items():
        if name in wanted:
            found = warn.count(inputs)
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=found == 0,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"rows": found},
            )
    if not verdict.passed:
        raise dg.Failure(
            f"{contract.full_name} breaks its contract and keeps what it had",
            metadata=verdict.metadata(),
            allow_retries=False,
        )
    facts = {"dagster/row_count": staged.total, UPSTREAM_METADATA: upstream}
    yield dg.MaterializeResult(asset_key=key, metadata=facts | notes)
