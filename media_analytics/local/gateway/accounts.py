"""Users, roles and grants in SQL, which chDB refuses: the gateway's users are fixed.

Belongs here: what tools that manage access (dbt's adapter) are answered, so that their other work goes on: statements
are accepted and change nothing, the tables of accounts are empty. Does not belong here: what the gateway's users may do
(`reader.py`); nothing here gives or takes a right.
"""

import logging

from media_analytics.local.gateway.statement import tokens

log = logging.getLogger("gateway")
_ENTITIES = frozenset({b"USER", b"ROLE", b"QUOTA", b"POLICY"})
# What follows CREATE, ALTER or DROP before the word that says what: `DROP USER`, `CREATE ROW POLICY`.
_BETWEEN = frozenset({b"OR", b"REPLACE", b"ROW", b"SETTINGS", b"IF", b"EXISTS", b"NOT"})
_COLUMNS = {
    b"grants": b"user_name, role_name, access_type, database, table, column",
    b"users": b"name, storage",
    b"roles": b"name, storage",
}


def changes_accounts(sql: bytes) -> bool:
    """Whether a statement is GRANT, REVOKE, or creates, alters or drops a user, role, quota or policy."""
    first = b""
    for token in tokens(sql):
        if not first:
            first = token.keyword
            if first in (b"GRANT", b"REVOKE"):
                return True
            if first not in (b"CREATE", b"ALTER", b"DROP"):
                return False
        elif token.keyword in _ENTITIES:
            return True
        elif token.keyword not in _BETWEEN:
            return False
    return False


def note_ignored(sql: bytes) -> None:
    """Say in the log that a statement changed nothing; its text may hold a password."""
    log.warning(
        "%s ignored: the gateway's users are fixed", sql.split(None, 1)[0][:10].decode("ascii", "replace")
    )


def without_account_tables(sql: bytes) -> bytes:
    """`system.grants`, `system.users` and `system.roles`, which chDB refuses to read, as empty tables."""
    if b"system" not in sql or not any(name in sql for name in _COLUMNS):
        return sql
    found = list(tokens(sql))
    for table, dot, schema in zip(reversed(found), reversed(found[:-1]), reversed(found[:-2]), strict=False):
        if (schema.text, dot.text) == (b"system", b".") and table.text in _COLUMNS:
            columns = b", ".join(
                b"CAST(NULL AS Nullable(String)) AS " + name.strip()
                for name in _COLUMNS[table.text].split(b",")
            )
            sql = sql[: schema.start] + b"(SELECT " + columns + b" WHERE 0)" + sql[table.end :]
    return sql
