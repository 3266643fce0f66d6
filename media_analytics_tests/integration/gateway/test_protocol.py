"""ClickHouse's HTTP protocol: who may ask, sessions, formats, compression, headers, errors, curl."""

import gzip
import hashlib
import json
import shutil
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import brotli
import lz4.frame
import pytest
import zstandard

from media_analytics.local.gateway.native_blocks import BlockDecoder, BlockEncoder
from media_analytics_tests.services.gateway import ADMIN, GatewayProcess

pytestmark = pytest.mark.integration


def test_ping_says_whose_gateway_it_is(gateway: GatewayProcess) -> None:
    home = str((gateway.folder / "home").resolve())
    for path in ("/ping", "/replicas_status"):
        response = gateway.http.get(gateway.url + path)
        assert (response.status_code, response.text) == (200, "Ok.\n")
        assert response.headers["x-media-analytics-home"] == hashlib.sha256(home.encode()).hexdigest()[:16]
    assert gateway.http.get(gateway.url).text == "Ok.\n"
    assert gateway.http.get(gateway.url + "/nothing").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8123"},
        {"Host": "[::1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_web_pages_of_other_sites_are_refused(gateway: GatewayProcess, headers: dict[str, str]) -> None:
    assert gateway.post("SELECT 1", headers=headers).status_code == 403
    assert gateway.http.get(f"{gateway.url}/ping", headers=headers).status_code == 403


def test_the_own_origin_is_accepted(gateway: GatewayProcess) -> None:
    assert gateway.post("SELECT 1", headers={"Origin": gateway.url}).status_code == 200


def test_three_ways_of_credentials(gateway: GatewayProcess) -> None:
    name, password = ADMIN
    assert gateway.post("SELECT 1").text == "1\n"
    assert (
        gateway.post(
            "SELECT 1", auth=None, headers={"X-ClickHouse-User": name, "X-ClickHouse-Key": password}
        ).text
        == "1\n"
    )
    assert gateway.post("SELECT 1", auth=None, params={"user": name, "password": password}).text == "1\n"


@pytest.mark.parametrize(
    "auth",
    [("platform", "wrong"), ("platform", ""), ("nobody", "platform-password"), ("", ""), ("default", "")],
)
def test_wrong_credentials(gateway: GatewayProcess, auth: tuple[str, str]) -> None:
    response = gateway.post("SELECT 1", auth=auth)
    assert response.status_code == 403
    assert response.headers["x-clickhouse-exception-code"] == "516"
    assert "Authentication failed" in response.text


def test_no_credentials(gateway: GatewayProcess) -> None:
    response = gateway.post("SELECT 1", auth=None)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")


def test_answers_carry_clickhouses_headers(gateway: GatewayProcess) -> None:
    response = gateway.post(
        "SELECT number FROM numbers(5) FORMAT JSONEachRow", params={"query_id": "my-query"}
    )
    assert response.headers["x-clickhouse-query-id"] == "my-query"
    assert response.headers["x-clickhouse-format"] == "JSONEachRow"
    assert response.headers["x-clickhouse-timezone"] in ("UTC", "Etc/UTC")
    assert response.headers["x-clickhouse-server-display-name"]
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert json.loads(response.headers["x-clickhouse-summary"])["read_rows"] == "5"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT * FROM missing", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT missing", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("", 400, 62, "SYNTAX_ERROR"),
        ("SELECT missing()", 404, 46, "UNKNOWN_FUNCTION"),
        ("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT 1 FORMAT Missing", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT 1 SETTINGS missing = 1", 404, 115, "UNKNOWN_SETTING"),
        ("SELECT {p:Int64}", 400, 456, "UNKNOWN_QUERY_PARAMETER"),
        ("INSERT INTO x FROM INFILE '/etc/passwd' FORMAT CSV", 501, 48, "NOT_IMPLEMENTED"),
        ("SELECT throwIf(1, 'because')", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    ],
)
def test_errors_are_clickhouses(gateway: GatewayProcess, sql: str, status: int, code: int, name: str) -> None:
    response = gateway.post(sql)
    assert response.status_code == status, response.text
    assert response.headers["x-clickhouse-exception-code"] == str(code)
    assert response.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name}) (version 26.9" in response.text


def test_a_database_that_does_not_exist(gateway: GatewayProcess) -> None:
    assert (
        gateway.post("SELECT 1", params={"database": "missing"}).headers["x-clickhouse-exception-code"]
        == "81"
    )


def test_the_database_is_chosen_by_argument_or_header(gateway: GatewayProcess) -> None:
    assert gateway.query("SELECT currentDatabase()", database="system") == "system\n"
    response = gateway.post("SELECT currentDatabase()", headers={"X-ClickHouse-Database": "system"})
    assert response.text == "system\n"
    assert gateway.query("SELECT currentDatabase()") == "default\n"


def test_settings_are_of_one_request(gateway: GatewayProcess) -> None:
    assert gateway.query("SELECT getSetting('max_block_size')", max_block_size=17) == "17\n"
    assert gateway.query("SELECT getSetting('max_block_size')") != "17\n"
    assert gateway.query("SELECT getSetting('async_insert')") == "false\n"
    assert gateway.query("SELECT getSetting('log_comment')", log_comment="run 1") == "run 1\n"


def test_a_session_keeps_settings_database_and_temporary_tables(gateway: GatewayProcess) -> None:
    session = {"session_id": "keeps"}
    gateway.query("CREATE TEMPORARY TABLE mine (a Int8)", **session)
    gateway.query("INSERT INTO mine VALUES (1), (2)", **session)
    gateway.query("SET max_block_size = 23", **session)
    gateway.query("USE system", **session)
    assert gateway.query("SELECT sum(a) FROM mine", **session) == "3\n"
    assert (
        gateway.query("SELECT currentDatabase(), getSetting('max_block_size')", **session) == "system\t23\n"
    )
    # Arguments of one request do not stay in the session.
    assert (
        gateway.query("SELECT getSetting('max_block_size')", max_block_size=5, database="default", **session)
        == "5\n"
    )
    assert (
        gateway.query("SELECT currentDatabase(), getSetting('max_block_size')", **session) == "system\t23\n"
    )
    assert gateway.post("SELECT sum(a) FROM mine").status_code == 404
    assert gateway.post("SELECT sum(a) FROM mine", params={"session_id": "other"}).status_code == 404


def test_session_check_timeout_and_lock(gateway: GatewayProcess) -> None:
    missing = gateway.post("SELECT 1", params={"session_id": "nowhere", "session_check": "1"})
    assert missing.headers["x-clickhouse-exception-code"] == "372"
    wrong = gateway.post("SELECT 1", params={"session_id": "s", "session_timeout": "100000"})
    assert wrong.headers["x-clickhouse-exception-code"] == "374"
    gateway.query("CREATE TEMPORARY TABLE brief (a Int8)", session_id="brief", session_timeout=0)
    gone = gateway.post("SELECT * FROM brief", params={"session_id": "brief"})
    assert gone.status_code == 404


def test_a_session_is_locked_while_in_use(gateway: GatewayProcess) -> None:
    sql = "SELECT sleep(2) AS lock_holder"
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(gateway.query, sql, session_id="locked")
        seen = "SELECT count() FROM system.processes WHERE query LIKE '%lock_holder%' AND query NOT LIKE '%LIKE%'"
        while gateway.query(seen) == "0\n":
            assert not slow.done(), slow.result()
        refused = gateway.post("SELECT 1", params={"session_id": "locked"})
        assert refused.headers["x-clickhouse-exception-code"] == "373"
        assert slow.result() == "0\n"


@pytest.mark.parametrize(
    "name", ["JSON", "JSONCompact", "CSVWithNames", "TSVWithNamesAndTypes", "XML", "Vertical", "Markdown"]
)
def test_whole_document_formats_are_one_document(gateway: GatewayProcess, name: str) -> None:
    small = {"max_block_size": 100, "max_threads": 1}
    one = gateway.query(f"SELECT number AS column_name FROM numbers(1000) FORMAT {name}", **small)
    header = {"JSON": '"meta"', "JSONCompact": '"meta"', "XML": "<meta>", "Markdown": "| column_name |"}.get(
        name, "column_name"
    )
    if name != "Vertical":
        assert one.count(header) == 1
    assert "999" in one


def test_parquet_and_arrow_results(gateway: GatewayProcess) -> None:
    client = gateway.client()
    table = client.query_arrow("SELECT number AS n FROM numbers(200000)")
    assert table.num_rows == 200000
    assert sum(table.column("n").to_pylist()) == 200000 * 199999 // 2


def test_the_default_format_may_be_chosen(gateway: GatewayProcess) -> None:
    assert gateway.query("SELECT 1 AS a", default_format="JSONEachRow") == '{"a":1}\n'
    assert gateway.post("SELECT 1 AS a", headers={"X-ClickHouse-Format": "CSV"}).text == "1\n"
    assert gateway.post("SELECT 1", params={"default_format": "x; DROP"}).status_code == 404


def test_format_as_a_name_is_no_format(gateway: GatewayProcess) -> None:
    assert gateway.query("SELECT 1 AS format") == "1\n"
    assert gateway.query("SELECT format FROM (SELECT 2 AS format) AS x") == "2\n"
    assert gateway.query("SELECT 'FORMAT JSON' -- FORMAT CSV") == "FORMAT JSON\n"
    assert gateway.query("SELECT 3 AS a FORMAT JSONEachRow SETTINGS max_threads = 1;") == '{"a":3}\n'
    assert gateway.query("SELECT 4 AS a SETTINGS max_threads = 1 FORMAT JSONEachRow") == '{"a":4}\n'


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4", "br"])
def test_compression_both_ways(gateway: GatewayProcess, encoding: str) -> None:
    pack = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "zstd": zstandard.compress,
        "lz4": lz4.frame.compress,
        "br": brotli.compress,
    }[encoding]
    text = "SELECT '" + "x" * 100_000 + "'"
    response = gateway.post(pack(text.encode()), headers={"Content-Encoding": encoding})
    assert response.text == "x" * 100_000 + "\n"
    sql = "SELECT number FROM numbers(300000)"
    plain = gateway.post(sql).content
    with gateway.http.stream(
        "POST",
        gateway.url,
        content=sql,
        auth=ADMIN,
        params={"enable_http_compression": "1"},
        headers={"Accept-Encoding": encoding},
    ) as answer:
        assert answer.headers["content-encoding"] == encoding
        packed = b"".join(answer.iter_raw())
    unpack = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "zstd": lambda b: zstandard.ZstdDecompressor().decompressobj().decompress(b),
        "lz4": lz4.frame.decompress,
        "br": brotli.decompress,
    }[encoding]
    assert len(packed) < len(plain)
    assert unpack(packed) == plain


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4", "br"])
def test_a_body_in_another_encoding_than_it_says(gateway: GatewayProcess, encoding: str) -> None:
    for body in (b"SELECT 1 -- this is no compressed text", gzip.compress(b"SELECT 1" * 1000)[:-9]):
        response = gateway.post(body, headers={"Content-Encoding": encoding})
        assert response.headers["x-clickhouse-exception-code"] == "354", response.text
    assert gateway.post(b"SELECT 1", headers={"Content-Encoding": "rot13"}).status_code == 501


