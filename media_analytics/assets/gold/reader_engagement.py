"""gold.reader_engagement: what held attention, per date, brand and page.

Belongs here: its inputs and its transform. Does not belong here: measures (`spark_jobs.transforms.reader_gold`).
"""

import dagster as dg
from pyspark.sql import DataFrame

from media_analytics.assets.ops.restatements import record_restatements
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, TableAsset, asset_key
from media_analytics.partitions import neighbours
from spark_jobs.transforms import reader_gold

CONTRACT = table("gold.reader_engagement")
EVENTS = table("silver.events")


def gold_reader_engagement(inputs: Inputs) -> DataFrame:
    """The date's events by page, with the sessions they belong to."""
    days = [d.isoformat() for d in reader_gold.engagement_source_dates(inputs.dates)]
    return reader_gold.reader_engagement(inputs.lake.read(EVENTS, partitions=days), inputs.dates)


TABLE = TableAsset(
    contract=CONTRACT,
    transform=gold_reader_engagement,
    # Sessions are published for every date whose entries, exits or recirculation can have changed.
    trigger=table("silver.sessions"),
    lineage=[dg.AssetDep(asset_key(EVENTS), partition_mapping=neighbours(3, 1))],
    before_publish=record_restatements,
)
