"""Data of an insert can never become SQL, in no format and by no way into the gateway."""

import base64
import io
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import fastavro
import lz4.frame
import pyarrow as pa
import pytest

from media_analytics_tests.services.gateway import GatewayProcess

pytestmark = pytest.mark.integration

EVIL = [
    "\n\nDROP TABLE data.target\n\n",
    "; DROP TABLE data.target; --",
    "'); DROP TABLE data.target; --",
    "x\n\n; INSERT INTO data.target VALUES (99, '', '', [], map())\n",
    "\r\n\r\nSELECT 1 INTO OUTFILE 'x'\r\n",
    '"quoted" `ticked` \\escaped\\ $tag$heredoc$tag$',
    "FORMAT Null\nVALUES (1)",
    "/* comment */ -- line # hash",
    "tab\tand\x00nul\x0a\x0a",
    "{a:Int64} {{ }} %(x)s",
    "ünï→😀",
    "",
]
COLUMNS = ["id", "s", "n", "tags", "props"]
Row = dict[str, Any]


def rows() -> list[Row]:
    """One row for each text, with the text in every string field; `id` 2570 is `0a 0a` in binary."""
    return [
        {"id": 2570 + number, "s": text, "n": text, "tags": [text, text], "props": {f"k{text}": text}}
        for number, text in enumerate(EVIL)
    ]


def json_each_row() -> bytes:
    return b"\n\n".join(json.dumps(row).encode() for row in rows())


def tab_separated() -> bytes:
    def text(value: str) -> str:
        for plain, escaped in (
            ("\\", "\\\\"),
            ("\t", "\\t"),
            ("\n", "\\n"),
            ("\r", "\\r"),
            ("\0", "\\0"),
            ("'", "\\'"),
        ):
            value = value.replace(plain, escaped)
        return value

    lines = []
    for row in rows():
        quoted = f"'{text(row['s'])}'"
        lines.append(
            f"{row['id']}\t{text(row['s'])}\t{text(row['n'])}\t[{quoted},{quoted}]\t{{'k{text(row['s'])}':{quoted}}}\n"
        )
    return "".join(lines).encode()


def values() -> bytes:
    def text(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
        return f"'{escaped}'"

    lines = []
    for row in rows():
        s = text(row["s"])
        lines.append(f"({row['id']}, {s}, {s}, [{s}, {s}], map({text('k' + row['s'])}, {s}))")
    return ",\n\n".join(lines).encode()


def csv() -> bytes:
    def text(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    def literal(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"

    lines = []
    for row in rows():
        tags = text(f"[{literal(row['s'])},{literal(row['s'])}]")
        props = text(f"{{{literal('k' + row['s'])}:{literal(row['s'])}}}")
        lines.append(f"{row['id']},{text(row['s'])},{text(row['n'])},{tags},{props}\n")
    return "".join(lines).encode()


def arrow_table() -> pa.Table:
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("s", pa.string()),
            ("n", pa.string()),
            ("tags", pa.list_(pa.string())),
            ("props", pa.map_(pa.string(), pa.string())),
        ]
    )
    listed = [row | {"props": list(row["props"].items())} for row in rows()]
    return pa.Table.from_pylist(listed, schema)


def arrow_stream() -> bytes:
    out = io.BytesIO()
    table = arrow_table()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def parquet() -> bytes:
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(arrow_table(), out)
    return out.getvalue()


def avro() -> bytes:
    schema = {
        "type": "record",
        "name": "Row",
        "fields": [
            {"name": "id", "type": "long"},
            {"name": "s", "type": "string"},
            {"name": "n", "type": ["null", "string"]},
            {"name": "tags", "type": {"type": "array", "items": "string"}},
            {"name": "props", "type": {"type": "map", "values": "string"}},
        ],
    }
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), rows())
    return out.getvalue()


MAKERS: dict[str, Callable[[], bytes]] = {
    "JSONEachRow": json_each_row,
    "TabSeparated": tab_separated,
    "CSV": csv,
    "Values": values,
    "ArrowStream": arrow_stream,
    "Parquet": parquet,
    "Avro": avro,
}


@pytest.fixture
def target(gateway: GatewayProcess) -> Iterator[str]:
    gateway.query("CREATE DATABASE IF NOT EXISTS data")
    gateway.query("DROP TABLE IF EXISTS data.target")
    gateway.query(
        "CREATE TABLE data.target (id Int64, s String, n Nullable(String), tags Array(String), "
        "props Map(String, String)) ENGINE = MergeTree ORDER BY id"
    )
    yield "data.target"
    gateway.query("DROP TABLE IF EXISTS data.target")


