"""`media-analytics query` against the real gateway, as the reader."""

import json
import os
import subprocess
import sys

import pytest

from media_analytics.commands.query import explained
from media_analytics.errors import ServiceError
from media_analytics.resources.clickhouse import ClickHouse
from media_analytics_tests.builders import settings as builder
from media_analytics_tests.services.gateway import GatewayProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def store(gateway: GatewayProcess) -> ClickHouse:
    return ClickHouse(builder.make(gateway.folder, CLICKHOUSE__URL=gateway.url), as_reader=True)


def test_the_first_rows_come_in_order_and_more_are_said(gateway: GatewayProcess) -> None:
    rows, is_more = store(gateway).first_rows("SELECT number AS n FROM numbers(300000) ORDER BY n DESC", 3)
    assert (rows.to_pydict(), is_more) == ({"n": [299999, 299998, 299997]}, True)
    rows, is_more = store(gateway).first_rows("SELECT number AS n FROM numbers(3)", 3)
    assert (rows.num_rows, is_more) == (3, False)
    rows, is_more = store(gateway).first_rows("SELECT number AS n FROM numbers(3) WHERE n > 9", 3)
    assert (rows.column_names, rows.num_rows, is_more) == (["n"], 0, False)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE t (n Int64) ENGINE = Memory", "query only reads, as the reader user"),
        ("INSERT INTO t VALUES (1)", "query only reads, as the reader user"),
        ("SELECT * FROM file('/etc/passwd')", "the reader may not use this part"),
        ("SELECT nope FROM system.one", "lists the columns"),
        ("SELECT 1 FORMAT CSV", "leave FORMAT out"),
    ],
)
def test_a_refusal_says_why(gateway: GatewayProcess, statement: str, said: str) -> None:
    with pytest.raises(ServiceError) as refused:
        store(gateway).first_rows(statement, 10)
    assert said in explained(str(refused.value))


@pytest.mark.slow
def test_the_command_prints_rows(gateway: GatewayProcess) -> None:
    variables = builder.variables(gateway.folder) | {"MEDIA_ANALYTICS_CLICKHOUSE__URL": gateway.url}
    others = {k: v for k, v in os.environ.items() if not k.startswith("MEDIA_ANALYTICS_")}
    command = [sys.executable, "-m", "media_analytics.cli", "query", "SELECT number AS n FROM numbers(5)"]
    done = subprocess.run(
        [*command, "--format", "json", "--limit", "2"],
        env=others | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"n": 0}, {"n": 1}]
    assert "the first 2 rows" in done.stderr
