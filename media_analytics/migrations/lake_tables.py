"""Tables of the lake: made, and brought in line with their contracts.

Belongs here: the one call that makes an empty Delta table, what is there, changing it. Does not belong here: what a
table looks like (`contracts/delta.py`), what has to change (`plan.py`), the other services (`services.py`), which a
step on Databricks does not have.

Made by `deltalake` without Spark: 54 tables take half a second, on a Spark server of a laptop a minute or two.
"""

import json
from collections.abc import Iterable
from typing import Any

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from media_analytics.contracts.delta import table_properties
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.spark import spark_schema
from media_analytics.errors import ContractError, ServiceError
from media_analytics.migrations.plan import Change, Refusal, StoredTable, delta_differences
from media_analytics.resources.addresses import without_hadoop
from media_analytics.settings import Settings

# Delta's names of types that Spark SQL names otherwise.
_SPARK_NAMES = {"long": "bigint", "integer": "int"}


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


class DeltaAdmin:
    """Tables of the lake: created and read here; statements that change one run on the Spark server."""

    def __init__(self, settings: Settings, session: Any = None) -> None:
        """Connect to Spark, without a `session`, when a table that is there must change: creating needs no Spark."""
        self._settings = settings
        self._session = session

    def location(self, contract: TableContract) -> str:
        """The table's address."""
        return self._settings.lake.table_path(contract.layer, contract.name)

    def stored(self, contract: TableContract, version: int | None = None) -> StoredTable | None:
        """The table, or one version of it, as its Delta log has it; None when there is none."""
        address = without_hadoop(self.location(contract))
        if not DeltaTable.is_deltatable(address):
            return None
        table = DeltaTable(address, version=version)
        metadata = table.metadata()
        return StoredTable(
            columns={
                field["name"]: _delta_type(field["type"])
                for field in json.loads(table.schema().to_json())["fields"]
            },
            partition_columns=tuple(metadata.partition_columns),
            properties=dict(metadata.configuration),
        )

    def carry_out(self, change: Change, contract: TableContract) -> None:
        """Create the table, or run the statement on the Spark server."""
        if "location" in change.payload:
            create(contract, change.payload["location"])
            return
        from pyspark.errors import PySparkException

        from media_analytics.resources.spark import connect

        if self._session is None:
            self._session = connect(self._settings)
        try:
            self._session.sql(change.statement or "").collect()
        except PySparkException as error:
            raise ServiceError(
                f"Spark refused to {change.what} of {change.target}: {str(error)[:500]}"
            ) from error

    def close(self) -> None:
        """End the Spark session, if one was needed."""
        if self._session is not None:
            self._session.stop()
            self._session = None


def bring_in_line(settings: Settings, session: Any, contracts: Iterable[TableContract]) -> None:
    """Make tables that are missing and add columns that they lack; `contracts apply` where only the lake is.

    Raises:
        ContractError: a table differs in a way that needs a decision; tables before it are in line.
        ServiceError: the folder, the object store or Spark refuses a change.
    """
    admin = DeltaAdmin(settings, session)
    for contract in contracts:
        for difference in delta_differences(contract, admin.stored(contract), admin.location(contract)):
            if isinstance(difference, Refusal):
                raise ContractError(str(difference))
            admin.carry_out(difference, contract)


def _delta_type(stored: Any) -> str:
    """Spark SQL's name of a type in a Delta log."""
    if isinstance(stored, str):
        return _SPARK_NAMES.get(stored, stored)
    if stored["type"] == "map":
        return f"map<{_delta_type(stored['keyType'])},{_delta_type(stored['valueType'])}>"
    if stored["type"] == "array":
        return f"array<{_delta_type(stored['elementType'])}>"
    return str(stored["type"])