def test_native_blocks_both_ways(gateway: GatewayProcess) -> None:
    sql = b"SELECT number FROM numbers(500000)"
    plain = gateway.post(sql).content
    packed = gateway.post(BlockEncoder().encode(sql), params={"compress": "1", "decompress": "1"}).content
    assert b"".join(BlockDecoder().decode(packed)) == plain
    broken = bytearray(BlockEncoder().encode(sql))
    broken[-1] ^= 1
    assert (
        gateway.post(bytes(broken), params={"decompress": "1"}).headers["x-clickhouse-exception-code"] == "40"
    )


def test_an_error_in_the_middle_is_marked(gateway: GatewayProcess) -> None:
    response = gateway.post(
        "SELECT throwIf(number = 3000000) FROM numbers(10000000) SETTINGS max_block_size = 1000"
    )
    assert response.status_code == 200
    tag = response.headers["x-clickhouse-exception-tag"]
    tail = response.content[-2000:].decode()
    assert f"\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception: " in tail
    assert tail.endswith(f"{tag}\r\n__exception__\r\n")


def test_wait_end_of_query_gives_the_error_its_status(gateway: GatewayProcess) -> None:
    sql = "SELECT throwIf(number = 3000000) FROM numbers(10000000) SETTINGS max_block_size = 1000"
    assert gateway.post(sql, params={"wait_end_of_query": "1"}).status_code == 500


