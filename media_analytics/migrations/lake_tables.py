"""Creating a table of the lake.

Belongs here: the one call that makes an empty Delta table. Does not belong here: what the table looks like
(`contracts/delta.py`), changing one that is there (`services.py`).

Written by `deltalake` without Spark: 54 tables take half a second, on a Spark server of a laptop a minute or two.
"""

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from media_analytics.contracts.delta import table_properties
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.spark import spark_schema
from media_analytics.errors import ContractError, ServiceError
from media_analytics.resources.addresses import without_hadoop


def create(contract: TableContract, location: str) -> None:
    """Create the table at `location` if nothing is there; `s3a://` addresses too.

    Raises:
        ContractError: the table is not a Delta table.
        ServiceError: the folder or the object store refuses it.
    """
    if contract.store != "delta":
        raise ContractError(f"{contract.full_name} is kept in {contract.store}, not in Delta")
    try:
        DeltaTable.create(
            without_hadoop(location),
            Schema.from_json(spark_schema(contract).json()),
            mode="ignore",
            partition_by=[contract.partition_column] if contract.partition_column else None,
            description=contract.grain,
            configuration=dict(table_properties(contract)),
            # Two properties are ours: which contract, and who writes.
            raise_if_key_not_exists=False,
        )
    except (DeltaError, OSError) as error:
        raise ServiceError(
            f"{contract.full_name} cannot be created at {location}: {str(error)[:500]}"
        ) from error
