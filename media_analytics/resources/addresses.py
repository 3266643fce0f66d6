"""Addresses of a lake's files for readers that are not Spark.

Belongs here: the one difference between Hadoop's addresses and those of delta-rs and Arrow. Does not belong here: where
tables are (`media_analytics.settings`).
"""


def without_hadoop(address: str) -> str:
    """The address as delta-rs and Arrow take it: `s3a://` is Hadoop's name of `s3://`; others stay as they are."""
    return address.replace("s3a://", "s3://", 1)
