"""What makes two rows equal.

Belongs here: the canonical text of a row and its SHA-256, as Spark expressions over a frame's own
schema. Does not belong here: which columns a table leaves out (its contract says so), hashes of whole
tables (`lake`).
"""

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DoubleType, FloatType, MapType, StructField, TimestampType


def canonical_json(fields: Iterable[StructField]) -> Column:
    """The columns as a JSON object: in this order, nulls kept, instants in microseconds, maps sorted."""
    return F.to_json(F.struct(*[_canonical(field) for field in fields]), {"ignoreNullFields": "false"})


def canonical_sha256(fields: Iterable[StructField]) -> Column:
    """SHA-256 of `canonical_json`, as 64 hexadecimal digits."""
    return F.sha2(canonical_json(fields), 256)


def _canonical(field: StructField) -> Column:
    column = F.col(field.name)
    if isinstance(field.dataType, TimestampType):
        column = F.unix_micros(column)
    elif isinstance(field.dataType, (DateType, DoubleType, FloatType)):
        column = column.cast("string")
    elif isinstance(field.dataType, MapType):
        column = F.array_sort(F.map_entries(column))
    return column.alias(field.name)
