"""silver.consent: which customer agreed to what, from when until when.

Belongs here: its inputs and its transform. Does not belong here: what an interval is
(`spark_jobs.transforms.intervals`).
"""

import dagster as dg
from pyspark.sql import DataFrame

from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, asset_key
from media_analytics.factory_whole import WholeTable
from spark_jobs.transforms import intervals

BRONZE = table("bronze.compliance_events")


def silver_consent(inputs: Inputs) -> DataFrame:
    """Every interval in which a consent was in force."""
    return intervals.consent(inputs.lake.read(BRONZE))


TABLE = WholeTable(
    contract=table("silver.consent"),
    transform=silver_consent,
    trigger=table("ops.compliance_events_dates"),
    lineage=[dg.AssetDep(asset_key(BRONZE))],
)