def stored(gateway: GatewayProcess) -> list[Row]:
    text = gateway.query(
        "SELECT * FROM data.target ORDER BY id FORMAT JSONEachRow", output_format_json_quote_64bit_integers=0
    )
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", sorted(MAKERS))
@pytest.mark.parametrize("way", ["statement in the body", "statement in the argument", "chunks"])
def test_data_arrives_unchanged(gateway: GatewayProcess, target: str, name: str, way: str) -> None:
    data = MAKERS[name]()
    clause = "VALUES" if name == "Values" else f"FORMAT {name}"
    sql = f"INSERT INTO {target} ({', '.join(COLUMNS)}) {clause}"
    if way == "statement in the argument":
        response = gateway.post(data, params={"query": sql})
    elif way == "statement in the body":
        response = gateway.post(sql.encode() + b"\n" + data)
    else:
        whole = sql.encode() + b"\n" + data
        pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
        response = gateway.http.post(
            gateway.url, content=iter(pieces), auth=("platform", "platform-password")
        )
    assert response.status_code == 200, response.text
    assert stored(gateway) == rows()


def test_native_and_raw_inserts_of_the_standard_client(gateway: GatewayProcess, target: str) -> None:
    client = gateway.client()
    client.insert(target, [list(row.values()) for row in rows()], column_names=COLUMNS)
    assert stored(gateway) == rows()
    client.command(f"TRUNCATE TABLE {target}")
    client.insert_arrow(target, arrow_table())
    assert stored(gateway) == rows()
    client.command(f"TRUNCATE TABLE {target}")
    client.raw_insert(target, COLUMNS, json_each_row(), fmt="JSONEachRow")
    assert stored(gateway) == rows()
    client.command(f"TRUNCATE TABLE {target}")
    packed = lz4.frame.compress(json_each_row())
    client.raw_insert(target, COLUMNS, packed, fmt="JSONEachRow", compression="lz4")
    assert stored(gateway) == rows()


def test_parameters_and_literals_arrive_unchanged(gateway: GatewayProcess) -> None:
    client = gateway.client()
    for text in EVIL:
        assert client.query("SELECT {v:String}", parameters={"v": text}).result_rows == [(text,)]


def test_settings_and_comments_between_statement_and_data(gateway: GatewayProcess, target: str) -> None:
    statements = [
        f"INSERT INTO {target} (id, s) SETTINGS async_insert = 0 FORMAT JSONEachRow\n",
        f"insert /* FORMAT CSV */ into TABLE {target} (id, s) -- VALUES\n format JSONEachRow ",
        f"INSERT INTO {target} (`id`, `s`) FORMAT JSONEachRow\r\n",
        f"INSERT INTO {target} (id, s) SELECT id, s FROM input('id Int64, s String') FORMAT JSONEachRow\n",
    ]
    for number, sql in enumerate(statements):
        data = json.dumps({"id": number, "s": EVIL[0]})
        assert gateway.post(sql + data).status_code == 200, sql
    assert [(row["id"], row["s"]) for row in stored(gateway)] == [
        (number, EVIL[0]) for number in range(len(statements))
    ]


def test_a_table_named_like_a_keyword(gateway: GatewayProcess, target: str) -> None:
    gateway.query("CREATE TABLE data.values (format String, `values` String) ENGINE = Memory")
    gateway.query("INSERT INTO data.values (format, `values`) VALUES ('FORMAT', 'VALUES')")
    gateway.query("INSERT INTO data.values FORMAT CSV\nSETTINGS,x\n")
    assert (
        gateway.query("SELECT format, values FROM data.values ORDER BY format")
        == "FORMAT\tVALUES\nSETTINGS\tx\n"
    )


def test_several_statements_are_refused(gateway: GatewayProcess, target: str) -> None:
    response = gateway.post("SELECT 1; SELECT 2")
    assert response.status_code == 400
    assert "Multi-statements are not allowed" in response.text


def test_a_partial_body_is_never_inserted(gateway: GatewayProcess, target: str) -> None:
    sql = f"INSERT INTO {target} (id, s) FORMAT JSONEachRow\n" + '{"id": 1, "s": "a"}\n' * 1000
    token = base64.b64encode(b"platform:platform-password").decode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as link:
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\n"
        head += f"Content-Length: {len(sql) + 1000}\r\n\r\n"
        link.sendall(head.encode() + sql.encode())
    assert gateway.query(f"SELECT count() FROM {target}") == "0\n"


def test_a_broken_datum_inserts_nothing_and_names_the_row(gateway: GatewayProcess, target: str) -> None:
    response = gateway.post(
        f'INSERT INTO {target} (id, s) FORMAT JSONEachRow\n{{"id": 1, "s": "a"}}\n{{"id": "x"}}\n'
    )
    assert response.status_code == 400
    assert response.headers["x-clickhouse-exception-code"] == "27"
    assert gateway.query(f"SELECT count() FROM {target}") == "0\n"


def test_a_large_insert_goes_through_a_file(gateway: GatewayProcess, target: str) -> None:
    line = json.dumps({"id": 1, "s": "x" * 1000}).encode() + b"\n"
    many = 80_000
    assert len(line) * many > 64 * 1024 * 1024
    blocks = (line * 1000 for _ in range(many // 1000))
    response = gateway.http.post(
        gateway.url,
        params={"query": f"INSERT INTO {target} (id, s) FORMAT JSONEachRow"},
        content=blocks,
        auth=("platform", "platform-password"),
        timeout=120,
    )
    assert response.status_code == 200, response.text
    assert gateway.query(f"SELECT count(), sum(length(s)) FROM {target}") == f"{many}\t{many * 1000}\n"
