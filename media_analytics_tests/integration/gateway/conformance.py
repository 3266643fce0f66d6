"""clickhouse-connect's own integration tests, run against the gateway.

Belongs here: finding a checkout, running its tests, counting, and the reference page. The checkout is named by
`CLICKHOUSE_CONNECT_CHECKOUT` (a clone of ClickHouse/clickhouse-connect; its packages on PyPI hold no tests); nothing
of it is copied into the project. Does not belong here: what chDB cannot do (`conformance_exclusions.toml`).
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media_analytics_tests.services.gateway import ADMIN, GatewayProcess

CHECKOUT_VARIABLE = "CLICKHOUSE_CONNECT_CHECKOUT"
EXCLUSIONS = Path(__file__).with_name("conformance_exclusions.toml")
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "clickhouse-gateway.md"
_FAILED = re.compile(r"^(?:FAILED|ERROR) tests/integration_tests/(\S+?::\S+)", re.MULTILINE)
_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped|deselected)")


@dataclass(frozen=True)
class Result:
    """One run, the excluded tests left out. `failed` names tests as `file.py::test`."""

    passed: int
    failed: tuple[str, ...]
    output: str

    @property
    def ratio(self) -> float:
        """Share of tests that passed (0-1)."""
        return self.passed / max(1, self.passed + len(self.failed))


def exclusions() -> dict[str, Any]:
    """The list of what is excluded, with the last run's counts."""
    return tomllib.loads(EXCLUSIONS.read_text("utf-8"))


def run(checkout: Path, gateway: GatewayProcess, folder: Path) -> Result:
    """Run the tests of `checkout` with the installed client; they are copied to `folder` so that it is the one used."""
    shutil.copytree(checkout / "tests", folder / "tests")
    arguments = [
        sys.executable,
        "-m",
        "pytest",
        "tests/integration_tests",
        "-q",
        "--tb=line",
        "-p",
        "no:cacheprovider",
    ]
    arguments += ["--show-capture=no", "--timeout=120", "-o", "asyncio_default_fixture_loop_scope=session"]
    for entry in exclusions()["excluded"]:
        for test in entry["tests"]:
            arguments += ["--deselect", f"tests/integration_tests/{test}"]
    environment = {
        "CLICKHOUSE_CONNECT_TEST_HOST": "127.0.0.1",
        "CLICKHOUSE_CONNECT_TEST_PORT": str(gateway.port),
        "CLICKHOUSE_CONNECT_TEST_USER": ADMIN[0],
        "CLICKHOUSE_CONNECT_TEST_PASSWORD": ADMIN[1],
    }
    ran = subprocess.run(
        arguments,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    counts = {kind: int(number) for number, kind in _COUNT.findall(ran.stdout.splitlines()[-1])}
    return Result(counts.get("passed", 0), tuple(_FAILED.findall(ran.stdout)), ran.stdout)


def reference() -> str:
    """The reference page, as it must stand in the repository."""
    listed = exclusions()
    ratio = listed["passed"] / listed["counted"]
    rows = [
        f"| {e['what']} | {e['reason']} | `{e['sql']}` | {e['code']} | {', '.join(f'`{t}`' for t in e['tests'])} |"
        for e in listed["excluded"]
    ]
    return _PAGE.format(
        passed=listed["passed"],
        counted=listed["counted"],
        pct=ratio * 100,
        failed=listed["failed"],
        rows="\n".join(rows),
    )


_PAGE = """# ClickHouse gateway

The embedded stack serves ClickHouse by chDB behind a small HTTP gateway (`media_analytics/local/gateway/`). Production
talks to a ClickHouse server; clients do not know the difference. This page is generated from
`media_analytics_tests/integration/gateway/conformance_exclusions.toml`
(`python -m media_analytics_tests.integration.gateway.conformance`).

## What it speaks

- `GET /ping` and `/replicas_status` without credentials; the header `X-Media-Analytics-Home` says whose gateway it is.
- Statements in the body, in the argument `query`, in both, or in a form field; `param_<name>` values; every other
  argument is a setting of this one statement. Credentials by Basic, `X-ClickHouse-User` and `-Key`, or arguments.
- Inserts in every input format of chDB. The data is never part of the SQL text: it waits in memory or, above 64 MiB,
  in a private unlinked file. `async_insert` is 0; `insert_deduplication_token` works on tables with a
  `non_replicated_deduplication_window`. A start forgets the token of an insert that a kill cut off before its rows had
  their place: the client sends it again.
- Results stream in every output format; a client that leaves, and `max_execution_time`, cancel the statement.
  Until the first megabyte or quarter of a second an error has its own status; later it is a marked block at the end.
- Sessions (`session_id`, `session_timeout`, `session_check`) with temporary tables, `SET` and `USE`; external tables.
- `gzip`, `deflate`, `zstd`, `lz4`, `br` both ways, and ClickHouse's own blocks (`compress=1`, `decompress=1`).
- Only requests whose `Host` is this machine and that no page of another site sent (`Origin`) are served.

## What the reader may do

`SELECT`, `SHOW`, `DESCRIBE`, `EXISTS`, within limits of time, memory and rows (`config.py`). Every node, function and
table of a statement, as chDB's own parser and analyzer see them, must be on a list (`reader.py`). Files, addresses,
other servers, Python objects, dictionaries, `SETTINGS` clauses, `* APPLY` and the system tables that tell of other
queries are refused.

## Conformance

clickhouse-connect's own integration tests: {passed} of {counted} pass ({pct:.1f} %). {failed} To run them, clone
ClickHouse/clickhouse-connect beside the project, set `CLICKHOUSE_CONNECT_CHECKOUT` to the clone and call
`make test-all`. What chDB itself cannot do is left out, by name; each statement below fails the same way in bare chDB.

| what | why | statement | error code | tests |
|---|---|---|---|---|
{rows}

Also different from a server: `KILL QUERY` by a query id of the client finds nothing (chDB gives its own ids), and
`X-ClickHouse-Progress` headers are not sent.
"""


if __name__ == "__main__":
    REFERENCE.write_text(reference(), "utf-8")
