"""silver.events: one row per event.

Belongs here: its inputs, its transform, user agents judged by newer rules, the warning of copies that stand too far
apart to be found. Does not belong here: how copies are chosen (`spark_jobs.transforms.events`).
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from media_analytics.assets.ops.touched_dates import BRONZE, EVENT_DATES, record_session_dates, stored_version
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, TableAsset, asset_key
from media_analytics.partitions import hour_of
from media_analytics.resources.lake import Lake, Staged
from spark_jobs.transforms import events as transform
from streaming.enricher.agents import Agent, Agents
from streaming.enricher.tables import agents

CONTRACT = table("silver.events")
# The check of far copies runs every hour; two hours leave no arrival out.
ARRIVED_HOURS = 2
EXAMPLES = 10


def silver_events(inputs: Inputs) -> DataFrame:
    """Rows of bronze whose event lies on a date, one copy of each, from the arrival hours that hold the date.

    What a user agent says is what the rules of this code say, also where the enricher had older ones.
    """
    bronze = bronze_of(inputs, transform.source_dates(inputs.dates))
    rows = transform.events(bronze, inputs.dates)
    other = judged_otherwise(transform.agents_of(bronze, inputs.dates, Agent._fields), agents())
    if not other:
        return rows
    names = ("user_agent", *Agent._fields)
    schema = StructType([field for field in bronze.schema.fields if field.name in names])
    ordered = [tuple(row[name] for name in schema.names) for row in other]
    return transform.with_agents(rows, inputs.lake.spark.createDataFrame(ordered, schema))


def judged_otherwise(stored: DataFrame, rules: Agents) -> list[dict[str, Any]]:
    """User agents of which the rules say something else than what is stored, with what they say."""
    found = {}
    for row in stored.toLocalIterator():
        facts = rules.find(row["user_agent"])._asdict()
        if any(row[name] != value for name, value in facts.items()):
            found[row["user_agent"]] = {"user_agent": row["user_agent"], **facts}
    return list(found.values())


def bronze_of(inputs: Inputs, dates: list[date]) -> DataFrame:
    """Bronze, pruned to the arrival hours and the times of `dates`."""
    touched = inputs.log.rows(EVENT_DATES, ["appended_hour"], [d.isoformat() for d in dates])
    hours = sorted(set(touched["appended_hour"].to_pylist()))
    first = datetime.combine(min(dates), time(), UTC)
    end = datetime.combine(max(dates), time(), UTC) + timedelta(days=1)
    rows = inputs.lake.read(BRONZE, partitions=hours)
    return rows.where((F.col("occurred_at") >= F.lit(first)) & (F.col("occurred_at") < F.lit(end)))


def displaced_dates(inputs: Inputs, staged: Staged) -> tuple[date, ...]:
    """Other dates that still show an event which now stands on a date of this run: both must change together."""
    other = set(transform.source_dates(inputs.dates)) - set(inputs.dates)
    near = [d.isoformat() for d in other]
    if not set(near) & set(inputs.log.row_counts(CONTRACT)):
        return ()
    standing = inputs.lake.read(CONTRACT, partitions=near)
    moved = standing.join(staged.frame.select("brand", "event_id"), ["brand", "event_id"], "left_semi")
    return tuple(sorted(row["date"] for row in moved.select("date").distinct().collect()))


TABLE = TableAsset(
    contract=CONTRACT,
    transform=silver_events,
    trigger=EVENT_DATES,
    trigger_version=stored_version,
    # Arrival hours and event dates are not the same windows; the touched dates say what is due.
    lineage=[dg.AssetDep(asset_key(BRONZE), partition_mapping=dg.AllPartitionMapping())],
    extend=displaced_dates,
    after_publish=record_session_dates,
)


def far_copies_check() -> dg.AssetChecksDefinition:
    """`far_copies`: what arrived lately is compared with the dates up to 35 days away, so its cost has a bound."""

    @dg.asset_check(
        asset=asset_key(CONTRACT),
        name="far_copies",
        description=(
            f"No event that arrived within {ARRIVED_HOURS} h stands a second time on a date "
            f"{transform.COPY_DAYS + 1} to {transform.FAR_COPY_DAYS} days away. Such copies count twice."
        ),
        required_resource_keys={"lake", "clock"},
    )
    def _far_copies(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found, examples = far_copies(context.resources.lake, context.resources.clock.now())
        return dg.AssetCheckResult(
            passed=found == 0,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"events": found, "examples": examples},
        )

    return _far_copies


def far_copies(lake: Lake, now: datetime) -> tuple[int, list[dict[str, Any]]]:
    """How many events of the last arrival hours have a far copy, and some of them."""
    hours = [hour_of(now - timedelta(hours=n)) for n in range(ARRIVED_HOURS, -1, -1)]
    arrived = lake.read(BRONZE, partitions=hours)
    dates = [
        row["date"] for row in arrived.select(F.to_date("occurred_at").alias("date")).distinct().collect()
    ]
    if not dates:
        return 0, []
    near = [d.isoformat() for d in transform.far_dates(dates)]
    found = transform.far_copies(arrived, lake.read(CONTRACT, partitions=near))
    count = found.select("brand", "event_id").distinct().count()
    rows = found.orderBy("brand", "event_id", "date").limit(EXAMPLES).collect() if count else []
    return count, [{k: str(v) for k, v in row.asDict().items()} for row in rows]
