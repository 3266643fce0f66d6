"""From a contract and a transform to an asset.

Belongs here: what every table gets (partitions, freshness, owners, kinds, columns, code references, retries, pool) and
the one way a table is written: stage, audit, publish. Does not belong here: anything about one table, and which
assets there are (`assets/`).

Effects of a run, in this order; a crash between two of them is repaired by running again:
1. stage   the transform's result for all partitions of the run, beside the lake;
2. audit   one aggregate query over all of it; if a rule fails, one per partition to find the bad ones;
3. before  what must be known before data changes (restatements), merged by the version it is based on;
4. publish the good partitions in one commit; bad ones keep what they had;
5. after   what others need to know (touched session dates), appended to a table;
6. record  materializations, one per published partition, and the audit's evaluation.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import dagster as dg

from media_analytics.checks.audit import CHECK_NAME, Verdict, audit_staged
from media_analytics.contracts.dagster import metadata as contract_metadata
from media_analytics.contracts.model import Contract, TableContract
from media_analytics.errors import MediaAnalyticsError
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.resources.lake import Lake, Staged
from media_analytics.resources.spark import SparkConnect
from media_analytics.settings import Settings

AUTOMATIC_TAG = "media_analytics/automatic"
# Why a run runs, for whoever reads which numbers it changed.
CAUSE_TAG = "media_analytics/cause"
UPSTREAM_METADATA = "upstream_version"
RETRIES = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
Transform = Callable[["Inputs"], Any]


@dataclass(frozen=True)
class Inputs:
    """What a transform may use. `dates` are those the run must produce."""

    lake: Lake
    log: DeltaLog
    settings: Settings
    dates: tuple[date, ...]


@dataclass(frozen=True)
class Publication:
    """One table's run, as its hooks see it."""

    context: dg.AssetExecutionContext
    contract: TableContract
    lake: Lake
    settings: Settings
    staged: Staged
    dates: tuple[date, ...]
    upstream_version: int | None


@dataclass(frozen=True)
class TableAsset:
    """What one table is. `trigger` names the table whose changed partitions make this one due, date by date.

    `trigger_version` says which version of it can be read in full; without it, the newest. `lineage` are further
    inputs: they are drawn and ordered, but trigger nothing. `extend` may add dates that must be published together
    with the run's own.
    """

    contract: TableContract
    transform: Transform
    trigger: TableContract
    trigger_version: Callable[[DeltaLog], int] | None = None
    lineage: Sequence[dg.AssetDep] = ()
    extend: Callable[[Inputs, Staged], tuple[date, ...]] | None = None
    before_publish: Callable[[Publication], Mapping[str, Any]] | None = None
    after_publish: Callable[[Publication], Mapping[str, Any]] | None = None


@dataclass
class _Outcome:
    verdict: Verdict
    version: int | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


def asset_key(contract: Contract) -> dg.AssetKey:
    """`[layer, table]`."""
    return dg.AssetKey([contract.layer, contract.name])


def external_table(
    contract: Contract,
    partitions: Partitions,
    *,
    declared_in: object,
    deps: Sequence[dg.AssetDep] = (),
    kinds: set[str] | None = None,
) -> dg.AssetSpec:
    """A table or topic that a long-running process writes: everything an asset has but the computation."""
    return dg.AssetSpec(
        asset_key(contract),
        deps=deps,
        partitions_def=partitions.definition(contract.partitioning),
        **common_spec(contract, kinds or kinds_of(contract), declared_in),
    )


def table_asset(
    table: TableAsset, partitions: Partitions, condition: dg.AutomationCondition[Any] | None = None
) -> dg.AssetsDefinition:
    """The asset of a table that runs compute, with write, audit, publish."""
    key = asset_key(table.contract)
    spec = dg.AssetSpec(
        key,
        deps=[dg.AssetDep(asset_key(table.trigger)), *table.lineage],
        partitions_def=partitions.definition(table.contract.partitioning),
        automation_condition=condition,
        **common_spec(table.contract, kinds_of(table.contract), table.transform),
    )

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=[contract_check_spec(table.contract)],
        # One asset whose output is optional: a failed audit publishes nothing.
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"lake", "spark", "settings", "delta_log", "clock"},
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from _materialize(table, context)

    return _run


