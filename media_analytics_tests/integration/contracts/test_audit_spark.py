"""The Spark audit counts what pandera counts, rule by rule.

All examples of a contract go through Spark as one batch: each frame is a partition of the audit (`group_by`).
Catches: a wrong edge, nulls or NaN counted differently, Java's regular expressions and escapes, a key with nulls.
"""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from pyspark.sql import SparkSession

from media_analytics.contracts.audit import audit_query, read_result, row_count, schema_difference
from media_analytics.contracts.model import Contract
from media_analytics.contracts.registry import TABLES, TOPICS
from media_analytics_tests.builders.frames import frames, pandera_counts

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

ALL: list[Contract] = [*TABLES.values(), *TOPICS.values()]
# Few and narrow ones that have every kind of rule; `unit/contracts/test_audit_clickhouse.py` takes all.
CONTRACTS = [
    c
    for c in ALL
    if c.full_name in ("kafka.user.raw", "silver.sessions", "ops.completeness", "ops.maintenance_requests")
]
FRAMES = 10


def _kinds(contracts: list[Contract]) -> set[tuple[str, str]]:
    """Each kind of rule with the type of its column."""
    kinds = {
        (str(check.name), str(column.arrow_type))
        for contract in contracts
        for column in contract.columns
        for check in contract.schema.columns[column.name].checks
    }
    return kinds | {
        ("row", check.statistics["rule"]) for contract in contracts for check in contract.schema.checks
    }


def test_the_chosen_contracts_have_every_kind_of_rule() -> None:
    assert _kinds(CONTRACTS) == _kinds(ALL)


def _drawn(contract: Contract) -> list[pa.Table]:
    found: list[pa.Table] = []

    @seed(1)
    @settings(
        max_examples=FRAMES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(frame=frames(contract).filter(lambda f: f.num_rows > 0))
    def draw(frame: pa.Table) -> None:
        found.append(frame)

    draw()
    return found


def _numbered(drawn: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(
        [f.append_column("example", pa.array([n] * f.num_rows, pa.int32())) for n, f in enumerate(drawn)]
    )


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.full_name)
def test_counts_equal_pandera(contract: Contract, spark_session: SparkSession, tmp_path: Path) -> None:
    drawn = _drawn(contract)
    pq.write_table(_numbered(drawn), tmp_path / "examples.parquet")
    frame = spark_session.read.parquet(str(tmp_path / "examples.parquet"))
    assert schema_difference(contract, frame.drop("example").schema) == []

    source = f"parquet.`{tmp_path / 'examples.parquet'}`"
    query = audit_query(contract, source, "spark", group_by="example")
    broken: Counter[str] = Counter()
    rows = {row["audited_partition"]: row for row in spark_session.sql(query.sql).collect()}
    assert set(rows) == set(range(len(drawn)))
    for number, example in enumerate(drawn):
        counted = {(r.column, r.rule): r.failed for r in read_result(query, rows[number]) if r.failed}
        assert counted == dict(pandera_counts(contract, example)), f"example {number}"
        assert row_count(rows[number]) == example.num_rows
        broken.update(rule for _, rule in counted)
    assert broken, "no example broke a rule, so nothing was compared"


def test_the_ungrouped_query_counts_the_sum_of_the_rules(spark_session: SparkSession, tmp_path: Path) -> None:
    contract = TABLES["ops.maintenance_results"]
    frame = pa.concat_tables(_drawn(contract))
    pq.write_table(frame, tmp_path / "examples.parquet")
    query = audit_query(contract, f"parquet.`{tmp_path / 'examples.parquet'}`")
    (row,) = spark_session.sql(query.sql).collect()
    counted = {(r.column, r.rule): r.failed for r in read_result(query, row) if r.failed}
    assert counted == dict(pandera_counts(contract, frame))
    assert row_count(row) == frame.num_rows
