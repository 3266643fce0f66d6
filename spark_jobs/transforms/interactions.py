"""Interactions of minutes, counted.

Belongs here: the aggregation that the minute analysis starts from. Does not belong here: what the counts mean
(`media_analytics.modelling`), reading and writing files.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def outcomes_by_minute(extracts: DataFrame) -> DataFrame:
    """Successes and errors by minute of `appended_at` and event type, first copies only.

    Args:
        extracts: rows of `extracts.interactions`.

    Returns:
        `minute_seconds` (Unix time of the minute's start), `event_type`, `success`, `error`.
    """
    return (
        extracts.where("is_first_copy")
        .groupBy(F.unix_seconds(F.date_trunc("minute", "appended_at")).alias("minute_seconds"), "event_type")
        .agg(
            F.count_if(F.col("status") == "success").alias("success"),
            F.count_if(F.col("status") == "error").alias("error"),
        )
    )
