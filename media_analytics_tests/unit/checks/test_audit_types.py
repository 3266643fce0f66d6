"""Types of computed rows before they are cast, and rows of partitions a run does not publish."""

from types import SimpleNamespace

import pytest
from pyspark.sql.types import (
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    NullType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from media_analytics.checks.audit import audit_types
from media_analytics.contracts.audit import Rule, audit_query
from media_analytics.contracts.registry import table

SESSIONS = table("gold.reader_sessions")


def _rows(**kinds: DataType) -> SimpleNamespace:
    return SimpleNamespace(schema=StructType([StructField(name, kind) for name, kind in kinds.items()]))


@pytest.mark.parametrize("kind", [IntegerType(), LongType(), DoubleType(), DecimalType(38, 2), NullType()])
def test_numbers_of_another_width_are_cast(kind: DataType) -> None:
    assert audit_types(
        SESSIONS, _rows(events=kind, date=DateType(), brand=StringType()), ["2026-03-01"]
    ).passed


@pytest.mark.parametrize(
    ("column", "kind", "told"),
    [
        ("events", StringType(), "type_is(bigint), found string"),
        ("date", TimestampType(), "type_is(date), found timestamp"),
        ("brand", LongType(), "type_is(string), found bigint"),
    ],
)
def test_a_change_of_meaning_fails_every_partition_and_names_the_column(
    column: str, kind: DataType, told: str
) -> None:
    """Catches a number that became text and would be read back, with what is no number as null."""
    verdict = audit_types(SESSIONS, _rows(**{column: kind}), ["2026-03-01", "2026-03-02"])
    assert verdict.metadata()["failed_rules"] == {f"{column}: {told}": 2}
    assert verdict.metadata()["failed_partitions"] == ["2026-03-01", "2026-03-02"]


def test_a_rule_of_one_audit_stands_before_the_contracts_and_uniqueness_stays_last() -> None:
    """The counter of copies is the last column: a rule behind it would get its number."""
    rule = Rule("of_this_run", "date", "NOT (date IN (DATE'2026-03-01'))")
    query = audit_query(SESSIONS, "staged", also=[rule])
    assert query.rules[0] == rule and query.rules[-1].violation is None
    assert query.rules[1:] == audit_query(SESSIONS, "staged").rules
    assert "count_if(NOT (date IN (DATE'2026-03-01')))" in query.sql
