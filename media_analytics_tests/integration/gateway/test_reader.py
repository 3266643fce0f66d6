"""The reader reads tables, within limits, and nothing else: each refusal, and each way around it we know."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from media_analytics_tests.services.gateway import READER, GatewayProcess

pytestmark = pytest.mark.integration
SECRET = "the-content-of-a-file"
OUTFILE = Path(tempfile.gettempdir()) / "reader-outfile"


@pytest.fixture(scope="module")
def table(gateway: GatewayProcess) -> Iterator[str]:
    gateway.query("CREATE DATABASE IF NOT EXISTS reading")
    gateway.query("CREATE TABLE reading.t (a Int64, s String, b Array(String)) ENGINE = MergeTree ORDER BY a")
    gateway.query("INSERT INTO reading.t VALUES (1, 'x', ['p']), (2, 'y', ['q'])")
    gateway.query("CREATE VIEW reading.v AS SELECT a FROM reading.t")
    yield "reading.t"
    gateway.query("DROP DATABASE reading")


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("secret") / "secret.csv"
    file.write_text(f"{SECRET}\n", "utf-8")
    return file


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT sum(a), count(), uniqExact(s), sumIf(a, a > 1), quantiles(0.5)(a) FROM {t}", "3\t2\t2\t2\t[1.5]"),
        ("WITH x AS (SELECT a FROM {t}) SELECT max(a) FROM x", "2"),
        (
            "SELECT a, row_number() OVER (ORDER BY a DESC) FROM {t} WHERE a IN (SELECT number FROM numbers(3)) "
            "ORDER BY a",
            "1\t2\n2\t1",
        ),
        ("SELECT l.a FROM {t} AS l JOIN reading.v AS r ON l.a = r.a ORDER BY l.a LIMIT 1", "1"),
        ("SELECT arrayMap(x -> upper(x), b) FROM {t} ORDER BY a LIMIT 1", "['P']"),
        ("SELECT * EXCEPT (b) FROM {t} ORDER BY a LIMIT 1", "1\tx"),
        (
            "SELECT toStartOfHour(toDateTime(0, 'UTC')), toDate('2026-01-01') + INTERVAL 1 DAY, [1, 2][1], "
            "(1, 2).2, 1 BETWEEN 0 AND 2",
            "1970-01-01 00:00:00\t2026-01-02\t1\t2\t1",
        ),
        ("SELECT 1 UNION ALL SELECT 1", "1\n1"),
        (
            "SELECT JSONExtractString('{{\"k\":\"v\"}}', 'k'), CASE WHEN 1 THEN 'a' ELSE 'b' END, "
            "CAST('7' AS Int8)",
            "v\ta\t7",
        ),
        ("EXISTS TABLE {t}", "1"),
        ("SHOW TABLES FROM reading", "t\nv"),
        ("SELECT name FROM system.columns WHERE database = 'reading' AND table = 't' ORDER BY name", "a\nb\ns"),
        ("SELECT {{n:Int64}} + 1, s FROM {{t:Identifier}} WHERE a = 1", "5\tx"),
    ],
)  # fmt: skip
def test_reading_works(gateway: GatewayProcess, table: str, sql: str, answer: str) -> None:
    text = gateway.query(sql.format(t=table), auth=READER, param_n=4, param_t="t", database="reading")
    assert text.strip() == answer


def test_describe_and_show_create_work(gateway: GatewayProcess, table: str) -> None:
    assert gateway.query(f"DESCRIBE TABLE {table}", auth=READER).startswith("a\tInt64")
    assert "MergeTree" in gateway.query(f"SHOW CREATE TABLE {table}", auth=READER)


FILE_READS = [
    "SELECT * FROM file('{f}', 'CSV', 'x String')",
    "SELECT * FROM FILE('{f}', 'CSV', 'x String')",
    "SELECT * FROM `file`('{f}', 'CSV', 'x String')",
    'SELECT * FROM "file"(\'{f}\', \'CSV\', \'x String\')',
    "SELECT * FROM /* a comment */ file /* ( */ ('{f}', 'CSV', 'x String') -- more",
    "SELECT file('{f}')",
    "SELECT FiLe('{f}')",
    "WITH file('{f}') AS x SELECT x",
    "WITH x AS (SELECT * FROM file('{f}', 'CSV', 'x String')) SELECT * FROM x",
    "SELECT (SELECT file('{f}'))",
    "SELECT 1 WHERE 1 IN (SELECT length(file('{f}')))",
    "SELECT * APPLY (file) FROM (SELECT '{f}')",
    "SELECT * APPLY (x -> file(x)) FROM (SELECT '{f}')",
    "SELECT COLUMNS('.*') APPLY (file) FROM (SELECT '{f}')",
    "SELECT arrayMap(file, ['{f}'])",
    "SELECT arrayMap(x -> file(x), ['{f}'])",
    "SELECT toUInt8(arrayMap(file, ['{f}'])[1])",
    "SELECT * REPLACE (file('{f}') AS a) FROM reading.t",
    "SELECT 1 ORDER BY file('{f}')",
    "SELECT a FROM reading.t ORDER BY a WITH FILL FROM length(file('{f}'))",
    "SELECT sum(a) OVER (PARTITION BY file('{f}')) FROM reading.t",
    "SELECT a FROM reading.t LIMIT length(file('{f}'))",
    "SELECT a FROM reading.t ARRAY JOIN [file('{f}')] AS z",
    "SELECT throwIf(1, file('{f}'))",
    "SELECT toUInt8(file('{f}'))",
    "SELECT * FROM '{f}'",
    "SELECT * FROM `{f}`",
    'SELECT * FROM "{f}"',
    "SELECT * FROM default.`{f}`",
    "WITH `{f}` AS (SELECT 1 AS x) SELECT * FROM (SELECT * FROM `{f}`)",
    "SELECT * FROM {{p:Identifier}}",
    "SELECT * FROM default.{{p:Identifier}}",
    "SELECT * FROM view(SELECT file('{f}'))",
    "SELECT * FROM merge('default', '.*secret.*')",
    "SELECT * FROM loop(file('{f}', 'CSV', 'x String'))",
    "SELECT * FROM cluster('default', file('{f}', 'CSV', 'x String'))",
    "SELECT * FROM remote('127.0.0.1', file('{f}', 'CSV', 'x String'))",
    "SELECT * FROM filesystem('{d}')",
    "DESCRIBE TABLE file('{f}')",
    "DESC file('{f}', 'CSV')",
    "DESCRIBE (SELECT file('{f}'))",
    "DESCRIBE TABLE `{f}`",
    "EXPLAIN SELECT file('{f}')",
    "EXPLAIN SYNTAX SELECT file('{f}')",
    "EXPLAIN QUERY TREE SELECT file('{f}')",
    "SELECT * FROM (EXPLAIN SELECT file('{f}'))",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT file('{f}')))",
    "SELECT 1 IN file('{f}', 'CSV', 'x String')",
    "FROM file('{f}', 'CSV', 'x String') SELECT *",
    "(SELECT * FROM file('{f}', 'CSV', 'x String'))",
    "SELECT 1 UNION ALL SELECT length(file('{f}'))",
    "SELECT 1 INTERSECT SELECT length(file('{f}'))",
    "SELECT * FROM eval('SELECT file(''{f}'')')",
]  # fmt: skip


def test_the_file_can_be_read_by_who_may(gateway: GatewayProcess, secret_file: Path) -> None:
    for sql in ("SELECT file('{f}')", "SELECT * FROM `{f}`", "SELECT * APPLY (file) FROM (SELECT '{f}')"):
        assert SECRET in gateway.query(sql.format(f=secret_file))


@pytest.mark.parametrize("sql", FILE_READS)
def test_no_statement_reads_a_file(gateway: GatewayProcess, table: str, secret_file: Path, sql: str) -> None:
    text = sql.format(f=secret_file, d=secret_file.parent)
    response = gateway.post(text, auth=READER, params={"param_p": str(secret_file)})
    assert response.status_code in (400, 403, 404), response.text
    assert SECRET not in response.text
    assert "c1" not in response.text


def test_files_of_the_lake_are_no_tables(gateway: GatewayProcess, table: str) -> None:
    """The gateway works in the lake's folder; chDB's default database finds files of its working folder as tables."""
    place = gateway.folder / "lake" / "silver"
    place.mkdir(parents=True)
    (place / "secret.csv").write_text(f"{SECRET}\n", "utf-8")
    assert SECRET in gateway.query("SELECT * FROM `silver/secret.csv`")
    for name in (
        "`silver/secret.csv`",
        "default.`silver/secret.csv`",
        "`./silver/secret.csv`",
        "`silver/*.csv`",
    ):
        for sql in (f"SELECT * FROM {name}", f"DESCRIBE TABLE {name}", f"SELECT 1 IN (SELECT * FROM {name})"):
            response = gateway.post(sql, auth=READER)
            assert response.status_code in (400, 403, 404), response.text
            assert SECRET not in response.text
            assert "c1" not in response.text


REMOTE = [
    "url('http://127.0.0.1:1/x', 'CSV', 'x String')", "urlCluster('default', 'http://127.0.0.1:1/x')",
    "s3('http://127.0.0.1:1/bucket/x', 'CSV', 'x String')", "s3Cluster('default', 'http://127.0.0.1:1/bucket/x')",
    "gcs('http://127.0.0.1:1/bucket/x')",
    "deltaLake('http://127.0.0.1:1/bucket/x')", "deltaLakeS3('http://127.0.0.1:1/bucket/x')",
    "deltaLakeLocal('/tmp')", "deltaLakeCluster('default', 'http://127.0.0.1:1/bucket/x')", "deltaLakeAzure('x')",
    "iceberg('http://127.0.0.1:1/bucket/x')", "icebergLocal('/tmp')",
    "hudi('http://127.0.0.1:1/bucket/x')", "paimonLocal('/tmp')",
    "hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'x String')", "azureBlobStorage('x', 'y', 'z')",
    "mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')", "postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'x String')",
    "redis('127.0.0.1:1', 'k', 'k String')", "sqlite('/tmp/a', 'b')",
    "remote('127.0.0.1', 'system', 'one')", "remoteSecure('127.0.0.1', 'system', 'one')",
    "odbc('x', 'y', 'z')", "jdbc('x', 'y')",
    "executable('cat', 'CSV', 'x String')", "executable('sh -c id', 'CSV', 'x String', (SELECT 1))",
    "input('x String')", "dictionary('d')", "python(environ)", "Python(os)", "loop(reading.t)", "merge('system', '.*')",
    "mergeTreeIndex(reading, t)", "fuzzJSON('{}')", "fuzzQuery('SELECT 1')", "generateRandom('x String')",
    "clusterAllReplicas('default', 'system', 'one')", "arrowstream('x')",
]  # fmt: skip


@pytest.mark.parametrize("function", REMOTE)
def test_no_table_function_that_reaches_outside(gateway: GatewayProcess, table: str, function: str) -> None:
    for sql in (
        f"SELECT * FROM {function}",
        f"DESCRIBE TABLE {function}",
        f"SELECT 1 IN (SELECT 1 FROM {function})",
    ):
        response = gateway.post(sql, auth=READER)
        assert response.status_code == 403, (sql, response.text)
        assert response.headers["x-clickhouse-exception-code"] in ("164", "497")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO reading.t VALUES (9, 'z', [])",
        "INSERT INTO reading.t SELECT 9, 'z', []",
        "INSERT INTO FUNCTION file('/tmp/x.csv', 'CSV', 'a Int8') VALUES (1)",
        "INSERT INTO TABLE FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a Int8') SELECT 1",
        "WITH x AS (SELECT 1) INSERT INTO reading.t SELECT 9, 'z', []",
        "CREATE TABLE reading.n (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE n (a Int8)",
        "CREATE VIEW reading.w AS SELECT 1",
        "CREATE MATERIALIZED VIEW reading.w ENGINE = Memory AS SELECT 1",
        "CREATE DICTIONARY reading.d (k UInt64, v String) PRIMARY KEY k "
        "SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT())",
        "CREATE FUNCTION f AS (x) -> x",
        "CREATE DATABASE other",
        "CREATE NAMED COLLECTION c AS a = 1",
        "ALTER TABLE reading.t DELETE WHERE 1",
        "ALTER TABLE reading.t UPDATE s = '' WHERE 1",
        "DELETE FROM reading.t WHERE 1",
        "TRUNCATE TABLE reading.t",
        "DROP TABLE reading.t",
        "DETACH TABLE reading.t",
        "RENAME TABLE reading.t TO reading.u",
        "EXCHANGE TABLES reading.t AND reading.v",
        "OPTIMIZE TABLE reading.t FINAL",
        "SYSTEM FLUSH LOGS",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "SET max_threads = 1",
        "SET readonly = 0",
        "USE system",
        "BACKUP TABLE reading.t TO File('/tmp/backup')",
        "ATTACH TABLE reading.x FROM '/tmp' (a Int8) ENGINE = File(CSV)",
        "SELECT 1 INTO OUTFILE '{o}'",
        "SELECT 1 INTO OUTFILE '{o}' TRUNCATE AND STDOUT",
        "SELECT 1 INTO DUMPFILE '{o}'",
        "INSERT INTO reading.t FROM INFILE '/etc/passwd' FORMAT CSV",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)",
        "SELECT 1; DROP TABLE reading.t",
        "SELECT 1; SET readonly = 0",
        "/* */ SELECT 1; -- \n SELECT 2",
        "BEGIN TRANSACTION",
        "GRANT ALL ON *.* TO reader",
        "CREATE USER u IDENTIFIED BY 'x'",
        "EXECUTE AS platform",
        "CHECK TABLE reading.t",
    ],
)  # fmt: skip
def test_no_statement_writes_or_changes_limits(gateway: GatewayProcess, table: str, sql: str) -> None:
    before = gateway.query("SELECT count(), sum(a) FROM reading.t"), gateway.query("SHOW TABLES FROM reading")
    response = gateway.post(sql.format(o=OUTFILE), auth=READER)
    assert response.status_code >= 400, response.text
    assert (
        gateway.query("SELECT count(), sum(a) FROM reading.t"),
        gateway.query("SHOW TABLES FROM reading"),
    ) == before
    assert not OUTFILE.exists()


@pytest.mark.parametrize(
    "name",
    [
        "processes",
        "named_collections",
        "user_query_log",
        "stack_trace",
        "server_settings",
        "users",
        "user_directories",
        "merge_tree_settings",
        "disks",
        "build_options",
        "dictionaries",
        "backups",
        "symbols",
        "query_cache",
    ],
)
def test_system_tables_that_tell_of_others_are_closed(gateway: GatewayProcess, name: str) -> None:
    for sql in (
        f"SELECT * FROM system.{name}",
        f"SELECT * FROM system.`{name}` AS x",
        f"SELECT count() FROM {name}",
    ):
        response = gateway.post(sql, auth=READER, params={"database": "system"})
        assert response.status_code == 403, (sql, response.text[:200])


def test_the_password_of_a_table_is_hidden(gateway: GatewayProcess) -> None:
    gateway.query(
        "CREATE TABLE IF NOT EXISTS default.foreign_table (a Int8) "
        "ENGINE = PostgreSQL('127.0.0.1:1', 'db', 'table', 'somebody', 'hidden-password')"
    )
    shown = gateway.query("SHOW CREATE TABLE default.foreign_table", auth=READER)
    shown += gateway.query("SELECT create_table_query, engine_full FROM system.tables", auth=READER)
    assert "somebody" in shown
    assert "hidden-password" not in shown
    gateway.query("DROP TABLE default.foreign_table")


@pytest.mark.parametrize(
    "settings",
    [
        {"readonly": "0"},
        {"max_execution_time": "0"},
        {"max_execution_time": "100000"},
        {"max_memory_usage": "0"},
        {"max_result_rows": "0"},
        {"max_result_rows": "-1"},
        {"allow_ddl": "1"},
        {"allow_introspection_functions": "1"},
        {"format_schema": "/etc/passwd:x"},
        {"limit; SET readonly": "0"},
    ],
)  # fmt: skip
def test_arguments_cannot_raise_limits(gateway: GatewayProcess, settings: dict[str, str]) -> None:
    assert gateway.post("SELECT 1", auth=READER, params=settings).status_code == 403


def test_a_reader_may_lower_limits_and_name_its_queries(gateway: GatewayProcess) -> None:
    sql = "SELECT getSetting('max_execution_time'), getSetting('log_comment'), getSetting('readonly')"
    text = gateway.query(sql, auth=READER, max_execution_time=5, log_comment="run 7")
    assert text.strip() == "5\trun 7\t1"


def test_limits_stop_a_large_query(gateway: GatewayProcess) -> None:
    rows = gateway.post("SELECT number FROM numbers(2000000) FORMAT Null", auth=READER)
    assert rows.headers["x-clickhouse-exception-code"] == "396"
    time = gateway.post(
        "SELECT count() FROM numbers(100000000000) WHERE NOT ignore(number)",
        auth=READER,
        params={"max_execution_time": "1"},
    )
    assert time.headers["x-clickhouse-exception-code"] in ("158", "159")
    memory = gateway.post("SELECT length(groupArray(number)) FROM numbers(500000000)", auth=READER)
    assert memory.headers["x-clickhouse-exception-code"] == "241"


def test_a_session_does_not_loosen_the_reader(gateway: GatewayProcess, table: str) -> None:
    for sql in ("SET readonly = 0", "USE system", "CREATE TEMPORARY TABLE x (a Int8)"):
        assert gateway.post(sql, auth=READER, params={"session_id": "r1"}).status_code == 403
    refused = gateway.post("SELECT * FROM processes", auth=READER, params={"session_id": "r1"})
    assert refused.status_code in (403, 404)
    assert gateway.query("SELECT getSetting('readonly')", auth=READER, session_id="r1").strip() == "1"


def test_a_reader_cannot_enter_a_session_of_the_administrator(gateway: GatewayProcess) -> None:
    gateway.query("CREATE TEMPORARY TABLE private (a Int8)", session_id="shared-name")
    refused = gateway.post("SELECT * FROM private", auth=READER, params={"session_id": "shared-name"})
    assert refused.status_code in (403, 404)


def test_external_tables_are_refused(gateway: GatewayProcess) -> None:
    response = gateway.http.post(
        gateway.url,
        params={"query": "SELECT * FROM x", "x_structure": "a Int8", "x_format": "CSV"},
        files={"x": ("x", b"1\n")},
        auth=READER,
    )
    assert response.status_code == 403
    assert response.headers["x-clickhouse-exception-code"] == "164"


def test_the_reviewed_functions_are_those_of_this_chdb(gateway: GatewayProcess) -> None:
    from media_analytics.local.gateway.reader import REVIEWED_VERSION

    assert gateway.query("SELECT version()").strip() == REVIEWED_VERSION, (
        "review reader.py's lists for this chDB"
    )


def test_a_standard_client_can_be_the_reader(gateway: GatewayProcess, table: str) -> None:
    client = gateway.client(READER)
    result = client.query("SELECT a, s FROM reading.t WHERE a = {a:Int64}", parameters={"a": 2})
    assert result.result_rows == [(2, "y")]
