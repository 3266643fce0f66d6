"""gold.reader_subscriptions: starts, cancels and active subscriptions, per date, brand, tier and segment.

Belongs here: its inputs and its transform. Does not belong here: measures
(`spark_jobs.transforms.reader_subscriptions`).
"""

import dagster as dg
from pyspark.sql import DataFrame

from media_analytics.assets.ops.restatements import record_restatements
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, TableAsset, asset_key
from spark_jobs.transforms import reader_subscriptions

CONTRACT = table("gold.reader_subscriptions")
SUBSCRIPTIONS = table("silver.subscriptions")
EVENTS = table("silver.events")


def gold_reader_subscriptions(inputs: Inputs) -> DataFrame:
    """The intervals that touch a date, counted; the date's readers without one."""
    events = inputs.lake.read(EVENTS, partitions=[d.isoformat() for d in inputs.dates])
    return reader_subscriptions.reader_subscriptions(inputs.lake.read(SUBSCRIPTIONS), events, inputs.dates)


TABLE = TableAsset(
    contract=CONTRACT,
    transform=gold_reader_subscriptions,
    trigger=table("ops.subscription_dates"),
    lineage=[dg.AssetDep(asset_key(SUBSCRIPTIONS)), dg.AssetDep(asset_key(EVENTS))],
    before_publish=record_restatements,
)
