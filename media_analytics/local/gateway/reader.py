"""What the reader user may run.

Belongs here: the refusals that chDB's own `readonly` does not make. chDB has no access control in SQL, and under
`readonly` it still reads files (`file()`, `SELECT ... FROM '/path'`, `DESCRIBE file(...)`, `* APPLY(file)`) and Python
objects (`Python(x)`). So a statement is taken apart by chDB's own parser and analyzer and every part must be on a
list: node kinds, functions and table functions of the parse tree, then the resolved functions and tables of the query
tree. Nothing here looks at the text of the statement. Does not belong here: limits (`config.py`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from media_analytics.local.gateway.chdb_connection import ChdbConnection, Kind, quoted
from media_analytics.local.gateway.errors import ClickHouseError

# The functions below were chosen from this version's `system.functions`; look again before raising it.
REVIEWED_VERSION = "26.9.2.1"

_QUERY_NODES = frozenset(
    {"SelectWithUnionQuery", "SelectIntersectExceptQuery", "ShowTables", "ShowColumns", "ShowFunctions"}
    | {"ShowCreateTableQuery", "ExistsTableQuery", "ExistsDatabaseQuery", "DescribeQuery"}
)
# `Set` (a SETTINGS clause) is missing on purpose: in a subquery chDB applies it in spite of `readonly`.
_NODES = _QUERY_NODES | frozenset(
    {"SelectQuery", "Subquery", "ExpressionList", "Function", "Literal", "Identifier", "Asterisk"}
    | {"QualifiedAsterisk", "ColumnsRegexpMatcher", "ColumnsListMatcher", "QualifiedColumnsRegexpMatcher"}
    | {"QualifiedColumnsListMatcher", "ColumnsTransformerList", "ColumnsExceptTransformer", "WithElement"}
    | {
        "ColumnsReplaceTransformer",
        "ColumnsReplaceTransformer::Replacement",
        "QueryParameter",
        "NameTypePair",
    }
    | {"TablesInSelectQuery", "TablesInSelectQueryElement", "TableExpression", "TableIdentifier", "TableJoin"}
    | {"ArrayJoin", "OrderByElement", "InterpolateElement", "WindowDefinition", "WindowListElement"}
    | {"SampleRatio", "DataType"}
)
_TABLE_FUNCTIONS = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "values"}
    | {"sqlstandardvalues", "view", "null"}
)
# The parser's own names for syntax; they are in no list of functions.
_SYNTAX = frozenset(
    {"lambda", "exists", "untuple", "columns", "casewithexpression", "array", "tuple", "_cast"}
)
_REFUSED = frozenset(
    {"file", "fuzzquery", "joinget", "joingetornull", "getmacro", "getserversetting", "getmergetreesetting"}
    | {
        "getserverport",
        "getclienthttpheader",
        "filesystemavailable",
        "filesystemunreserved",
        "filesystemcapacity",
    }
    | {
        "hostname",
        "fqdn",
        "fullhostname",
        "serveruuid",
        "catboostevaluate",
        "evalmlmethod",
        "showcertificate",
    }
    | {"generateserialid", "structuretocapnprotoschema", "structuretoprotobufschema"}
)
_REFUSED_PREFIXES = ("dict", "ai", "addressto", "iceberg", "mergetreepart", "naivebayes")
_REFUSED_CATEGORIES = ("Introspection", "Dictionary", "AI")
_SYSTEM_TABLES = frozenset(
    {
        "one",
        "numbers",
        "numbers_mt",
        "zeros",
        "zeros_mt",
        "settings",
        "databases",
        "tables",
        "columns",
        "parts",
    }
    | {"functions", "formats", "data_type_families", "time_zones", "table_engines", "data_skipping_indices"}
)
# A reader may set these for a request; the first group only lower than its limit.
_LOWERABLE = frozenset(
    {"max_execution_time", "max_result_rows", "max_result_bytes", "max_rows_to_read", "max_threads"}
)
_FREE = frozenset(
    {
        "log_comment",
        "session_timezone",
        "max_block_size",
        "date_time_output_format",
        "extremes",
        "join_use_nulls",
    }
)

_LINE = re.compile(r"(?P<node>[A-Za-z:]+)(?: (?P<rest>.*))?\Z")
_NAME = re.compile(r"(?P<name>[\w.$-]+)(?: \(alias .*\))?(?: \(children \d+\))?\Z")
_RESOLVED = re.compile(
    r"^ *(?P<kind>FUNCTION|TABLE|TABLE_FUNCTION) id: .*?(?:table_|function_)name: (?P<name>[^,\n]*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Catalog:
    """The functions a reader may call, and those that exist and are refused, in lower case."""

    allowed: frozenset[str]
    refused: frozenset[str]
    combinators: tuple[str, ...]

    def permits(self, name: str) -> bool:
        """True for an allowed function, also an aggregate one with combinators (`sumIf`)."""
        lower = name.lower()
        if lower in self.refused:
            return False
        if lower in self.allowed:
            return True
        return any(lower.endswith(c) and self.permits(lower.removesuffix(c)) for c in self.combinators)


def catalog(connection: ChdbConnection) -> Catalog:
    """Read the functions this chDB has and sort them."""
    rows = connection.run(
        b"SELECT lower(name), lower(alias_to), categories FROM system.functions WHERE origin = 'System'"
    ).data
    functions = [line.split("\t") for line in rows.decode().splitlines()]
    tables = set(connection.run(b"SELECT lower(name) FROM system.table_functions").data.decode().split())
    ends = (
        connection.run(b"SELECT lower(name) FROM system.aggregate_function_combinators").data.decode().split()
    )
    refused = set(tables - _TABLE_FUNCTIONS - {"format"})
    for name, alias, categories in functions:
        names = {name, alias} - {""}
        if (
            names & _REFUSED
            or any(n.startswith(_REFUSED_PREFIXES) for n in names)
            or categories in _REFUSED_CATEGORIES
        ):
            refused.add(name)
    allowed = {name for name, _, _ in functions} - refused | _SYNTAX | _TABLE_FUNCTIONS
    return Catalog(frozenset(allowed), frozenset(refused), tuple(sorted(ends, key=len, reverse=True)))


def settings(limits: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The settings of a request that a reader may have.

    Raises:
        ClickHouseError: 164, the setting is not for readers, or would raise a limit.
    """
    for name, value in wanted.items():
        is_free = name in _FREE or name.startswith(("output_format_", "format_csv_", "format_tsv_"))
        is_lower = name in _LOWERABLE and value.isdigit() and 0 < int(value) <= int(limits[name])
        if not is_free and not is_lower:
            raise ClickHouseError(164, "READONLY", f"Cannot modify '{name}' setting in readonly mode.")
    return dict(wanted)


