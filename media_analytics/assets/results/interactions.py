"""results.interactions: for each closed minute, error rates by event type and which of them rose.

Belongs here: from extracts to published results, in order. Does not belong here: the method
(`modelling/error_rates.py`), the document (`modelling/minutes.py`), when a minute is closed (`automation/minutes.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from media_analytics.assets.extracts.minutes import CLOSES_AFTER, MinutesConfig, tried_once, wanted_minutes
from media_analytics.checks.audit import CHECK_NAME
from media_analytics.checks.rows import RowsVerdict, arrow_schema, audit_rows
from media_analytics.contracts.registry import table
from media_analytics.contracts.spark import spark_schema
from media_analytics.errors import MediaAnalyticsError
from media_analytics.factory import RETRIES, asset_key, contract_check_spec, external_table
from media_analytics.modelling import minutes as modelling
from media_analytics.modelling.minutes import HISTORY_MINUTES, MINUTE, Counts
from media_analytics.partitions import PARTITIONS_PER_RUN, Partitions
from media_analytics.resources.clock import Clock
from media_analytics.resources.dashboard import Dashboard
from media_analytics.resources.minute_files import MinuteFiles
from media_analytics.resources.spark import SparkConnect
from spark_jobs.transforms.interactions import outcomes_by_minute

CONTRACT = table("results.interactions")
EXTRACTS = table("extracts.interactions")
TIMELY = "timely"
NO_ANOMALY = "no_anomaly"
# After the minute's end: it closes, and its result follows within 120 s.
LATEST_AFTER = CLOSES_AFTER + timedelta(seconds=120)


def check_specs() -> list[dg.AssetCheckSpec]:
    """The checks of the results."""
    key = asset_key(CONTRACT)
    return [
        contract_check_spec(CONTRACT),
        dg.AssetCheckSpec(
            TIMELY, asset=key, description="The newest result came at most 120 s after its minute closed."
        ),
        dg.AssetCheckSpec(NO_ANOMALY, asset=key, description="No error rate rose in the minutes of the run."),
    ]


def asset(partitions: Partitions) -> dg.AssetsDefinition:
    """Judges minutes from their extracts."""
    key = asset_key(CONTRACT)
    spec = external_table(CONTRACT, partitions, declared_in=asset, deps=[dg.AssetDep(asset_key(EXTRACTS))])

    @dg.multi_asset(
        name="__".join(key.path),
        specs=[spec],
        check_specs=check_specs(),
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.multi_run(PARTITIONS_PER_RUN),
        retry_policy=RETRIES,
        pool="__".join(key.path),
        required_resource_keys={"spark", "minute_files", "dashboard", "clock"},
    )
    def _run(context: dg.AssetExecutionContext, config: MinutesConfig) -> Iterator[Any]:
        resources = context.resources
        files: MinuteFiles = resources.minute_files
        hours = context.partition_keys
        with tried_once(), resources.spark.tagged(context.run.run_id, CONTRACT.full_name, hours[0]):
            minutes = wanted_minutes(config, hours, files.progress(), resources.clock.now())
            counts = count(resources.spark, files, minutes)
        published = publish(files, resources.dashboard, resources.clock, minutes, counts, context.run.run_id)
        # A run without a range computes again what was on time once.
        yield from report(published, config.first is not None)

    return _run


def count(
    spark: SparkConnect, files: MinuteFiles, minutes: Sequence[datetime]
) -> dict[datetime, dict[str, Counts]]:
    """Outcomes by minute and event type, in one Spark job over all extracts.

    Raises:
        MediaAnalyticsError: a minute has no extract.
    """
    missing = [m for m in minutes if files.extract_rows(m) is None]
    if missing:
        raise MediaAnalyticsError(
            f"{len(missing)} minutes have no extract, the first is {missing[0].isoformat()}; run {EXTRACTS.full_name} "
            "for the same hours"
        )
    counts: dict[datetime, dict[str, Counts]] = {minute: {} for minute in minutes}
    if minutes:
        urls = [files.extract_url(minute) for minute in minutes]
        extracts = spark.session().read.schema(spark_schema(EXTRACTS)).parquet(*urls)
        for row in outcomes_by_minute(extracts).collect():
            minute = datetime.fromtimestamp(row["minute_seconds"], UTC)
            counts[minute][row["event_type"]] = Counts(row["success"], row["error"])
    return counts


def publish(
    files: MinuteFiles,
    dashboard: Dashboard,
    clock: Clock,
    minutes: Sequence[datetime],
    counts: Mapping[datetime, Mapping[str, Counts]],
    run_id: str,
) -> list[dict[str, Any]]:
    """Write the results of successive minutes in order, each judged by those before it, and tell the dashboard.

    Raises:
        dg.Failure: a result breaks its contract; results before it are published.
    """
    published: list[dict[str, Any]] = []
    if not minutes:
        return published
    before = [minutes[0] - n * MINUTE for n in range(HISTORY_MINUTES, 0, -1)]
    history = [modelling.past(r) if r is not None else {} for r in files.results(before)]
    for minute in minutes:
        result = modelling.document(
            minute, counts[minute], history[-HISTORY_MINUTES:], produced_at=clock.now(), run_id=run_id
        )
        verdict = audit(result)
        if not verdict.passed:
            raise dg.Failure(
                f"the result of {minute.isoformat()} breaks its contract",
                verdict.metadata(),
                allow_retries=False,
            )
        files.write_result(minute, result)
        dashboard.push_minute(result)
        history.append(modelling.past(result))
        published.append(result)
    return published


def audit(result: Mapping[str, Any]) -> RowsVerdict:
    """A result by its contract."""
    rows = pa.Table.from_pylist(modelling.rows(result), arrow_schema(CONTRACT))
    return audit_rows(CONTRACT, rows)


def report(published: Sequence[Mapping[str, Any]], is_live: bool) -> Iterator[Any]:
    """What a run says of the results it wrote: the checks, then the materialization."""
    key = asset_key(CONTRACT)
    rows = sum(len(r["event_types"]) for r in published)
    yield dg.AssetCheckResult(asset_key=key, check_name=CHECK_NAME, passed=True, metadata={"rows": rows})
    late = max((seconds_late(r) for r in published[-1:]), default=0.0) if is_live else 0.0
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=TIMELY,
        passed=late <= 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"seconds_late": late, "judged": is_live},
    )
    anomalies = [{"minute": r["window_start"], **a} for r in published for a in r["anomalies"]]
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=NO_ANOMALY,
        passed=not anomalies,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "anomalies": anomalies[-20:],
            "minutes_with_anomalies": len({a["minute"] for a in anomalies}),
        },
    )
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={
            "minutes": len(published),
            "dagster/row_count": rows,
            "newest_minute": published[-1]["window_start"] if published else None,
        },
    )


def seconds_late(result: Mapping[str, Any]) -> float:
    """How long after the latest allowed instant a result was produced; 0 when in time."""
    end, produced = (datetime.fromisoformat(result[name]) for name in ("window_end", "produced_at"))
    return max(0.0, (produced - end - LATEST_AFTER).total_seconds())
