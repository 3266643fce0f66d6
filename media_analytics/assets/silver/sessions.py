"""silver.sessions: one row per session, on the date of its first event.

Belongs here: its inputs and its transform. Does not belong here: what a session is (`spark_jobs.transforms.sessions`).
"""

import dagster as dg
from pyspark.sql import DataFrame

from media_analytics.assets.ops.touched_dates import SESSION_DATES
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, TableAsset, asset_key
from media_analytics.partitions import neighbours
from spark_jobs.transforms import sessions as transform

CONTRACT = table("silver.sessions")
EVENTS = table("silver.events")


def silver_sessions(inputs: Inputs) -> DataFrame:
    """Sessions that begin on a date, from the events of the days around it."""
    days = [d.isoformat() for d in transform.source_dates(inputs.dates)]
    return transform.sessions(inputs.lake.read(EVENTS, partitions=days), inputs.dates)


TABLE = TableAsset(
    contract=CONTRACT,
    transform=silver_sessions,
    trigger=SESSION_DATES,
    lineage=[dg.AssetDep(asset_key(EVENTS), partition_mapping=neighbours(2, 1))],
)
