"""Contract to Spark StructType.

Belongs here: the mapping of types. Does not belong here: a session, or reading and writing (`spark_jobs`).
"""

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from media_analytics.contracts.model import Contract
from media_analytics.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


def spark_type(arrow_type: pa.DataType) -> str:
    """The SQL name of the Spark type.

    Raises:
        ContractError: the type has no Spark form here.
    """
    if pa.types.is_timestamp(arrow_type):
        return "timestamp"
    if pa.types.is_map(arrow_type):
        return f"map<{spark_type(arrow_type.key_type)},{spark_type(arrow_type.item_type)}>"
    if pa.types.is_list(arrow_type):
        return f"array<{spark_type(arrow_type.value_type)}>"
    names = {
        pa.string(): "string",
        pa.binary(): "binary",
        pa.bool_(): "boolean",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float64(): "double",
        pa.date32(): "date",
    }
    if arrow_type not in names:
        raise ContractError(f"no Spark type for {arrow_type}; use one of the types in contracts/rules.py")
    return names[arrow_type]


def spark_schema(contract: Contract) -> "StructType":
    """The StructType of a frame that holds this contract's rows; comments are the descriptions."""
    from pyspark.sql import types

    def build(arrow_type: pa.DataType) -> Any:
        if pa.types.is_map(arrow_type):
            return types.MapType(build(arrow_type.key_type), build(arrow_type.item_type), True)
        if pa.types.is_list(arrow_type):
            return types.ArrayType(build(arrow_type.value_type), True)
        simple: dict[str, Any] = {
            "timestamp": types.TimestampType(),
            "string": types.StringType(),
            "binary": types.BinaryType(),
            "boolean": types.BooleanType(),
            "int": types.IntegerType(),
            "bigint": types.LongType(),
            "double": types.DoubleType(),
            "date": types.DateType(),
        }
        return simple[spark_type(arrow_type)]

    return types.StructType(
        [
            types.StructField(c.name, build(c.arrow_type), c.nullable, {"comment": c.description})
            for c in contract.columns
        ]
    )
