"""The audit of a part's rows together, and what happens when it fails.

Belongs here: rows against their whole contract, counts in = out + rejected, finding the smallest failing part. Does not
belong here: rules that a single row breaks (`rows.py`), sending letters, writing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
from pandera.errors import SchemaError, SchemaErrors

from media_analytics.checks.audit import CHECK_NAME
from media_analytics.contracts.audit import arrow_schema
from media_analytics.contracts.model import TableContract
from media_analytics.errors import ContractError
from media_analytics.micro_batches.records import Record
from media_analytics.micro_batches.rows import Decoded, Rejected

_LONGEST_MESSAGE = 500
Reread = Callable[[], Decoded]


@dataclass(frozen=True)
class Judged:
    """Rows that may be written, in the contract's columns; `poison` are records that only the audit refused."""

    rows: pa.Table
    rejected: tuple[Rejected, ...]
    poison: tuple[Rejected, ...]


class Judge:
    """Judges parts of one table."""

    def __init__(self, contract: TableContract) -> None:
        self._contract = contract

    def judge(self, decoded: Decoded, reread: Reread, batch_id: str, loaded_at: datetime) -> Judged:
        """Audit the rows; after a second failure, on records read anew, refuse the smallest failing parts alone.

        Raises:
            ContractError: the rows break the contract together although no part of them does.
        """
        rows = self._stamped(decoded.rows, batch_id, loaded_at)
        if not self.problems(rows):
            return Judged(rows, decoded.rejected, ())
        again = reread()
        rows = self._stamped(again.rows, batch_id, loaded_at)
        if not self.problems(rows):
            return Judged(rows, again.rejected, ())
        refused = self._refused(rows, again.records)
        places = {(one.record.partition, one.record.offset) for one in refused}
        good = [n for n, r in enumerate(again.records) if (r.partition, r.offset) not in places]
        rows = rows.take(pa.array(good, pa.int64()))
        if together := self.problems(rows):
            raise ContractError(
                f"{self._contract.full_name}: {rows.num_rows} rows break the contract together, none of them alone: "
                f"{together}"
            )
        return Judged(rows, again.rejected, refused)

    def problems(self, rows: pa.Table) -> str:
        """What breaks the contract; empty when nothing does."""
        if rows.num_rows == 0:
            return ""
        expected = arrow_schema(self._contract)
        if rows.schema.names != expected.names or rows.schema.types != expected.types:
            return f"columns {rows.schema.names} are not the contract's"
        frame = rows.to_pandas(types_mapper=pd.ArrowDtype)
        try:
            self._contract.schema.validate(frame, lazy=True)
        except SchemaErrors as error:
            cases = error.failure_cases
            named = [f"{c.column or 'row'}: {c.check}" for c in cases.itertuples()]
            return "; ".join(sorted(set(named)))[:_LONGEST_MESSAGE]
        except SchemaError as error:
            return str(error)[:_LONGEST_MESSAGE]
        return ""

    def _refused(self, rows: pa.Table, records: Sequence[Record]) -> tuple[Rejected, ...]:
        """Halve until a part is good, or one record."""
        problems = self.problems(rows)
        if not problems:
            return ()
        if rows.num_rows == 1:
            event_id = rows["event_id"][0].as_py() if "event_id" in rows.column_names else None
            return (
                Rejected(
                    records[0], CHECK_NAME, f"the audit refused it twice: {problems}", event_id=event_id
                ),
            )
        half = rows.num_rows // 2
        first = self._refused(rows.slice(0, half), records[:half])
        return first + self._refused(rows.slice(half), records[half:])

    def _stamped(self, rows: pa.Table, batch_id: str, loaded_at: datetime) -> pa.Table:
        count = rows.num_rows
        own = {
            "batch_id": pa.array([batch_id] * count, pa.string()),
            "loaded_at": pa.array([loaded_at.astimezone(UTC)] * count, pa.timestamp("us", tz="UTC")),
        }
        for name, values in own.items():
            rows = rows.append_column(name, values)
        names = [field.name for field in arrow_schema(self._contract)]
        missing = [name for name in names if name not in rows.column_names]
        if missing:
            raise ContractError(
                f"{self._contract.full_name}: {self._contract.layer} has columns no record gives: {missing}"
            )
        return rows.select(names)
