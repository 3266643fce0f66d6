"""The contract audit of rows in memory: small tables and files that no Spark query reads.

Belongs here: judging an Arrow table by its contract's own pandera schema. Does not belong here: rows in a store
(`audit.py`), the rules (the contract has them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
from pandera.errors import SchemaErrors

from media_analytics.contracts.model import TableContract


@dataclass(frozen=True)
class RowsVerdict:
    """How many rows were judged, and failures by column and rule."""

    rows: int
    failed: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """No rule failed."""
        return not self.failed

    def metadata(self) -> dict[str, Any]:
        """What the check's evaluation shows."""
        return {"rows": self.rows} | ({"failed_rules": dict(self.failed)} if self.failed else {})

    def __add__(self, other: "RowsVerdict") -> "RowsVerdict":
        """Both verdicts as one."""
        names = {*self.failed, *other.failed}
        failed = {n: self.failed.get(n, 0) + other.failed.get(n, 0) for n in sorted(names)}
        return RowsVerdict(self.rows + other.rows, failed)


def arrow_schema(contract: TableContract) -> pa.Schema:
    """The columns of a table as Arrow has them."""
    return pa.schema([pa.field(c.name, c.arrow_type, c.nullable) for c in contract.columns])


def audit_rows(contract: TableContract, rows: pa.Table) -> RowsVerdict:
    """Every rule of the contract on every row."""
    frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
    try:
        contract.schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        named = cases["column"].fillna("row").astype(str) + ": " + cases["check"].astype(str)
        return RowsVerdict(rows.num_rows, {str(k): int(n) for k, n in named.value_counts().items()})
    return RowsVerdict(rows.num_rows)
