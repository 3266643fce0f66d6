"""gold.reader_sessions: what readers did in their sessions, per date and brand.

Belongs here: its inputs and its transform. Does not belong here: measures (`spark_jobs.transforms.reader_gold`).
"""

from pyspark.sql import DataFrame

from media_analytics.assets.ops.restatements import record_restatements
from media_analytics.contracts.registry import table
from media_analytics.factory import Inputs, TableAsset
from spark_jobs.transforms import reader_gold

CONTRACT = table("gold.reader_sessions")
SESSIONS = table("silver.sessions")


def gold_reader_sessions(inputs: Inputs) -> DataFrame:
    """The date's sessions, summed."""
    days = [d.isoformat() for d in reader_gold.session_source_dates(inputs.dates)]
    return reader_gold.reader_sessions(inputs.lake.read(SESSIONS, partitions=days), inputs.dates)


TABLE = TableAsset(
    contract=CONTRACT, transform=gold_reader_sessions, trigger=SESSIONS, before_publish=record_restatements
)