def check(
    connection: ChdbConnection, known: Catalog, sql: bytes, kind: Kind, params: Mapping[str, str]
) -> None:
    """Refuse a statement that is no plain reading.

    Raises:
        ClickHouseError: 164 for what is not reading, 497 for a function or table a reader may not use.
    """
    if kind.query_class != "READ_ONLY" or kind.statements != 1:
        raise ClickHouseError(164, "READONLY", "Cannot execute query in readonly mode.")
    tree = connection.run(b"EXPLAIN AST " + sql, "TSVRaw", params).data.decode("utf-8", "replace")
    root = _check_syntax(tree, known)
    if root.startswith("Select"):
        resolved = connection.run(b"EXPLAIN QUERY TREE " + sql, "TSVRaw", params).data
        _check_resolved(connection, resolved.decode("utf-8", "replace"), known)


def _check_syntax(tree: str, known: Catalog) -> str:
    """Every node of the parse tree must be of a known kind, and every function one a reader may call."""
    root = ""
    for node, rest in _nodes(tree):
        if not root:
            root = node
            if root not in _QUERY_NODES:
                raise _refusal(f"a statement of kind {root}")
        if node not in _NODES:
            raise _refusal(f"{node} in a query")
        if node in ("Function", "TableIdentifier"):
            match = _NAME.match(rest)
            if match is None or (node == "Function" and not known.permits(match["name"])):
                raise _refusal(f"{node} {rest.split(' (')[0]}")
        # A function may be named without being called: `arrayMap(file, ...)`.
        if node == "Identifier" and rest.split(" (")[0].lower() in known.refused:
            raise _refusal(f"the name {rest.split(' (')[0]}, which is also a function's")
    return root


def _nodes(tree: str) -> Iterator[tuple[str, str]]:
    for line in tree.splitlines():
        if not line.strip():
            continue
        match = _LINE.match(line.strip())
        if match is None:
            raise _refusal("a name with a line break")
        yield match["node"], match["rest"] or ""


def _check_resolved(connection: ChdbConnection, tree: str, known: Catalog) -> None:
    """What the analyzer resolved: no refused function by any other way, and only tables that exist."""
    others: set[str] = set()
    for match in _RESOLVED.finditer(tree):
        kind, name = match["kind"], match["name"]
        if kind == "TABLE":
            others |= _foreign_tables(name)
        elif name.lower() in known.refused:
            raise _refusal(f"Function {name}")
    if others:
        names = ", ".join(map(quoted, others))
        found = connection.run(
            f"SELECT count() FROM system.tables WHERE concat(database, '.', name) IN ({names})".encode()
        ).data
        # chDB's default database also finds files; what is no table is one.
        if int(found) != len(others):
            raise _refusal("a table that does not exist")


def _foreign_tables(name: str) -> set[str]:
    database, _, table = name.partition(".")
    if database == "system":
        if table not in _SYSTEM_TABLES:
            raise _refusal(f"system.{table}")
        return set()
    return set() if database.lower() == "information_schema" else {name}


def _refusal(what: str) -> ClickHouseError:
    return ClickHouseError(497, "ACCESS_DENIED", f"Not enough privileges. A reader may not use {what}.")