def test_query_in_argument_and_body_are_joined(gateway: GatewayProcess) -> None:
    assert gateway.post("SELECT 2", params={"query": ""}).text == "2\n"
    assert gateway.post(" + 4", params={"query": "SELECT 3"}).text == "7\n"
    assert gateway.http.get(gateway.url, params={"query": "SELECT 5"}, auth=ADMIN).text == "5\n"


def test_form_fields_and_external_tables(gateway: GatewayProcess) -> None:
    response = gateway.http.post(
        gateway.url,
        auth=ADMIN,
        params={"ids_structure": "id UInt8, name String", "ids_format": "CSV"},
        data={"query": "SELECT name FROM ids WHERE id = {wanted:UInt8}", "param_wanted": "2"},
        files={"ids": ("ids.csv", b'1,"; DROP"\n2,"\n\nb"\n')},
    )
    assert response.text == "\\n\\nb\n"
    assert gateway.post("SELECT * FROM ids").status_code == 404


def test_an_insert_is_deduplicated_by_its_token(gateway: GatewayProcess) -> None:
    gateway.query(
        "CREATE TABLE default.tokens (a Int64) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    insert = "INSERT INTO default.tokens FORMAT JSONEachRow\n"
    for token, value in (("t1", 1), ("t1", 2), ("t2", 3), ("t1", 1)):
        gateway.query(
            insert + json.dumps({"a": value}), insert_deduplication_token=token, deduplicate_insert="enable"
        )
    assert gateway.query("SELECT groupArray(a) FROM (SELECT a FROM default.tokens ORDER BY a)") == "[1,3]\n"
    gateway.query("DROP TABLE default.tokens")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_plain_curl(gateway: GatewayProcess, tmp_path: Path) -> None:
    def curl(*arguments: str, data: bytes = b"") -> str:
        command = ["curl", "-sS", "--noproxy", "*", "-u", ":".join(ADMIN), *arguments, gateway.url]
        return subprocess.run(
            command, input=data, capture_output=True, check=True, timeout=60
        ).stdout.decode()

    assert curl("-d", "SELECT 1") == "1\n"
    assert curl("--data-binary", "@-", data=b"SELECT 'a'\nFORMAT JSONEachRow") == '{"\'a\'":"a"}\n'
    assert curl("-G", "--data-urlencode", "query=SELECT 1 + 1") == "2\n"
    curl("-d", "CREATE TABLE IF NOT EXISTS default.curled (a Int64, s String) ENGINE = Memory")
    file = tmp_path / "rows.csv"
    file.write_text("".join(f'{n},"row {n}"\n' for n in range(200_000)), "utf-8")
    # More than a megabyte: curl asks with `Expect: 100-continue` first.
    command = ["curl", "-sS", "--noproxy", "*", "-u", ":".join(ADMIN), "--data-binary", f"@{file}"]
    subprocess.run(
        [*command, f"{gateway.url}/?query=INSERT%20INTO%20default.curled%20FORMAT%20CSV"],
        check=True,
        timeout=60,
    )
    assert curl("-d", "SELECT count(), max(a) FROM default.curled") == "200000\t199999\n"
    curl("-d", "DROP TABLE default.curled")


def test_sigterm_ends_with_status_zero(own_gateway: GatewayProcess) -> None:
    own_gateway.query("CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a")
    own_gateway.query("INSERT INTO t VALUES (1)")
    assert own_gateway.stop() == 0
    own_gateway.start()
    assert own_gateway.query("SELECT a FROM t") == "1\n"
