"""The contract audit of rows that are about to be published.

Belongs here: running the audit query of `contracts.audit` and saying which partitions failed which rule, with evidence;
writing small tables audited. Does not belong here: the rules (the contract has them), publishing, transforms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

from media_analytics.contracts.audit import (
    GROUP,
    AuditQuery,
    Rule,
    RuleResult,
    audit_query,
    read_result,
    row_count,
    sample_sql,
)
from media_analytics.contracts.model import TableContract
from media_analytics.contracts.spark import spark_schema, spark_type
from media_analytics.errors import ContractError
from media_analytics.resources.lake import Lake, Staged, partition_predicate

CHECK_NAME = "contract"
SAMPLES = 3

EVIDENCE_LENGTH = 200
# Stands for the one partition of a table without any.
WHOLE_TABLE = "all"
_NUMBERS = {"tinyint", "smallint", "int", "bigint", "float", "double", "decimal"}


@dataclass(frozen=True)
class Verdict:
    """What the audit found. `failed` maps a partition (ISO text) to the rules that failed in it."""

    rows: int
    rules: int
    failed: Mapping[str, tuple[RuleResult, ...]] = field(default_factory=dict)
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """No rule failed in any partition."""
        return not self.failed

    def metadata(self) -> dict[str, Any]:
        """What the check's evaluation shows: rows, rules, counts of failures by rule, bad partitions, sample keys."""
        counts: dict[str, int] = {}
        for result in (r for results in self.failed.values() for r in results):
            name = f"{result.column or 'row'}: {result.rule}"
            counts[name] = counts.get(name, 0) + result.failed
        values: dict[str, Any] = {"rows": self.rows, "rules": self.rules}
        if self.failed:
            values |= {
                "failed_partitions": sorted(self.failed),
                "failed_rules": counts,
                "samples": {rule: list(rows) for rule, rows in self.samples.items()},
            }
        return values


def audit_staged(
    lake: Lake, staged: Staged, partitions: Sequence[str], *, no_others: bool = False
) -> Verdict:
    """Judge all partitions in one query; only if a rule fails, ask again by partition to name the bad ones.

    With `no_others` a row of another partition breaks the rule `of_this_run`.
    """
    contract = staged.contract
    also = _of_this_run(contract, partitions) if no_others else ()
    query = audit_query(contract, staged.view, also=also)
    row = lake.spark.sql(query.sql).collect()[0]
    together = _failed(query, row)
    if not together:
        return Verdict(row_count(row), len(query.rules))
    failed: dict[str, tuple[RuleResult, ...]] = {}
    if contract.partition_column is not None:
        grouped = audit_query(contract, staged.view, group_by=contract.partition_column, also=also)
        for part in lake.spark.sql(grouped.sql).collect():
            if results := _failed(grouped, part):
                failed[str(part[GROUP])] = results
    # A rule over several partitions (a key that stands on two dates) is nobody's alone: all of them wait.
    # A table without partitions is one.
    failed = failed if set(failed) & set(partitions) else dict.fromkeys(partitions or [WHOLE_TABLE], together)
    return Verdict(row_count(row), len(query.rules), failed, _samples(lake, contract, query, together))


def audit_types(contract: TableContract, rows: DataFrame, partitions: Sequence[str]) -> Verdict:
    """Judge the types of computed rows before they are cast to the contract's: a cast would hide a change of meaning.

    Numbers may be of another width, nothing may become text or be read from it. A failure counts columns, not rows.
    """
    wanted = {column.name: spark_type(column.arrow_type) for column in contract.columns}
    failed = tuple(
        RuleResult(f"type_is({wanted[f.name]}), found {f.dataType.simpleString()}", f.name, 1)
        for f in rows.schema.fields
        if f.name in wanted and _family(f.dataType.simpleString()) not in (_family(wanted[f.name]), "void")
    )
    found = dict.fromkeys(partitions or [WHOLE_TABLE], failed) if failed else {}
    return Verdict(0, len(wanted), found)


def _family(kind: str) -> str:
    """Types between which a cast keeps the meaning of every value."""
    name = kind.split("(")[0].split("<")[0]
    return "number" if name in _NUMBERS else name


def _of_this_run(contract: TableContract, partitions: Sequence[str]) -> tuple[Rule, ...]:
    column = contract.partition_column
    if column is None:
        return ()
    return (Rule("of_this_run", column, f"NOT ({partition_predicate(contract, partitions)})"),)


def merge_audited(lake: Lake, contract: TableContract, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert or update rows of a table by its unique key, after its contract was checked on them; its version.

    Raises:
        ContractError: the rows break the contract; nothing was written.
    """
    return lake.merge(contract, audited(lake, contract, rows))


def append_audited(
    lake: Lake, contract: TableContract, rows: Sequence[Mapping[str, Any]], run_id: str
) -> int:
    """Append rows to a table after its contract was checked on them; its version. The caller knows they are new.

    Raises:
        ContractError: the rows break the contract; nothing was written.
    """
    return lake.append(contract, audited(lake, contract, rows), run_id=run_id)


def audited(lake: Lake, contract: TableContract, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Rows as a frame, once its contract was checked on them.

    Raises:
        ContractError: the rows break the contract.
    """
    schema = spark_schema(contract)
    frame = lake.spark.createDataFrame([tuple(row[name] for name in schema.names) for row in rows], schema)
    view = f"audited_{contract.layer}_{contract.name}"
    frame.createOrReplaceTempView(view)
    query = audit_query(contract, view)
    failed = _failed(query, lake.spark.sql(query.sql).collect()[0])
    if failed:
        raise ContractError(
            f"{len(rows)} rows for {contract.full_name} break its contract and were not written: "
            + ", ".join(map(str, failed))
        )
    return frame


def _failed(query: AuditQuery, row: Any) -> tuple[RuleResult, ...]:
    return tuple(result for result in read_result(query, row) if result.failed)


def _samples(
    lake: Lake, contract: TableContract, query: AuditQuery, failed: Sequence[RuleResult]
) -> dict[str, list[str]]:
    """Keys of a few rows per failed rule: they find the row without copying personal data into the event log."""
    keys = contract.unique_key
    samples: dict[str, list[str]] = {}
    names = {(r.rule, r.column) for r in failed}
    for rule in query.rules:
        if (rule.name, rule.column) not in names:
            continue
        rows = lake.spark.sql(sample_sql(query, contract, rule, SAMPLES)).select(*keys).collect()
        samples[f"{rule.column or 'row'}: {rule.name}"] = [
            ", ".join(f"{key}={row[key]}" for key in keys)[:EVIDENCE_LENGTH] for row in rows
        ]
    return samples