def contract_check_spec(contract: Contract) -> dg.AssetCheckSpec:
    """The check that says whether a table's rows keep its contract."""
    return dg.AssetCheckSpec(
        CHECK_NAME,
        asset=asset_key(contract),
        blocking=True,
        description=f"Types, nullability, unique key and every value rule of {contract.full_name}, in one query.",
    )


def common_spec(contract: Contract, kinds: set[str], declared_in: object) -> dict[str, Any]:
    """What every asset has: description, group, owner, kinds, freshness, columns, code references."""
    return {
        "description": contract.grain,
        "group_name": contract.layer,
        "owners": [contract.owner],
        "kinds": kinds,
        "freshness_policy": dg.FreshnessPolicy.time_window(
            fail_window=contract.freshness.fail, warn_window=contract.freshness.warn
        ),
        "metadata": contract_metadata(contract)
        | {
            "contract/refresh_interval_seconds": contract.refresh_interval.total_seconds(),
            **_code_references(contract, declared_in),
        },
    }


def kinds_of(contract: Contract) -> set[str]:
    """How an asset's stores show in the catalogue."""
    if not isinstance(contract, TableContract):
        return {"kafka", "avro"}
    if contract.store == "clickhouse":
        return {"clickhouse", "table"}
    if contract.store == "files":
        return {"file"}
    return {"deltalake", "spark", "table"}


def _code_references(contract: Contract, declared_in: object) -> dict[str, Any]:
    references = [
        dg.LocalFileCodeReference(file_path=path, line_number=line, label=label)
        for label, item in (("asset", declared_in), ("contract", contract.model))
        for path, line in [_place(item)]
    ]
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=list(references))}


def _place(item: object) -> tuple[str, int]:
    if inspect.isclass(item) or inspect.isfunction(item):
        return str(inspect.getsourcefile(item)), inspect.getsourcelines(item)[1]
    if inspect.ismodule(item):
        return str(item.__file__), 1
    raise TypeError(f"expected a module, class or function to point at; got {type(item).__name__}")


def _materialize(table: TableAsset, context: dg.AssetExecutionContext) -> Iterator[Any]:
    resources = context.resources
    settings: Settings = resources.settings
    spark: SparkConnect = resources.spark
    lake: Lake = resources.lake
    keys = context.partition_keys
    log: DeltaLog = resources.delta_log
    upstream = table.trigger_version(log) if table.trigger_version else lake.version(table.trigger)
    if _is_unchanged(table, context, keys, log):
        context.log.info(f"{table.contract.full_name}: nothing new for {len(keys)} partitions at {upstream}")
        yield dg.AssetCheckResult(
            check_name=CHECK_NAME,
            passed=True,
            metadata={"unchanged": True, "audited_with_version_up_to": upstream},
        )
        yield dg.MaterializeResult(metadata={"unchanged": True, UPSTREAM_METADATA: upstream})
        return
    dates = tuple(date.fromisoformat(key) for key in keys)
    with spark.tagged(context.run.run_id, table.contract.full_name, f"{keys[0]}..{keys[-1]}"):
        staged, dates = _stage(table, context, Inputs(lake, log, settings, dates))
        try:
            publication = Publication(context, table.contract, lake, settings, staged, dates, upstream)
            outcome = _audit_and_publish(table, publication)
        finally:
            lake.delete_staging(staged)
    yield from _results(table.contract, context, outcome, dates, upstream)


