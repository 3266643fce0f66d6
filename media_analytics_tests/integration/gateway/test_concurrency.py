"""Many clients at once: readers beside a writer, slow beside quick, and clients that leave."""

import base64
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from media_analytics_tests.services.gateway import ADMIN, READER, GatewayProcess

pytestmark = pytest.mark.integration
# 200 seconds of waiting inside chDB, in steps that can be cancelled.
SLOW = "SELECT sum(sleepEachRow(0.01)) FROM numbers(20000) SETTINGS max_block_size = 10"


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def running(gateway: GatewayProcess, text: str) -> int:
    sql = f"SELECT count() FROM system.processes WHERE query LIKE '%{text}%' AND query NOT LIKE '%system.processes%'"
    return int(gateway.query(sql))


def send_and_leave(gateway: GatewayProcess, sql: str, seen: Callable[[], bool], read_bytes: int = 0) -> None:
    """Send a statement, wait until it runs, and close the connection."""
    token = base64.b64encode(":".join(ADMIN).encode()).decode()
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\nContent-Length: {len(sql)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as link:
        link.sendall((head + sql).encode())
        wait_until(seen)
        while read_bytes > 0:
            read_bytes -= len(link.recv(65536))


@pytest.mark.parametrize(
    "sql", [SLOW + " /* left */", f"INSERT INTO FUNCTION null('a UInt64') {SLOW} /* left */"]
)
def test_a_client_that_leaves_cancels_its_statement(gateway: GatewayProcess, sql: str) -> None:
    send_and_leave(gateway, sql, lambda: running(gateway, "sleepEachRow") > 0)
    wait_until(lambda: running(gateway, "sleepEachRow") == 0)


@pytest.mark.parametrize("name", ["TabSeparated", "Native", "JSONCompact"])
def test_a_client_that_leaves_a_result_cancels_it(gateway: GatewayProcess, name: str) -> None:
    sql = f"SELECT number, toString(number) FROM numbers(100000000000) FORMAT {name}"
    send_and_leave(gateway, sql, lambda: running(gateway, "100000000000") > 0, read_bytes=3_000_000)
    wait_until(lambda: running(gateway, "100000000000") == 0)


def test_max_execution_time_cancels(gateway: GatewayProcess) -> None:
    began = time.monotonic()
    response = gateway.post(SLOW, params={"max_execution_time": "1"})
    assert response.headers["x-clickhouse-exception-code"] == "159"
    assert response.status_code == 408
    assert time.monotonic() - began < 15


def test_slow_statements_of_all_threads_do_not_block_ping_or_readers(gateway: GatewayProcess) -> None:
    with ThreadPoolExecutor(12) as pool:
        slow = [pool.submit(gateway.post, SLOW, params={"max_execution_time": "4"}) for _ in range(12)]
        wait_until(lambda: running_as_reader_sees(gateway))
        began = time.monotonic()
        assert gateway.http.get(f"{gateway.url}/ping").status_code == 200
        ping_seconds = time.monotonic() - began
        assert gateway.query("SELECT 1", auth=READER) == "1\n"
        assert not all(one.done() for one in slow)
        assert ping_seconds < 1
        assert {one.result().headers["x-clickhouse-exception-code"] for one in slow} == {"159"}


def running_as_reader_sees(gateway: GatewayProcess) -> bool:
    return int(gateway.query("SELECT count() FROM numbers(1)", auth=READER)) == 1


def test_readers_run_while_a_writer_inserts(gateway: GatewayProcess) -> None:
    gateway.query("CREATE TABLE default.busy (a Int64, s String) ENGINE = MergeTree ORDER BY a")
    batches, size = 40, 2000

    def write() -> None:
        for batch in range(batches):
            lines = "".join(json.dumps({"a": batch * size + n, "s": "x" * 100}) + "\n" for n in range(size))
            gateway.query("INSERT INTO default.busy FORMAT JSONEachRow\n" + lines)

    counts: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        with httpx.Client(trust_env=False) as client:
            while not writer.done():
                text = client.post(gateway.url, content="SELECT count() FROM default.busy", auth=READER).text
                counts.append(int(text))
        writer.result()
    # Whole batches only, never fewer than before, and some in between.
    assert all(count % size == 0 for count in counts)
    assert counts == sorted(counts)
    assert any(0 < count < batches * size for count in counts)
    assert (
        gateway.query("SELECT count(), uniqExact(a) FROM default.busy")
        == f"{batches * size}\t{batches * size}\n"
    )
    gateway.query("DROP TABLE default.busy")


def test_many_clients_with_sessions(gateway: GatewayProcess) -> None:
    def work(number: int) -> list[str]:
        session = {"session_id": f"many-{number}"}
        gateway.query("CREATE TEMPORARY TABLE own (a Int64)", **session)
        gateway.query(f"INSERT INTO own VALUES ({number})", **session)
        return [gateway.query("SELECT sum(a) FROM own", **session) for _ in range(5)]

    with ThreadPoolExecutor(16) as pool:
        for number, answers in enumerate(pool.map(work, range(64))):
            assert answers == [f"{number}\n"] * 5


def test_memory_stays_bounded_while_a_client_reads_slowly(own_gateway: GatewayProcess) -> None:
    assert own_gateway.process is not None
    process = psutil.Process(own_gateway.process.pid)
    own_gateway.query("SELECT 1")
    before = process.memory_info().rss
    sql = "SELECT number, toString(number), repeat('x', 100) FROM numbers(30000000) FORMAT {name}"
    for name in ("Native", "JSONCompact"):
        with httpx.stream(
            "POST", own_gateway.url, content=sql.format(name=name), auth=ADMIN, timeout=60
        ) as answer:
            peaks = []
            for number, _ in enumerate(answer.iter_raw(1024 * 1024)):
                peaks.append(process.memory_info().rss)
                if number == 300:
                    break
        # Three hundred megabytes went through; what stays is a few blocks.
        assert max(peaks) - before < 250 * 1024 * 1024
    wait_until(lambda: running(own_gateway, "repeat") == 0)
