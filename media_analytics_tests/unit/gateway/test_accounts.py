"""Statements about users and grants are found, and nothing else is taken for one."""

import pytest

from media_analytics.local.gateway.accounts import changes_accounts, without_account_tables


@pytest.mark.parametrize(
    "sql",
    [
        b"GRANT SELECT ON a.b TO reader",
        b"grant  select on `a`.`b` to reader;",
        b"-- a comment\nREVOKE SELECT ON a.b FROM reader",
        b"CREATE USER IF NOT EXISTS x IDENTIFIED BY 'y'",
        b"CREATE USER OR REPLACE x",
        b"ALTER USER x IDENTIFIED BY 'y'",
        b"DROP USER IF EXISTS x",
        b"CREATE ROLE r",
        b"CREATE ROW POLICY p ON a.b USING 1 TO x",
    ],
)
def test_statements_about_accounts(sql: bytes) -> None:
    assert changes_accounts(sql)


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 'GRANT'",
        b"CREATE TABLE user (a Int8) ENGINE = Memory",
        b"CREATE OR REPLACE TABLE a.user (role String) ENGINE = Memory",
        b"ALTER TABLE a.b ADD COLUMN user String",
        b"DROP TABLE IF EXISTS user",
        b"INSERT INTO a.b VALUES ('CREATE USER x')",
        b"",
    ],
)
def test_other_statements_run(sql: bytes) -> None:
    """Would catch a table that is never made because of its name."""
    assert not changes_accounts(sql)


def test_tables_of_accounts_are_empty_and_names_elsewhere_stay() -> None:
    sql = b"SELECT user_name FROM system.grants AS g, system.tables WHERE name = 'system.grants'"
    changed = without_account_tables(sql)
    assert changed.startswith(b"SELECT user_name FROM (SELECT CAST(NULL AS Nullable(String)) AS user_name, ")
    assert changed.endswith(b" WHERE 0) AS g, system.tables WHERE name = 'system.grants'")
    for other in (b"SELECT grants FROM system.tables", b"SELECT 1", b"SELECT * FROM a.grants, system.parts"):
        assert without_account_tables(other) == other
