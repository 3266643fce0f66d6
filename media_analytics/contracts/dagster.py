"""Contract to Dagster column schema and asset metadata.

Belongs here: how a contract shows in the asset catalogue. Does not belong here: assets, partitions, checks
(`factory.py`).
"""

from typing import TYPE_CHECKING, Any

from media_analytics.contracts.lineage import column_lineage
from media_analytics.contracts.model import Column, Contract, Full, TableContract
from media_analytics.contracts.spark import spark_type

if TYPE_CHECKING:
    import dagster as dg


def column_schema(contract: Contract) -> "dg.TableSchema":
    """Columns with type, nullability, description, personal-data class and lineage hint."""
    import dagster as dg

    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=spark_type(column.arrow_type),
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    unique=contract.unique_key == (column.name,),
                    other=_rule_names(contract, column),
                ),
                tags=_tags(column),
            )
            for column in contract.columns
        ],
        constraints=dg.TableConstraints(
            other=[
                *([f"unique: {', '.join(contract.unique_key)}"] if contract.unique_key else []),
                *(str(check.name).replace("_", " ") for check in contract.schema.checks),
            ]
        ),
    )


def metadata(contract: Contract) -> dict[str, Any]:
    """Asset metadata of a contract, the column schema included."""
    values: dict[str, Any] = {
        "dagster/column_schema": column_schema(contract),
        "dagster/table_name": contract.full_name,
        "contract/grain": contract.grain,
        "contract/unique_key": ", ".join(contract.unique_key) or "none",
        "contract/purposes": ", ".join(contract.purposes) or "none",
        "contract/personal_data": ", ".join(c.name for c in contract.columns if c.personal_data) or "none",
    }
    values |= column_lineage(contract)
    if isinstance(contract.partitioning, Full):
        values["partitions/none_because"] = contract.partitioning.reason
    if isinstance(contract, TableContract):
        values["contract/store"] = contract.store
        values["contract/writer"] = contract.writer
        values["contract/sort_keys"] = ", ".join(contract.sort_keys)
    else:
        values["contract/message_key"] = contract.key
        values["contract/kafka_partitions"] = contract.partitions
        values["contract/retention_days"] = contract.retention.days
        values["contract/compatibility"] = contract.compatibility
    return values


def _rule_names(contract: Contract, column: Column) -> list[str]:
    return [str(check.error or check.name) for check in contract.schema.columns[column.name].checks]


def _tags(column: Column) -> dict[str, str]:
    tags: dict[str, str] = {}
    if column.personal_data:
        tags["personal_data"] = column.personal_data
    if column.provenance:
        tags["provenance"] = "true"
    return tags
