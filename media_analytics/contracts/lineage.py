"""Where a column comes from, column by column.

Belongs here: reading `derived_from` of a contract: the words of it that are `layer.table.column`; columns of copies.
Does not belong here: how a column is computed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media_analytics.contracts.model import Contract, TableContract

if TYPE_CHECKING:
    import dagster as dg

_SOURCE = re.compile(r"\b([a-z]+)\.([a-z0-9_]+)\.([a-z0-9_]+)\b")


@dataclass(frozen=True, order=True)
class Source:
    """A column of another table."""

    layer: str
    table: str
    column: str

    @property
    def full_name(self) -> str:
        """`layer.table`."""
        return f"{self.layer}.{self.table}"


def sources(contract: Contract) -> dict[str, tuple[Source, ...]]:
    """By column, the columns of other tables it is computed from; columns that name none are absent."""
    if isinstance(contract, TableContract) and contract.copy_of is not None:
        layer, _, name = contract.copy_of.partition(".")
        return {column: (Source(layer, name, column),) for column in contract.column_names}
    found = {
        column.name: tuple(Source(*parts) for parts in _SOURCE.findall(column.derived_from or ""))
        for column in contract.columns
    }
    return {name: columns for name, columns in found.items() if columns}


def column_lineage(contract: Contract) -> "Mapping[str, dg.TableColumnLineage]":
    """Dagster's metadata of the lineage, under its own name; empty when no column names a source."""
    import dagster as dg

    named = sources(contract)
    if not named:
        return {}
    lineage = dg.TableColumnLineage(
        deps_by_column={
            name: [dg.TableColumnDep(dg.AssetKey([s.layer, s.table]), s.column) for s in columns]
            for name, columns in named.items()
        }
    )
    return {"dagster/column_lineage": lineage}
