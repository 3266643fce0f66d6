"""silver.content: what each piece of content said from when until when.

Belongs here: its inputs and its transform. Does not belong here: what an interval is
(`spark_jobs.transforms.intervals`).
"""

import dagster as dg
from pyspark.sql import DataFrame

from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, asset_key
from media_analytics.factory_whole import WholeTable
from spark_jobs.transforms import intervals

BRONZE = table("bronze.content_events")


def silver_content(inputs: Inputs) -> DataFrame:
    """Every revision interval of every piece of content."""
    return intervals.content(inputs.lake.read(BRONZE))


TABLE = WholeTable(
    contract=table("silver.content"),
    transform=silver_content,
    trigger=table("ops.content_events_dates"),
    lineage=[dg.AssetDep(asset_key(BRONZE))],
)
