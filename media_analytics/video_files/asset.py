"""The eleven steps of the video files as assets.

Belongs here: ingest, a step of silver with its quarantine, a step of gold; what each reports to Dagster. Does not
belong here: loading (`loading.py`), computing (`tables.py`), which tables there are (`assets/`).

A run of a date (its partition) loads the folders of the date and computes the date even if nothing changed. A run with
the tag of `up_to_date` computes what changed; it has a partition only because Dagster wants one of every run of
partitioned assets. Dates are reported one by one: untouched dates are not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import dagster as dg

from media_analytics.checks.audit import CHECK_NAME, Verdict
from media_analytics.contracts.lineage import column_lineage
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.registry import table
from media_analytics.contracts.tables.video_raw import DATASETS
from media_analytics.factory import (
    Publication,
    asset_key,
    common_spec,
    contract_check_spec,
    kinds_of,
)
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions, days_between, neighbours
from media_analytics.settings import Settings
from media_analytics.video_files import judging, tables
from media_analytics.video_files.judging import BlockedError
from media_analytics.video_files.landing import LandingError, SourceFile
from media_analytics.video_files.loading import Loaded, Loader
from media_analytics.video_files.reading import bronze, newest_date
from media_analytics.video_files.tables import Mart, Published, Scope

INGEST = "video_ingest"
_RESOURCES = {"lake", "spark", "settings", "delta_log", "clock"}
FAR_COPIES = "far_copies"
# On a run whose files were blocked: it is no use to start it again before they change.
BLOCKED_TAG = "media_analytics/blocked"
# On a run that computes what changed, whatever its partition.
UP_TO_DATE_TAG = "media_analytics/up_to_date"
Warn = Callable[[Scope, Sequence[date]], Mapping[str, int]]


class IngestConfig(dg.Config):
    """Where the files are: a folder or an `s3a://` address; without one, the setting `video.landing`.

    `units` names what to load of it: `flat` for the files of the folder itself, dates for dated folders; without, all.
    """

    path: str | None = None
    units: list[str] | None = None


def up_to_date(files: Sequence[SourceFile], settings: Settings, now: datetime) -> dict[str, str]:
    """Tags of a run that computes what changed. Its partition is the newest date that the files tell."""
    dates = (d for d in map(newest_date, files) if d is not None)
    known = Partitions.of(settings).existing_days(dates, now)
    return {UP_TO_DATE_TAG: "true", _PARTITION: (known[-1] if known else now.date()).isoformat()}


def ingest_asset(partitions: Partitions, retries: dg.RetryPolicy, declared_in: object) -> dg.AssetsDefinition:
    """Loads new and replaced files of a landing folder into the five bronze tables."""
    contracts = {dataset: bronze(dataset) for dataset in DATASETS}
    checks = [
        dg.AssetCheckSpec(name, asset=asset_key(contract), blocking=True, description=what)
        for contract in contracts.values()
        for name, what in judging.CHECKS.items()
    ]

    @_step(
        INGEST,
        [_spec(c, partitions, declared_in, (), {"deltalake", "file", "table"}) for c in contracts.values()],
        [*(contract_check_spec(c) for c in contracts.values()), *checks],
        retries,
    )
    def _run(context: dg.AssetExecutionContext, config: IngestConfig) -> Iterator[Any]:
        yield from _ingest(context, config)

    return _run


def silver_asset(
    dataset: str, partitions: Partitions, retries: dg.RetryPolicy, declared_in: object
) -> dg.AssetsDefinition:
    """Cleans a data set: silver and, beside it, the refused rows."""
    clean, bad = table(f"silver.{dataset}"), table(f"quarantine.{dataset}")
    deps = [dg.AssetDep(asset_key(bronze(dataset)))]
    warnings = []
    if dataset == "delivery":
        what = (
            "No delivery stands a second time 8 to 35 days away: such copies are not found and count twice."
        )
        warnings = [dg.AssetCheckSpec(FAR_COPIES, asset=asset_key(clean), description=what)]

    @_step(
        "__".join(clean.key),
        [_spec(c, partitions, declared_in, deps) for c in (clean, bad)],
        [contract_check_spec(clean), contract_check_spec(bad), *warnings],
        retries,
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        with context.resources.spark.tagged(context.run.run_id, clean.full_name):
            scope = _scope(context)
            published = tables.publish_silver(scope, dataset)
            yield from _reported(context, published)
            if warnings and published[0].is_due:
                with scope.lake.suited_to(published[0].verdict.rows):
                    found = tables.far_copies(scope, published[0].dates)
                yield _warning(clean, FAR_COPIES, {"deliveries": found})

    return _run


def mart_asset(
    mart: Mart,
    partitions: Partitions,
    retries: dg.RetryPolicy,
    warnings: Mapping[str, tuple[str, Warn]],
    before_publish: Any,
    lineage: Sequence[TableContract] = (),
) -> dg.AssetsDefinition:
    """Computes a mart. `warnings`: by name, what it says and how rows worth a look are counted, with `lineage` too."""
    contract = mart.contract
    deps = [
        dg.AssetDep(asset_key(fact), partition_mapping=_days_before(mart.reaches)) for fact in mart.facts
    ] + [
        dg.AssetDep(asset_key(c))
        for c in {c.full_name: c for c in (*mart.catalogue_contracts, *lineage)}.values()
    ]
    specs = [
        dg.AssetCheckSpec(name, asset=asset_key(contract), description=what)
        for name, (what, _) in warnings.items()
    ]

    @_step(
        "__".join(contract.key),
        [_spec(contract, partitions, mart.transform, deps)],
        [contract_check_spec(contract), *specs],
        retries,
    )
    def _run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        with context.resources.spark.tagged(context.run.run_id, contract.full_name):
            scope = _scope(context)
            published = tables.publish_mart(
                scope,
                mart,
                lambda of, staged, dates: before_publish(
                    Publication(
                        context, of, scope.lake, context.resources.settings, staged, tuple(dates), None
                    )
                ),
            )
            yield from _reported(context, (published,))
            if published.is_due:
                for name, (_, count) in warnings.items():
                    yield _warning(contract, name, count(scope, published.dates))

    return _run


def _step(
    name: str, specs: Sequence[dg.AssetSpec], checks: Sequence[dg.AssetCheckSpec], retries: dg.RetryPolicy
) -> Callable[[Callable[..., Iterator[Any]]], dg.AssetsDefinition]:
    """The decorator of a step: one run of it at a time, a few dates a run."""
    return dg.multi_asset(
        name=name,
        specs=specs,
        check_specs=checks,
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=retries,
        pool=name,
        required_resource_keys=_RESOURCES,
    )


def _spec(
    contract: TableContract,
    partitions: Partitions,
    declared_in: object,
    deps: Sequence[dg.AssetDep],
    kinds: set[str] | None = None,
) -> dg.AssetSpec:
    return dg.AssetSpec(
        asset_key(contract),
        deps=deps,
        partitions_def=partitions.definition(contract.partitioning),
        **common_spec(contract, kinds or kinds_of(contract), declared_in),
    )


def _days_before(days: int) -> dg.PartitionMapping | None:
    return neighbours(days, 0) if days else None


def _ingest(context: dg.AssetExecutionContext, config: IngestConfig) -> Iterator[Any]:
    resources = context.resources
    path = config.path or resources.settings.video.landing
    if path is None:
        raise dg.Failure(
            "no folder to load: give the op's config `path`, or set MEDIA_ANALYTICS_VIDEO__LANDING",
            allow_retries=False,
        )
    loader = Loader(
        resources.settings, resources.lake, resources.delta_log, context.run.run_id, resources.clock.now()
    )
    with resources.spark.tagged(context.run.run_id, INGEST):
        try:
            done = loader.load(path, _asked(context), config.units)
        except BlockedError as error:
            context.instance.add_run_tags(context.run.run_id, {BLOCKED_TAG: "true"})
            yield from _blocked(context, error)
            raise dg.Failure(f"nothing was published: {error}", allow_retries=False) from error
        except LandingError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
    yield from _loaded(context, path, done)


def _blocked(context: dg.AssetExecutionContext, error: BlockedError) -> Iterator[dg.AssetCheckResult]:
    for dataset in DATASETS:
        for check in judging.CHECKS:
            found = [b.message for b in error.blocks if (b.dataset, b.check) == (dataset, check)]
            if found and _is_selected(context, bronze(dataset)):
                yield dg.AssetCheckResult(
                    asset_key=asset_key(bronze(dataset)),
                    check_name=check,
                    passed=False,
                    description=found[0][:1000],
                    metadata={"messages": found},
                )


def _loaded(context: dg.AssetExecutionContext, path: str, done: Loaded) -> Iterator[Any]:
    for dataset in DATASETS:
        contract = bronze(dataset)
        if not _is_selected(context, contract):
            continue
        batches = [b for b in done.batches if b.dataset == dataset]
        rows = sum(b.rows for b in batches)
        unknown = sorted({c for b in batches for f in b.facts.values() for c in f.unknown_columns})
        if batches:
            verdict = Verdict(rows, len(contract.columns))
            yield _evaluation(contract, CHECK_NAME, verdict)
            for check in judging.CHECKS:
                yield _evaluation(contract, check, verdict)
        refused: dict[str, int] = {}
        for batch in batches:
            for reason, count in batch.refused.items():
                refused[reason] = refused.get(reason, 0) + count
        yield dg.MaterializeResult(
            asset_key=asset_key(contract),
            metadata={
                "path": path,
                "files": sum(len(b.files) for b in batches),
                "rows_loaded": rows,
                "refused": refused,
                "unknown_columns": unknown,
                "delta_version": done.versions.get(dataset, -1),
                "unchanged": not batches,
            },
        )


def _evaluation(contract: TableContract, check: str, verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset_key(contract), check_name=check, passed=verdict.passed, metadata=verdict.metadata()
    )


def _reported(context: dg.AssetExecutionContext, published: Sequence[Published]) -> Iterator[Any]:
    """Evaluations, then one materialization a date, then one of the step, so that the next one starts."""
    selected = [p for p in published if _is_selected(context, p.contract)]
    for one in selected:
        if one.is_due:
            yield _evaluation(one.contract, CHECK_NAME, one.verdict)
    failed = [p for p in published if not p.verdict.passed]
    if failed:
        raise dg.Failure(
            "; ".join(
                f"{p.contract.full_name}: rows break the contract ({_told(p.verdict)}); nothing was published. Look at "
                "the check's samples, correct the files and deliver them again"
                for p in failed
            ),
            metadata=failed[0].verdict.metadata(),
            allow_retries=False,
        )
    days = Partitions.of(context.resources.settings)
    now = context.resources.clock.now()
    own = set(_of_run(context))
    for one in selected:
        facts = {"delta_version": one.version or -1, "rows": one.verdict.rows, "unchanged": not one.is_due}
        for day in set(days.existing_days(one.dates, now)) - own:
            context.log_event(
                dg.AssetMaterialization(
                    asset_key(one.contract), partition=day.isoformat(), metadata={**facts, **one.notes}
                )
            )
        yield dg.MaterializeResult(
            asset_key=asset_key(one.contract),
            metadata={
                **facts,
                **one.notes,
                **column_lineage(one.contract),
                "dates": [d.isoformat() for d in one.dates],
            },
        )


def _told(verdict: Verdict) -> str:
    found = verdict.metadata().get("failed_rules", {})
    return ", ".join(f"{rule}: {count}" for rule, count in found.items())


def _warning(contract: TableContract, name: str, found: Mapping[str, int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset_key(contract),
        check_name=name,
        passed=not any(found.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(found),
    )


def _is_selected(context: dg.AssetExecutionContext, contract: TableContract) -> bool:
    return asset_key(contract) in context.selected_asset_keys


def _asked(context: dg.AssetExecutionContext) -> tuple[date, ...]:
    """Dates that the run shall compute; none for a run that brings everything up to date."""
    return () if UP_TO_DATE_TAG in context.run.tags else _of_run(context)


def _of_run(context: dg.AssetExecutionContext) -> tuple[date, ...]:
    """Dates of the run's partitions."""
    first, last = (context.run.tags.get(name) for name in _RANGE)
    if first is None or last is None:
        return (date.fromisoformat(context.run.tags[_PARTITION]),)
    return tuple(days_between(date.fromisoformat(first), date.fromisoformat(last)))


def _scope(context: dg.AssetExecutionContext) -> Scope:
    resources = context.resources
    return Scope(
        resources.lake, resources.delta_log, context.run.run_id, resources.clock.now(), _asked(context)
    )


_PARTITION = "dagster/partition"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