def _stage(
    table: TableAsset, context: dg.AssetExecutionContext, inputs: Inputs
) -> tuple[Staged, tuple[date, ...]]:
    staged = inputs.lake.stage(table.contract, table.transform(inputs), context.run.run_id)
    further = table.extend(inputs, staged) if table.extend else ()
    if further:
        context.log.info(f"{table.contract.full_name}: also {', '.join(map(str, further))}: their rows move")
        inputs = replace(inputs, dates=tuple(sorted({*inputs.dates, *further})))
        staged = inputs.lake.stage(table.contract, table.transform(inputs), context.run.run_id)
    return staged, inputs.dates


def _audit_and_publish(table: TableAsset, publication: Publication) -> _Outcome:
    lake, staged = publication.lake, publication.staged
    verdict = audit_staged(lake, staged, [d.isoformat() for d in publication.dates])
    good = tuple(d for d in publication.dates if d.isoformat() not in verdict.failed)
    if not good:
        return _Outcome(verdict)
    publication = replace(publication, dates=good)
    notes = dict(table.before_publish(publication)) if table.before_publish else {}
    version = lake.publish(table.contract, staged, [d.isoformat() for d in good])
    if table.after_publish:
        notes |= table.after_publish(publication)
    return _Outcome(verdict, version, staged.rows, notes)


def _results(
    contract: TableContract,
    context: dg.AssetExecutionContext,
    outcome: _Outcome,
    dates: Sequence[date],
    upstream: int,
) -> Iterator[Any]:
    """The evaluation, then what was published. A failed partition fails the run; it is not tried again."""
    verdict, key = outcome.verdict, asset_key(contract)
    published = (
        []
        if outcome.version is None
        else [d.isoformat() for d in dates if d.isoformat() not in verdict.failed]
    )
    shared = {
        "delta_version": outcome.version,
        UPSTREAM_METADATA: upstream,
        "unchanged": False,
        **outcome.notes,
    }
    yield dg.AssetCheckResult(
        asset_key=key, check_name=CHECK_NAME, passed=verdict.passed, metadata=verdict.metadata()
    )
    own = set(context.partition_keys)
    outside = [p for p in published if p not in own]
    for partition in published if verdict.failed else outside:
        context.log_event(
            dg.AssetMaterialization(
                key,
                partition=partition,
                metadata=shared | {"dagster/partition_row_count": outcome.rows.get(partition, 0)},
            )
        )
    if verdict.failed:
        raise dg.Failure(
            f"{contract.full_name}: {len(verdict.failed)} of {len(dates)} partitions break the contract and keep what "
            f"they had: {', '.join(sorted(verdict.failed))}",
            metadata=verdict.metadata(),
            allow_retries=False,
        )
    for partition in own:
        context.add_asset_metadata(
            {"dagster/partition_row_count": outcome.rows.get(partition, 0)},
            asset_key=key,
            partition_key=partition,
        )
    yield dg.MaterializeResult(asset_key=key, metadata=shared | {"rows_of_run": sum(outcome.rows.values())})


def _is_unchanged(
    table: TableAsset, context: dg.AssetExecutionContext, keys: Sequence[str], log: DeltaLog
) -> bool:
    """Whether an automatic run would compute what stands already. A run started by hand always computes."""
    if AUTOMATIC_TAG not in context.run.tags:
        return False
    recorded = _recorded_versions(context, asset_key(table.contract), keys)
    if set(recorded) != set(keys):
        return False
    tail = log.tail(table.trigger, min(recorded.values()))
    return tail.is_complete and all(tail.changed.get(key, -1) <= recorded[key] for key in keys)


def _recorded_versions(
    context: dg.AssetExecutionContext, key: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, int]:
    """Per partition, the trigger's version that its newest materialization saw."""
    found: dict[str, int] = {}
    for partition in partitions:
        newest = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
        ).records
        event = newest[0].asset_materialization if newest else None
        value = event.metadata.get(UPSTREAM_METADATA) if event is not None else None
        if value is None:
            return {}
        if not isinstance(value.value, int):
            raise MediaAnalyticsError(
                f"{key.to_user_string()}: {UPSTREAM_METADATA} is {value.value!r}, not a version"
            )
        found[partition] = value.value
    return found
