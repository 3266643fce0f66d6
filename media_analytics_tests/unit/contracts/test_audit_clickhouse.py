"""The ClickHouse audit counts what pandera counts, rule by rule, on frames at the edges of every rule.

Catches: a rule without SQL form, a wrong edge, nulls or NaN counted differently, a key with nulls, lost escapes.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from media_analytics.contracts.audit import audit_query, read_result, row_count, sample_sql
from media_analytics.contracts.clickhouse import clickhouse_type
from media_analytics.contracts.model import Contract
from media_analytics.contracts.registry import TABLES, TOPICS, table
from media_analytics_tests.builders.frames import frames, pandera_counts

# No shrinking: the difference of the counts names column and rule, and a failing frame is slow to shrink.
_EXAMPLES = settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
# The ones left out have the rules of another one: enriched events stand in four tables, session measures in three.
_ALIKE = {
    "bronze.user_events",
    "silver.events",
    "kafka.user.latest",
    "gold.reader_devices",
    "gold.reader_sources",
}
_COPIES = {c.full_name for c in TABLES.values() if c.copy_of is not None}
CONTRACTS = [c for c in (*TABLES.values(), *TOPICS.values()) if c.full_name not in _ALIKE | _COPIES]


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    chdb = pytest.importorskip("chdb")
    connection = chdb.connect(":memory:")
    yield connection
    connection.close()


def _structure(contract: Contract) -> str:
    """Every plain column nullable: a frame may break the rule that it is not."""
    parts = []
    for column in contract.columns:
        name = clickhouse_type(column)
        nested = pa.types.is_map(column.arrow_type) or pa.types.is_list(column.arrow_type)
        parts.append(
            f"`{column.name}` {name if nested or name.startswith('Nullable') else f'Nullable({name})'}"
        )
    return ", ".join(parts).replace("\\", "\\\\").replace("'", "\\'")


def _rows(engine: Any, sql: str) -> list[dict[str, Any]]:
    return pa.ipc.open_file(pa.BufferReader(engine.query(sql, "Arrow").bytes())).read_all().to_pylist()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.full_name)
def test_counts_equal_pandera(contract: Contract, engine: Any, tmp_path: Path) -> None:
    file = tmp_path / "frame.parquet"
    query = audit_query(contract, f"file('{file}', 'Parquet', '{_structure(contract)}')", "clickhouse")
    broken: Counter[str] = Counter()

    @_EXAMPLES
    @given(frame=frames(contract, null_nested=False))
    def agrees(frame: pa.Table) -> None:
        pq.write_table(frame, file)
        (row,) = _rows(engine, query.sql)
        counted = {(r.column, r.rule): r.failed for r in read_result(query, row) if r.failed}
        assert counted == dict(pandera_counts(contract, frame))
        assert row_count(row) == frame.num_rows
        broken.update(rule for _, rule in counted)

    agrees()
    assert broken, "no example broke a rule, so nothing was compared"


def test_samples_are_the_failing_rows(engine: Any, tmp_path: Path) -> None:
    contract = table("ops.maintenance_results")
    frame = frames(contract).filter(lambda f: f.num_rows > 3)
    file = tmp_path / "frame.parquet"
    query = audit_query(contract, f"file('{file}', 'Parquet', '{_structure(contract)}')", "clickhouse")

    @_EXAMPLES
    @given(frame=frame, data=st.data())
    def agrees(frame: pa.Table, data: st.DataObject) -> None:
        pq.write_table(frame, file)
        (row,) = _rows(engine, query.sql)
        for rule, result in zip(query.rules, read_result(query, row), strict=True):
            if rule.violation is not None:
                assert len(_rows(engine, sample_sql(query, contract, rule, limit=100))) == result.failed

    agrees()


def test_group_by_gives_a_row_per_partition(engine: Any, tmp_path: Path) -> None:
    contract = table("ops.maintenance_results")
    rows = [
        {"request_id": "a", "status": "done", "message": "", "version": 1},
        {"request_id": "a", "status": "done", "message": "", "version": -1},
        {"request_id": "b", "status": "nonsense", "message": "", "version": None},
    ]
    file = tmp_path / "frame.parquet"
    schema = pa.schema([(c.name, c.arrow_type) for c in contract.columns])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    source = f"file('{file}', 'Parquet', '{_structure(contract)}')"
    query = audit_query(contract, source, "clickhouse", group_by="request_id")
    found = {
        row["audited_partition"]: {r.rule for r in read_result(query, row) if r.failed}
        for row in _rows(engine, query.sql)
    }
    assert {name: rules - {"not_nullable"} for name, rules in found.items()} == {
        "a": {"greater_than_or_equal_to(0)", "unique(request_id)"},
        "b": {"isin(('done', 'refused', 'failed'))"},
    }
