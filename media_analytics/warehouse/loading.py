"""Copies partitions of a table of the lake into ClickHouse: stage, audit, compare, publish.

Belongs here: the order of effects and judging a copy. Does not belong here: SQL (`statements.py`), Dagster
(`asset.py`).

Effects, in this order; a crash between two of them is repaired by loading again:
1. stage    the rows of one version of the original, inserted by ClickHouse into an empty table of its own;
2. audit    the contract's rules over the staged rows, by partition;
3. compare  count, hash of keys, hash of values and sum of each measure of original and staged rows, by partition, and
            the count with what the Delta log says: that number does not come from ClickHouse's own reading of Delta;
4. publish  good partitions, each replaced atomically; a bad one keeps what it had;
5. confirm  rows of the published partitions, from the store's list of parts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from media_analytics.contracts.audit import GROUP, RuleResult, audit_query, read_result
from media_analytics.contracts.clickhouse import create_staging_sql, staging_name
from media_analytics.contracts.model import TableContract
from media_analytics.errors import DataLossError
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics.resources.delta_log import DeltaLog
from media_analytics.settings import Settings
from media_analytics.warehouse import statements as sql

# Sums of the same floats in another order differ in their last digits; their hashes do not.
SUMS_AGREE_WITHIN = 1e-9
LOG = "Delta log"
Fingerprint = Mapping[str, Any]
Difference = tuple[str, Any, Any]


@dataclass(frozen=True)
class Loaded:
    """What came of loading partitions (ISO text; one empty text for a table without).

    `differences` maps a partition to what is not the same on both sides: name, in Delta, staged. `failed` maps it to
    the rules of the contract that its rows break.
    """

    contract: TableContract
    version: int
    partitions: Sequence[str]
    rows: Mapping[str, int]
    differences: Mapping[str, Sequence[Difference]] = field(default_factory=dict)
    failed: Mapping[str, Sequence[RuleResult]] = field(default_factory=dict)

    @property
    def good(self) -> list[str]:
        """Partitions that were published."""
        return [p for p in self.partitions if p not in self.differences and p not in self.failed]


def load(
    settings: Settings,
    clickhouse: ClickHouse,
    log: DeltaLog,
    contract: TableContract,
    partitions: Sequence[str],
    comment: str = "",
) -> Loaded:
    """Bring partitions of a copy to the newest version of its original. Loading twice is loading once.

    Raises:
        SettingsError: ClickHouse cannot be told where the lake is.
        ServiceError: ClickHouse refuses a statement; published partitions are whole, the others as before.
        DataLossError: after publishing, the store does not have the rows that were staged.
    """
    source = sql.lake_source(settings, contract)
    version = log.version(sql.original(contract))
    wanted = list(partitions) if contract.partition_column else [sql.WHOLE]
    at_version = sql.at_version(version)
    clickhouse.run(create_staging_sql(contract), comment)
    try:
        clickhouse.run(sql.insert_sql(contract, source, wanted), comment, at_version)
        failed = _audit(clickhouse, contract, comment)
        rows = sql.selected(contract, source, wanted)
        in_delta = _fingerprints(clickhouse, contract, rows, comment, at_version)
        staged = _fingerprints(clickhouse, contract, staging_name(contract), comment)
        logged = log.row_counts(sql.original(contract), version)
        differences = compare(contract, wanted, in_delta, staged, logged)
        counts = {part: int(staged[part][sql.ROWS]) if part in staged else 0 for part in wanted}
        loaded = Loaded(contract, version, wanted, counts, differences, failed)
        if loaded.good:
            _publish(clickhouse, loaded, comment)
    finally:
        clickhouse.run(sql.drop_staging_sql(contract), comment)
    return loaded


def compare(
    contract: TableContract,
    partitions: Sequence[str],
    in_delta: Mapping[str, Fingerprint],
    staged: Mapping[str, Fingerprint],
    logged: Mapping[str, int],
) -> dict[str, list[Difference]]:
    """What differs between original and copy, by partition; a partition without differences is absent."""
    names = {
        sql.ROWS: "rows",
        sql.KEYS: "hash of keys",
        sql.VALUES: "hash of values",
        **{f"{sql.SUM}{n}": f"sum of {name}" for n, name in enumerate(sql.measures(contract))},
    }
    found: dict[str, list[Difference]] = {}
    for part in partitions:
        delta, copy = in_delta.get(part, {}), staged.get(part, {})
        different = [
            (name, delta.get(column), copy.get(column))
            for column, name in names.items()
            if not _same(delta.get(column), copy.get(column))
        ]
        rows = copy.get(sql.ROWS, 0)
        if logged.get(part, 0) != rows:
            different.append((f"rows of the {LOG}", logged.get(part, 0), rows))
        if different:
            found[part] = different
    # Rows of a partition that was not asked for would be published by nobody and hide a wrong filter.
    for part in staged.keys() - set(partitions):
        found[part] = [("rows of a partition that was not asked for", 0, staged[part][sql.ROWS])]
    return found


def _same(delta: Any, copy: Any) -> bool:
    if isinstance(delta, float) and isinstance(copy, float):
        both_nan = math.isnan(delta) and math.isnan(copy)
        return both_nan or math.isclose(delta, copy, rel_tol=SUMS_AGREE_WITHIN)
    return bool(delta == copy)


def _audit(
    clickhouse: ClickHouse, contract: TableContract, comment: str
) -> dict[str, tuple[RuleResult, ...]]:
    query = audit_query(contract, staging_name(contract), "clickhouse", group_by=contract.partition_column)
    names, rows = clickhouse.named_rows(query.sql, comment=comment)
    failed = {}
    for values in rows:
        row = dict(zip(names, values, strict=True))
        results = tuple(result for result in read_result(query, row) if result.failed)
        if results:
            failed[str(row.get(GROUP, sql.WHOLE))] = results
    return failed


def _fingerprints(
    clickhouse: ClickHouse,
    contract: TableContract,
    rows: str,
    comment: str,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Fingerprint]:
    names, found = clickhouse.named_rows(
        sql.fingerprint_sql(contract, rows), comment=comment, settings=settings
    )
    by_name = (dict(zip(names, values, strict=True)) for values in found)
    # Without partitions there is one group, also over no rows.
    return {str(row[sql.PART]): row for row in by_name if row[sql.ROWS]}


def _publish(clickhouse: ClickHouse, loaded: Loaded, comment: str) -> None:
    contract = loaded.contract
    filled = [part for part in loaded.good if loaded.rows[part]]
    emptied = [part for part in loaded.good if not loaded.rows[part]]
    stands = _stored_rows(clickhouse, contract)
    gone = [part for part in emptied if part in stands]
    if filled or gone:
        clickhouse.run(sql.publish_sql(contract, filled, gone), comment)
    stored = _stored_rows(clickhouse, contract)
    lost = {p: (loaded.rows[p], stored.get(p, 0)) for p in loaded.good if loaded.rows[p] != stored.get(p, 0)}
    if lost:
        raise DataLossError(
            f"{contract.full_name} does not hold what was staged (staged, stored): {lost}; only "
            f"{contract.writer} may write it. Load these partitions again"
        )


def _stored_rows(clickhouse: ClickHouse, contract: TableContract) -> dict[str, int]:
    return {str(part): int(rows) for part, rows in clickhouse.rows(sql.published_rows_sql(contract))}
